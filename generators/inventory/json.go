package inventory

import (
	"bytes"
	"encoding/json"
	"errors"
)

// element is an element of a list in JSON, with its line.
type element struct {
	text json.RawMessage
	line int
}

// elements are those of the list under a key of an object that starts at a line;
// none if there is no such key.
func elements(text []byte, line int, name string) ([]element, error) {
	d, err := valueOf(text, name)
	if d == nil || err != nil {
		return nil, err
	}
	if t, err := d.Token(); err != nil || t != json.Delim('[') {
		return nil, errors.Join(err, errors.New(name+" is not a list"))
	}
	var all []element
	done := 0 // bytes whose lines are counted
	for d.More() {
		var e element
		if err := d.Decode(&e.text); err != nil {
			return nil, err
		}
		from := int(d.InputOffset()) - len(e.text)
		line += bytes.Count(text[done:from], []byte("\n"))
		done = from
		e.line = line
		all = append(all, e)
	}
	_, err = d.Token()
	return all, err
}

// valueOf is a decoder before the value of a key at the top of an object; nil if
// there is no such key.
func valueOf(text []byte, name string) (*json.Decoder, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.Join(err, errors.New("it is not an object"))
	}
	for d.More() {
		if t, err := d.Token(); err != nil || t == name {
			return d, err
		}
		var skipped json.RawMessage
		if err := d.Decode(&skipped); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// tellsJSON is sure of an object with a key.
func tellsJSON(text []byte, name string) int {
	if d, err := valueOf(text, name); d != nil && err == nil {
		return 1000
	}
	return 0
}
