//go:build !linux

package durable

import "errors"

// swapNames exchanges two names in one step, if the system can.
func swapNames(_, _ string) error { return errors.ErrUnsupported }
