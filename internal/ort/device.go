package ort

import (
	"strconv"
	"strings"

	"fx/internal/fail"
)

// Device is the device for a session. The zero value is automatic.
type Device struct {
	Kind string // "auto" (or ""), "cpu" or "cuda"
	ID   int    // which GPU, as CUDA counts them
}

// Devices without a number.
var (
	Auto = Device{Kind: "auto"}
	CPU  = Device{Kind: "cpu"}
	CUDA = Device{Kind: "cuda"}
)

// ParseDevice parses "auto", "cpu", "cuda" or "cuda:1". The error is of kind fail.Usage.
func ParseDevice(text string) (Device, error) {
	kind, number, numbered := strings.Cut(strings.ToLower(strings.TrimSpace(text)), ":")
	d := Device{Kind: kind}
	switch kind {
	case "":
		d.Kind = "auto"
	case "auto", "cpu", "cuda":
	default:
		return Device{}, fail.New(fail.Usage, "Devices are auto, cpu, cuda and cuda:N.", "unknown device %q", text)
	}
	if !numbered {
		return d, nil
	}
	id, err := strconv.Atoi(number)
	if kind != "cuda" || err != nil || id < 0 {
		return Device{}, fail.New(fail.Usage, "Devices are auto, cpu, cuda and cuda:N.", "unknown device %q", text)
	}
	d.ID = id
	return d, nil
}

// String returns the text that ParseDevice parses.
func (d Device) String() string {
	if d.Kind == "" {
		return "auto"
	}
	if d.Kind == "cuda" && d.ID != 0 {
		return "cuda:" + strconv.Itoa(d.ID)
	}
	return d.Kind
}
