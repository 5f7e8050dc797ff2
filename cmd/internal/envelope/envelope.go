// Package envelope writes the JSON of all commands: one object, with the
// version of the format and the command's name before everything else. The
// schemas are in the folder schema.
package envelope

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
)

// Version is the version of the format. Fields may be added under it; none is
// renamed, removed or given another meaning.
const Version = 1

// Write writes v, which JSON has as an object, in the envelope of a command.
func Write(w io.Writer, command string, v any) error {
	var body, text bytes.Buffer
	e := json.NewEncoder(&body)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return err
	}
	inner, object := bytes.CutPrefix(body.Bytes(), []byte("{"))
	if !object {
		return fmt.Errorf("the JSON of %s is not an object", command)
	}
	head := fmt.Sprintf(`{"version": %d, "command": %q`, Version, command)
	if !bytes.HasPrefix(inner, []byte("}")) {
		head += ", "
	}
	if err := json.Indent(&text, append([]byte(head), inner...), "", "  "); err != nil {
		return err
	}
	_, err := text.WriteTo(w)
	return err
}
