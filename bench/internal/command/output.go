package command

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// Output runs a program and returns its stdout; the error ends in the last line of its
// stderr. When ctx ends, the program and its children are killed.
func Output(ctx context.Context, program string, args ...string) ([]byte, error) {
	stdout, _, err := run(ctx, append([]string{program}, args...), nil)
	return stdout, err
}

// run runs a program, and calls started once it has a process.
func run(ctx context.Context, argv []string, started func(pid int)) ([]byte, *os.ProcessState, error) {
	c := exec.CommandContext(ctx, argv[0], argv[1:]...)
	c.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1")
	c.WaitDelay = 5 * time.Second // for children that keep a pipe open
	ownGroup(c)
	var stdout, stderr bytes.Buffer
	c.Stdout, c.Stderr = &stdout, &stderr
	err := c.Start()
	if err == nil {
		if started != nil {
			started(c.Process.Pid)
		}
		err = c.Wait()
	}
	if err == nil {
		return stdout.Bytes(), c.ProcessState, nil
	}
	if ctx.Err() != nil {
		return nil, nil, ctx.Err()
	}
	if line := lastLine(stderr.String()); line != "" {
		return nil, nil, fmt.Errorf("%s (%w)", line, err)
	}
	return nil, nil, fmt.Errorf("%s: %w", argv[0], err)
}

// lastLine returns the last line that is not empty, in which Python names an error.
func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	line := []rune(strings.TrimSpace(lines[len(lines)-1]))
	if len(line) > 200 {
		line = append(line[:200], '…')
	}
	return string(line)
}
