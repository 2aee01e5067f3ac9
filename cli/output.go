package cli

import (
	"encoding/json"
	"fmt"
	"io"

	"fx/internal/fail"
	"fx/internal/printable"
	"fx/internal/progress"
)

// checked remembers the first error of a writer, so that a result that did not
// reach its reader (a full disk, a closed pipe) is no success.
type checked struct {
	io.Writer
	err error
}

func (c *checked) Write(p []byte) (int, error) {
	n, err := c.Writer.Write(p)
	if c.err == nil {
		c.err = err
	}
	return n, err
}

// output is where a command's words go, and how.
type output struct {
	stdout, stderr io.Writer // both escape control characters
	bars           io.Writer // stderr itself, for progress bars
	json, quiet    bool
	reported       bool // a result was printed: a later failure must not print a second document
}

// newOutput returns the output that writes to stdout and stderr.
func newOutput(stdout, stderr io.Writer) *output {
	return &output{stdout: printable.Writer{W: stdout}, stderr: printable.Writer{W: stderr}, bars: stderr}
}

// result prints v as JSON where --json is given, else calls text.
func (o *output) result(v any, text func(w io.Writer)) error {
	o.reported = true
	if !o.json {
		w := &checked{Writer: o.stdout}
		text(w)
		return fail.Wrap(fail.Other, w.err, "", "write the result")
	}
	encoder := json.NewEncoder(o.stdout)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(v)
}

// progress returns the reporter that suits stderr.
func (o *output) progress() progress.Reporter {
	if o.quiet {
		return progress.Discard
	}
	return newReporter(o.bars)
}

// failure prints err on stderr, with --json also on stdout, and returns its exit code.
func (o *output) failure(err error) int {
	code, hint := int(fail.KindOf(err)), fail.HintOf(err)
	if hint == "" && code == int(fail.DiskFull) {
		hint = "Free some space, or write to another disk; what was finished is kept, and the same command goes on " +
			"from there."
	}
	if hint == "" && code == int(fail.System) {
		hint = "The system failed, not what it was asked for. " +
			"What was finished is kept, and the same command goes on once it works again."
	}
	if hint == "" && code == int(fail.Interrupted) {
		hint = "Nothing is left half written: run the same command again."
	}
	if hint == "" && fail.Forbidden(err) {
		hint = "Name another file or folder, or let fx read and write this one."
	}
	fmt.Fprintf(o.stderr, "fx: error: %s\n", printable.Message(err.Error()))
	if hint != "" {
		fmt.Fprintf(o.stderr, "fx: %s\n", printable.Message(hint))
	}
	if o.json && !o.reported {
		// The exit code already reports the failure, and a broken stdout can't be reported.
		_ = o.result(map[string]any{"error": err.Error(), "hint": hint, "exit_code": code}, nil)
	}
	return code
}
