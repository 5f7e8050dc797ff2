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
	d := json.NewDecoder(bytes.NewReader(text))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.Join(err, errors.New("it is not an object"))
	}
	var all []element
	done := 0 // bytes whose lines are counted
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, err
		}
		if t != name {
			var skipped json.RawMessage
			if err := d.Decode(&skipped); err != nil {
				return nil, err
			}
			continue
		}
		if t, err := d.Token(); err != nil || t != json.Delim('[') {
			return nil, errors.Join(err, errors.New(name+" is not a list"))
		}
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
		if _, err := d.Token(); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// tellsJSON is sure of an object with a key.
func tellsJSON(text []byte, name string) int {
	if text = bytes.TrimLeft(text, " \t\r\n"); len(text) > 0 && text[0] == '{' && hasKey(text, name) {
		return 1000
	}
	return 0
}

// hasKey reports whether a JSON object has a key at its top.
func hasKey(text []byte, name string) bool {
	d := json.NewDecoder(bytes.NewReader(text))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return false
	}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return false
		}
		if t == name {
			return true
		}
		var skipped json.RawMessage
		if d.Decode(&skipped) != nil {
			return false
		}
	}
	return false
}
