package cli

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"

	"fx/internal/fail"
	"fx/internal/printable"
	"fx/internal/progress"
)

// checked keeps the first error of a writer: a result that did not reach its reader (a full disk, a closed pipe) is a
// failure.
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

// output writes the results, progress and errors of a command.
type output struct {
	stdout, stderr io.Writer // both escape control characters
	bars           io.Writer // stderr itself, for progress bars
	arrow          io.Writer // stdout itself, for `fx worker`
	json, quiet    bool
	reported       bool // a result is on stdout, at least in part: a later failure must not write a second document
}

// newOutput returns the output that writes to stdout and stderr.
func newOutput(stdout, stderr io.Writer) *output {
	return &output{stdout: printable.Writer{W: stdout}, stderr: printable.Writer{W: stderr}, bars: stderr,
		arrow: stdout}
}

// result prints v as JSON if --json is given, else it calls text.
func (o *output) result(v any, text func(w io.Writer)) error {
	w := &checked{Writer: o.stdout}
	if !o.json {
		text(w)
		o.reported = true
		return fail.Wrap(fail.Other, w.err, "", "write the result")
	}
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(v) // writes nothing of a value that it can't encode
	o.reported = err == nil || w.err != nil
	return fail.Wrap(fail.Other, err, "", "write the result")
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
	code, hint := int(fail.KindOf(err)), cmp.Or(fail.HintOf(err), defaultHint(err))
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

// defaultHint returns the hint for an error that has none, by its kind, or "".
func defaultHint(err error) string {
	switch fail.KindOf(err) {
	case fail.DiskFull:
		return "Free some space, or write to another disk; what was finished is kept, and the same command goes on " +
			"from there."
	case fail.System:
		return "The system failed, not what it was asked for. " +
			"What was finished is kept, and the same command goes on once it works again."
	case fail.Interrupted:
		return "Nothing is left half written: run the same command again."
	}
	if fail.Forbidden(err) {
		return "Name another file or folder, or let fx read and write this one."
	}
	return ""
}
