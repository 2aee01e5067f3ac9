package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"syscall"
	"testing"

	"fx/internal/fail"
)

// A failure is printed as JSON unless a result is on stdout already; one that can't be encoded is not.
func TestAFailureIsReportedOnce(t *testing.T) {
	for name, c := range map[string]struct {
		result any
		want   string // of the only document, a key
	}{
		"no result":        {nil, "error"},
		"a result":         {map[string]int{"photos": 3}, "photos"},
		"no JSON for this": {math.NaN(), "error"},
	} {
		var stdout bytes.Buffer
		o := newOutput(&stdout, io.Discard)
		o.json = true
		if c.result != nil {
			if err := o.result(c.result, nil); (err != nil) != (c.want == "error") {
				t.Errorf("%s: %v", name, err)
			}
		}
		o.failure(errors.New("a later failure"))
		var document map[string]any
		if err := json.Unmarshal(stdout.Bytes(), &document); err != nil || document[c.want] == nil {
			t.Errorf("%s: %v, stdout %q", name, err, stdout.String())
		}
	}
}

// failingWriter fails after its first bytes.
type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 1, syscall.ENOSPC }

func TestAResultThatIsNotWritten(t *testing.T) {
	for _, asJSON := range []bool{false, true} {
		o := newOutput(failingWriter{}, io.Discard)
		o.json = asJSON
		err := o.result(1, func(w io.Writer) { fmt.Fprint(w, 1) })
		if fail.KindOf(err) != fail.DiskFull || err.Error() != "write the result: no space left on device" {
			t.Errorf("JSON %v: %v", asJSON, err)
		}
	}
}

func TestDefaultHints(t *testing.T) {
	for kind, err := range map[fail.Kind]error{
		fail.DiskFull: syscall.ENOSPC, fail.System: syscall.EIO, fail.Usage: syscall.EACCES,
		fail.Interrupted: fail.New(fail.Interrupted, "", "stopped"),
	} {
		if fail.KindOf(err) != kind || defaultHint(err) == "" {
			t.Errorf("%v: kind %d, hint %q", err, fail.KindOf(err), defaultHint(err))
		}
	}
	if hint := defaultHint(errors.New("another error")); hint != "" {
		t.Error(hint)
	}
}
