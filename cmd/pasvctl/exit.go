package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/pasvctl/pasvctl/cmd/internal/diagnostics"
)

// The exit codes of every command.
const (
	exitDone       = 0
	exitFailed     = 1  // invalid spec, refused, I/O
	exitDifference = 2  // a check found a difference
	exitUsage      = 64 // wrong usage (EX_USAGE of sysexits.h)
)

// exitError ends the program with a code. Its message starts without a
// capital and ends without a full stop; hint says what to do about it.
type exitError struct {
	code int
	err  error // nil: what is to be said has been said already
	hint string
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// failure is exit code 1 with a message, and with a hint where there is one.
func failure(err error, hint string) error {
	if err == nil { // else the program would fail without a word
		err, hint = errors.New("internal error: failed without an error"), bugHint
	}
	return &exitError{code: exitFailed, err: err, hint: hint}
}

// usage is exit code 64: the command line itself is wrong.
func usage(hint, format string, a ...any) error {
	return &exitError{code: exitUsage, err: fmt.Errorf(format, a...), hint: hint}
}

// silent ends with a code after the command has said everything itself.
func silent(code int) error { return &exitError{code: code} }

// report writes err and its hint to w and returns the exit code. An error
// that no command has wrapped is a failure, unless the command line never
// reached a command.
func report(w io.Writer, err error, started bool) int {
	if err == nil {
		return exitDone
	}
	e, ok := errors.AsType[*exitError](err)
	if !ok {
		e = &exitError{code: exitFailed, err: err}
		if !started {
			e = &exitError{code: exitUsage, err: err, hint: "see pasvctl --help"}
		}
	}
	if e.err != nil {
		fmt.Fprintf(w, "pasvctl: %s\n", diagnostics.Printable(e.err.Error()))
		if e.hint != "" {
			fmt.Fprintf(w, "hint: %s\n", e.hint)
		}
	}
	return e.code
}
