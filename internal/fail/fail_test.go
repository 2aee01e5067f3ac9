package fail_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"testing"

	"fx/internal/fail"
)

func TestKindOf(t *testing.T) {
	full := &fs.PathError{Op: "write", Path: "shard", Err: syscall.ENOSPC}
	for _, c := range []struct {
		name string
		err  error
		want fail.Kind
	}{
		{"plain", errors.New("x"), fail.Other},
		{"kind", fail.New(fail.Usage, "", "x"), fail.Usage},
		{"kind under a wrapper", fmt.Errorf("y: %w", fail.New(fail.Device, "", "x")), fail.Device},
		{"outermost kind wins", fail.Wrap(fail.Model, fail.New(fail.Usage, "", "x"), "", "y"), fail.Model},
		{"a full disk whoever wrapped it", fail.Wrap(fail.Store, full, "", "y"), fail.DiskFull},
		{"a disk's error whoever wrapped it",
			fail.Wrap(fail.Store, &fs.PathError{Op: "read", Path: "shard", Err: syscall.EIO}, "", "y"), fail.System},
		{"no descriptors", &fs.PathError{Op: "open", Path: "photo", Err: syscall.EMFILE}, fail.System},
		{"no right to write",
			fail.Wrap(fail.Other, &fs.PathError{Op: "open", Path: "m", Err: syscall.EACCES}, "", "y"), fail.Usage},
		{"no right to write, unwrapped", &fs.PathError{Op: "open", Path: "m", Err: syscall.EROFS}, fail.Usage},
		{"no right, with a better kind", fail.Wrap(fail.Model, syscall.EACCES, "", "y"), fail.Model},
		{"a file that is not there", fail.Wrap(fail.Usage, fs.ErrNotExist, "", "y"), fail.Usage},
		{"Ctrl+C whoever wrapped it", fail.Wrap(fail.Model, context.Canceled, "", "y"), fail.Interrupted},
	} {
		if got := fail.KindOf(c.err); got != c.want {
			t.Errorf("%s: kind %d, want %d", c.name, got, c.want)
		}
	}
}

func TestAboutFile(t *testing.T) {
	for err, want := range map[error]bool{
		syscall.ENOENT: true, syscall.EACCES: true, syscall.ELOOP: true,
		syscall.EIO: false, syscall.EMFILE: false, syscall.EINVAL: false, syscall.ENOSPC: false, errors.New("x"): false,
	} {
		if got := fail.AboutFile(&fs.PathError{Op: "open", Path: "photo", Err: err}); got != want {
			t.Errorf("%v: %v", err, got)
		}
	}
}

func TestBySystem(t *testing.T) {
	for err, want := range map[error]bool{
		nil:                           false,
		fail.New(fail.Usage, "", "x"): false,
		fail.Wrap(fail.Usage, syscall.EMFILE, "", "x"):       true,
		fail.Wrap(fail.Store, syscall.ENOSPC, "", "x"):       true,
		fail.Wrap(fail.Usage, context.Canceled, "", "x"):     true,
		fail.Wrap(fail.Usage, fs.ErrNotExist, "", "missing"): false,
	} {
		if got := fail.BySystem(err); got != want {
			t.Errorf("%v: %v", err, got)
		}
	}
}

func TestHintOfFindsTheInnerHint(t *testing.T) {
	err := fail.Wrap(fail.Model, fail.New(fail.Usage, "do this", "x"), "", "y")
	if got := fail.HintOf(fmt.Errorf("z: %w", err)); got != "do this" {
		t.Errorf("hint %q", got)
	}
	for err, want := range map[error]string{
		fail.Wrap(fail.Usage, syscall.ENOSPC, "Choose another --out.", "x"):          "",
		fail.Wrap(fail.Usage, context.Canceled, "Choose another --out.", "x"):        "",
		fail.Wrap(fail.Usage, syscall.EACCES, "Choose another --out.", "x"):          "Choose another --out.",
		fail.Wrap(fail.Interrupted, context.Canceled, "It goes on.", "x"):            "It goes on.",
		fail.Wrap(fail.Usage, fail.Wrap(fail.System, syscall.EIO, "a", ""), "b", ""): "a",
	} {
		if got := fail.HintOf(err); got != want {
			t.Errorf("%v: hint %q, want %q", err, got, want)
		}
	}
	if got := fail.HintOf(errors.New("x")); got != "" {
		t.Errorf("hint %q of a plain error", got)
	}
	if fail.Wrap(fail.Model, nil, "", "y") != nil {
		t.Error("wrapping nil made an error")
	}
}

func ExampleNew() {
	err := fail.New(fail.Usage, "fx backbones list shows the names.", "unknown backbone %q", "resnet81")
	fmt.Println(err)
	fmt.Println(fail.HintOf(err))
	fmt.Println("exit code", int(fail.KindOf(err)))
	// Output:
	// unknown backbone "resnet81"
	// fx backbones list shows the names.
	// exit code 2
}

func ExampleWrap() {
	err := fail.Wrap(fail.Store, errors.New("unexpected EOF"), "Run `fx features verify` on it.", "shard %s", "0.arrow")
	fmt.Println(err)
	fmt.Println(fail.HintOf(err))
	// Output:
	// shard 0.arrow: unexpected EOF
	// Run `fx features verify` on it.
}

func TestErrnoIn(t *testing.T) {
	for message, want := range map[string]error{
		"libx.so.0: cannot open shared object file: Input/output error":               syscall.EIO,
		"libx.so.0: cannot open shared object file: Too many open files":              syscall.EMFILE,
		"libx.so.0: failed to map segment from shared object: Cannot allocate memory": syscall.ENOMEM,
		"libx.so.0: cannot open shared object file: No such file or directory":        nil,
		"libx.so.0: file too short": nil,
		"":                          nil,
	} {
		if got := fail.ErrnoIn(message); got != want {
			t.Errorf("%q: %v", message, got)
		}
	}
}
