package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"fx/internal/fail"
)

// shell is a peer that runs a script, with the arguments that all peers get.
func shell(name, script string) peer {
	return peer{name: name, title: strings.ToUpper(name), command: func(string) []string { return []string{"sh", "-c", script, name} }}
}

func compared(t *testing.T, peers ...peer) *comparison {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("needs a shell")
	}
	return &comparison{
		options: stepOptions{batch: 8, classes: 2, threads: 2, steps: 1}, networks: []string{"resnet18"}, peers: peers,
		rounds: 3, timeout: time.Minute, log: t.Logf,
	}
}

// prints is a script that prints a measurement.
func prints(milliseconds, mb int) string {
	return fmt.Sprintf(`echo '{"milliseconds": [%d, 9000, %d], "peak_mb": %d, "versions": {"x": "1.0"}}'`, milliseconds, milliseconds, mb)
}

func TestPeersTakeTurns(t *testing.T) {
	order := filepath.Join(t.TempDir(), "order")
	note := func(name string) string { return "echo " + name + ` "$@" >> ` + order + "; " + prints(100, 10) }
	c := compared(t, shell("a", note("a")), shell("b", note("b")))
	c.networks = []string{"resnet18", "alexnet"}
	if _, err := c.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(order)
	if err != nil {
		t.Fatal(err)
	}
	var turns []string
	for line := range strings.Lines(string(text)) {
		turns = append(turns, line[:1])
		if !strings.Contains(line, " --batch-size 8 --classes 2 ") {
			t.Errorf("arguments %q", line)
		}
	}
	if got := strings.Join(turns, ""); got != "abbaababbaab" {
		t.Errorf("order %s", got)
	}
}

func TestPeersThatCannot(t *testing.T) {
	broken := shell("broken", prints(1, 1))
	broken.prepare = func(context.Context, string) error { return errors.New("no rule for LSTM") }
	c := compared(t, shell("fx", prints(50, 500)), shell("torch", prints(100, 1000)), broken,
		shell("crashing", `echo Traceback >&2; echo "ValueError: no" >&2; exit 3`), shell("silent", "true"), shell("slow", "exec sleep 100"))
	c.timeout = 200 * time.Millisecond
	all, err := c.run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	text := tables(all, time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC))
	for _, want := range []string{
		"# One training step, 2026-01-02", "- FX: x 1.0\n", "batch 8 at the network's own size",
		"| resnet18 | 50 (50–50) | 100 (100–100) | can't | can't | can't | can't |",
		"| network | TORCH | BROKEN |", "| resnet18 | 0.50 | can't |",
		"| resnet18 | 500 | 1000 | can't |",
		"- resnet18, BROKEN: no rule for LSTM\n", "- resnet18, CRASHING: ValueError: no (exit status 3)\n",
		"- resnet18, SILENT: printed no measurement\n", "- resnet18, SLOW: took longer than 200ms\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
}

func TestSpreadIsOverProcesses(t *testing.T) {
	r := result{Measurements: []measurement{
		{Milliseconds: []float64{1, 10, 12}, PeakMB: 7}, {Milliseconds: []float64{20, 20}, PeakMB: 9}, {Milliseconds: []float64{13, 11}, PeakMB: 8},
	}}
	low, middle, high := r.times()
	if low != 10 || middle != 12 || high != 20 || r.peak() != 9 {
		t.Errorf("%g (%g–%g) ms, %g MB", middle, low, high, r.peak())
	}
}

func TestInterruptedComparison(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	peer := shell("a", prints(1, 1))
	peer.prepare = func(context.Context, string) error { cancel(); return nil }
	if _, err := compared(t, peer).run(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestResultsAreKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "results.json")
	older := []result{{Network: "a", Peer: "fx", CPU: "z80", Failure: "old"}, {Network: "a", Peer: "torch", CPU: "z80"}}
	if err := writeResults(path, older); err != nil {
		t.Fatal(err)
	}
	kept, err := readResults(path)
	if err != nil {
		t.Fatal(err)
	}
	all, err := merge(kept, []result{{Network: "a", Peer: "fx", CPU: "z80"}, {Network: "b", Peer: "fx", CPU: "z80"}})
	if err != nil || len(all) != 3 || all[0].Failure != "" || all[2].Network != "b" {
		t.Errorf("%+v, %v", all, err)
	}
	if _, err := merge(all, []result{{Network: "a", Peer: "fx", CPU: "68000"}}); fail.KindOf(err) != fail.Usage {
		t.Errorf("two machines in one table: %v", err)
	}
	if none, err := readResults(path + ".none"); err != nil || len(none) != 0 {
		t.Errorf("%v, %v", none, err)
	}
}

// The peers are there, and say what they lack before anything is installed.
func TestPeersByName(t *testing.T) {
	w := workshop{scripts: "peers", cache: t.TempDir(), log: t.Logf}
	all, err := w.peers(peerNames)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, p := range all {
		names = append(names, p.name)
		if command := p.command("resnet18"); len(command) < 2 {
			t.Errorf("%s runs %q", p.name, command)
		}
	}
	if !slices.Equal(names, peerNames) {
		t.Errorf("peers %q", names)
	}
	if _, err := w.peers([]string{"tensorflow"}); fail.KindOf(err) != fail.Usage {
		t.Errorf("unknown peer: %v", err)
	}
	w.scripts = "nowhere"
	if _, err := w.peers(peerNames); fail.KindOf(err) != fail.Usage || fail.HintOf(err) == "" {
		t.Errorf("no scripts: %v", err)
	}
}
