package cli

import (
	"bytes"
	"context"
	"encoding/csv"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"fx/internal/ort/orttest"
	"fx/internal/random"
)

const killedExperiment = `
format: 1
name: killed
data: photos
backbones: [{name: squeezenet1_1, weights: seed:0}]
modes: [feature-extraction, finetune, scratch]
seeds: [0, 1]
settings: {epochs: 3, batch-size: 4, resize: 48, crop: 48, views: 1}
`

// figures are the columns of results.csv that do not depend on the time that
// runs took, and which folders they lie in.
func figures(t *testing.T, out string) (lines []string, dirs []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(out, "results.csv"))
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows[1:] {
		dirs = append(dirs, row[11])
		lines = append(lines, strings.Join(slices.Concat(row[:8], row[10:]), ","))
	}
	return lines, dirs
}

// An experiment that is killed at any moment and run again comes to the same
// figures and the same weights as one that never stopped.
func TestKilledExperimentsComeToTheSame(t *testing.T) {
	orttest.Library(t)
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	dir := t.TempDir()
	twoClasses(filepath.Join(dir, "photos"))
	file := filepath.Join(dir, "killed.yaml")
	if err := os.WriteFile(file, []byte(killedExperiment), 0o644); err != nil {
		t.Fatal(err)
	}
	whole, killed := filepath.Join(dir, "whole"), filepath.Join(dir, "killed")
	start := time.Now()
	succeed(t, "experiment", "run", file, "--device", "cpu", "--out", whole)
	longest := int(time.Since(start) / time.Millisecond)

	moments := random.New(1, "kills")
	kills, ended := 0, false
	for kills < 60 && !ended {
		how := []os.Signal{os.Kill, os.Interrupt}[kills%2]
		ctx, cancel := context.WithTimeout(context.Background(),
			time.Duration(moments.IntN(longest/2)+50)*time.Millisecond)
		c := exec.CommandContext(ctx, "fx", "experiment", "run", file, "--device", "cpu", "--out", killed, "--quiet")
		c.Cancel = func() error { return c.Process.Signal(how) }
		var stderr strings.Builder
		c.Stderr = &stderr
		err := c.Run()
		cancel()
		if ended = c.ProcessState.ExitCode() == 0; ended { // it may have come to its end just before the signal
			break
		}
		kills++
		said := stderr.String()
		if status := c.ProcessState.Sys().(syscall.WaitStatus); !status.Signaled() &&
			(status.ExitStatus() != 130 || strings.Contains(said, "--resume")) {
			t.Fatalf("stopped by %v it ended with %v\n%s", how, err, said)
		}
	}
	if kills < 3 {
		t.Fatalf("only %d kills met the experiment alive", kills)
	}
	t.Logf("%d kills", kills)
	if !ended {
		succeed(t, "experiment", "run", file, "--device", "cpu", "--out", killed)
	}

	want, dirs := figures(t, whole)
	got, _ := figures(t, killed)
	if !slices.Equal(got, want) {
		t.Errorf("figures after kills:\n%s\nwithout:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for _, run := range dirs {
		a, errA := os.ReadFile(filepath.Join(whole, run, "head.safetensors"))
		b, errB := os.ReadFile(filepath.Join(killed, run, "head.safetensors"))
		if errA != nil || errB != nil || !bytes.Equal(a, b) {
			t.Errorf("the head of %s differs: %v %v", run, errA, errB)
		}
		if strings.Contains(run, "finetune") || strings.Contains(run, "scratch") {
			sameTraining(t, filepath.Join(whole, run), filepath.Join(killed, run))
		}
	}
}
