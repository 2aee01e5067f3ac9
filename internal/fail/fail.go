package fail

import (
	"context"
	"errors"
	"fmt"
	"syscall"
)

// Kind says what sort of failure an error is. Its value is the program's exit code.
type Kind int

// The exit codes of fx. They are a promise to scripts: never renumber them.
const (
	Other     Kind = 1 // anything without a better kind
	Usage     Kind = 2 // wrong flags, names, folders: the command line must change
	Rejected  Kind = 3 // some inputs were rejected and the user asked for none to be
	Model     Kind = 4 // bad model, weights or checkpoint
	Store     Kind = 5 // the embedding store is damaged
	DiskFull  Kind = 6 // no space left where fx writes
	Device    Kind = 7 // ONNX Runtime or the device asked for is not available
	NonFinite Kind = 8 // a loss or an embedding is NaN or infinite, or a training diverged
	Locked    Kind = 9 // another process holds the lock

	// The system failed to read or write (a disk's error, no descriptors left). Trying again may help.
	System Kind = 10

	Interrupted Kind = 130 // Ctrl+C
)

// Error is an error with a kind and a hint.
type Error struct {
	Kind Kind
	Msg  string // what happened, naming the file; no trailing full stop
	Hint string // what to do, a whole sentence, or empty
	Err  error  // the cause, or nil
}

// Error returns message and cause, without the hint: cli prints that on a line of its own.
func (e *Error) Error() string {
	switch {
	case e.Err == nil:
		return e.Msg
	case e.Msg == "":
		return e.Err.Error()
	}
	return e.Msg + ": " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// New returns an error of the kind with a hint and a formatted message.
func New(kind Kind, hint, format string, args ...any) error {
	return &Error{Kind: kind, Hint: hint, Msg: fmt.Sprintf(format, args...)}
}

// Wrap returns an error of the kind caused by err, or nil if err is nil.
func Wrap(kind Kind, err error, hint, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return &Error{Kind: kind, Hint: hint, Msg: fmt.Sprintf(format, args...), Err: err}
}

// KindOf returns the kind of err, which is the exit code: DiskFull, Interrupted or System if its chain ends in ENOSPC,
// EDQUOT, context.Canceled or an error number of bySystem, whatever kind wraps it; else the kind of the outermost Error
// in the chain, unless that is Other; else Usage for a missing permission (see Forbidden), or Other.
func KindOf(err error) Kind {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return DiskFull
	}
	if errors.Is(err, context.Canceled) {
		return Interrupted
	}
	if systemFailed(err) {
		return System
	}
	var e *Error
	if errors.As(err, &e) && e.Kind != Other {
		return e.Kind
	}
	if Forbidden(err) {
		return Usage
	}
	return Other
}

// Forbidden reports whether the chain of err ends in the error number of a missing permission or a read-only
// file system. The command must name another file or folder.
func Forbidden(err error) bool {
	return errors.Is(err, syscall.EACCES) || errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EROFS)
}

// BySystem reports whether err has a cause outside of the inputs: the system failed, the disk is full, or the user
// interrupted fx. Such an error ends a command; an input must not be left out because of it.
func BySystem(err error) bool {
	switch KindOf(err) {
	case System, DiskFull, Interrupted:
		return err != nil
	}
	return false
}

// HintOf returns the first hint in the chain of err, or "". For a cause outside of the inputs (see BySystem) it returns
// only a hint of the same kind: the others are for other causes.
func HintOf(err error) string {
	kind, special := KindOf(err), BySystem(err)
	for err != nil {
		var e *Error
		if !errors.As(err, &e) {
			return ""
		}
		if e.Hint != "" && (!special || e.Kind == kind) {
			return e.Hint
		}
		err = e.Err
	}
	return ""
}
