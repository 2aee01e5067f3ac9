//go:build !linux

package command

import "os"

// memoryWatch does nothing on systems without /proc.
type memoryWatch struct{}

func watchMemory(int) *memoryWatch { return nil }

func (*memoryWatch) stop() float64 { return 0 }

func busySeconds() float64 { return 0 }

func largestMB(*os.ProcessState) float64 { return 0 }
