//go:build !cgo

package kernels

import "testing"

func eachInstructionSet(t *testing.T, test func(t *testing.T)) { test(t) }
