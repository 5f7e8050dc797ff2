package inventory

import (
	"bytes"
	"regexp"
	"strconv"
)

// Made is what the comments of a config that pasvctl has made say of its range.
type Made struct {
	Refused  float64 // share that may be refused; 0: the server's default
	Squatted int     // ports that other programs may have taken; -1: the default
}

var madeObjective = regexp.MustCompile(`(?m)^# .*computed for refused = ([0-9.]{1,20}) and squatted = ([0-9]{1,5})\b`)

// madeBy reads the comments of a config; nil if pasvctl has not made it.
func madeBy(text []byte) *Made {
	if !bytes.HasPrefix(text, []byte("# Made by pasvctl ")) {
		return nil
	}
	made := &Made{Squatted: -1}
	if m := madeObjective.FindSubmatch(text); m != nil {
		refused, err1 := strconv.ParseFloat(string(m[1]), 64)
		squatted, err2 := strconv.Atoi(string(m[2]))
		if err1 == nil && err2 == nil && refused > 0 && refused < 1 {
			made.Refused, made.Squatted = refused, squatted
		}
	}
	return made
}
