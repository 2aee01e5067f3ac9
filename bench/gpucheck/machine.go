package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"fx/internal/doctor"
	"fx/internal/fail"
	fxmachine "fx/internal/machine"
	"fx/internal/ort"
)

// machine describes the machine in the report.
type machine struct {
	gpu, driver, cpu, library string
}

// examine runs `fx runtime doctor`. Without a working GPU it returns an error of kind fail.Device.
func examine(ctx context.Context, o options) (machine, error) {
	var report doctor.Report
	if err := call(ctx, o, nil, &report, "runtime", "doctor"); err != nil {
		return machine{}, err
	}
	m := machine{cpu: fxmachine.CPU(), driver: report.CUDA.Driver}
	if report.Library != nil {
		m.library = "ONNX Runtime " + report.Library.Version
	}
	if o.device == "cpu" {
		m.gpu = "none: rehearsed on the CPU"
		return m, nil
	}
	if !report.CUDA.Works {
		return m, fail.New(fail.Device, report.CUDA.Fix, "no GPU to check here: %s", report.CUDA.Problem)
	}
	device, err := ort.ParseDevice(o.device)
	if err != nil {
		return m, err
	}
	for _, gpu := range report.CUDA.GPUs {
		if gpu.ID == device.ID {
			m.gpu = gpu.String()
		}
	}
	return m, nil
}

// call runs fx with --json and decodes its output.
func call(ctx context.Context, o options, environment []string, answer any, args ...string) error {
	command := exec.CommandContext(ctx, o.fx, append(args, "--json")...)
	command.Env = append(os.Environ(), environment...)
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	command.WaitDelay = 10 * time.Second
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	err := command.Run()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if parseErr := json.Unmarshal(stdout.Bytes(), answer); parseErr == nil && err == nil {
		return nil
	} else if err == nil {
		return fmt.Errorf("fx %s: its JSON: %w", strings.Join(args, " "), parseErr)
	}
	said := strings.TrimSpace(stderr.String())
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return fail.New(fail.Kind(exit.ExitCode()), "", "fx %s: %s", strings.Join(args, " "), said)
	}
	return fmt.Errorf("fx %s: %w %s", strings.Join(args, " "), err, said)
}
