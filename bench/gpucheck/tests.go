package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"fx/internal/fail"
)

// checkTests runs the tests named TestCUDA… of the test binaries. They fail if there is
// no GPU; in a rehearsal they skip.
func checkTests(ctx context.Context, o options, r *report) (failed []string, err error) {
	binaries, err := filepath.Glob(filepath.Join(o.tests, "*.test"))
	if err != nil {
		return nil, err
	}
	if len(binaries) == 0 {
		return nil, fail.New(fail.Usage, "`task gpu-check-build` makes them.", "no test binaries in %s", o.tests)
	}
	if err := r.add("## CUDA tests\n\n| binary | passed | failed | skipped |\n|---|---:|---:|---:|\n"); err != nil {
		return nil, err
	}
	said := ""
	for _, binary := range binaries {
		name := strings.TrimSuffix(filepath.Base(binary), ".test")
		fmt.Fprintf(o.log, "gpucheck: tests of %s\n", name)
		path, err := filepath.Abs(binary)
		if err != nil {
			return failed, err
		}
		command := exec.CommandContext(ctx, path, "-test.run=^TestCUDA", "-test.v", "-test.count=1")
		command.Dir = o.scratch // they need no files
		command.Env = os.Environ()
		if !o.rehearsal() {
			command.Env = append(command.Env, "FX_TEST_REQUIRE=gpu")
		}
		text, runErr := command.CombinedOutput()
		passed, wrong, skipped := outcomes(string(text))
		if len(wrong) > 0 || runErr != nil {
			failed = append(failed, fmt.Sprintf("%s: %s (%v)", name, strings.Join(wrong, ", "), runErr))
			said += fmt.Sprintf("Output of %s:\n\n```\n%s```\n\n", name, text)
		}
		if passed+len(wrong)+skipped == 0 {
			failed = append(failed, name+" ran no CUDA test")
		}
		if err := r.add("| %s | %d | %d | %d |\n", name, passed, len(wrong), skipped); err != nil {
			return failed, err
		}
	}
	return failed, r.add("\n%s", said)
}

// outcomes counts the results in the output of a verbose test run.
func outcomes(text string) (passed int, failed []string, skipped int) {
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 3 || fields[0] != "---" || line[0] != '-' { // subtests are part of their test
			continue
		}
		switch fields[1] {
		case "PASS:":
			passed++
		case "FAIL:":
			failed = append(failed, fields[2])
		case "SKIP:":
			skipped++
		}
	}
	return passed, failed, skipped
}
