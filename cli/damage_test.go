package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fx/internal/ort/orttest"
)

// flipRows flips a bit of each of the 24 embeddings in the store's one file, whose seal
// says where they lie.
func flipRows(t *testing.T, store string) {
	t.Helper()
	path := filepath.Join(store, "shard-00000.arrow")
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var offset, length int
	at := bytes.Index(file, []byte("fx-seal-1 "))
	if _, err := fmt.Sscanf(string(file[max(at, 0):]), "fx-seal-1 %x %x", &offset, &length); err != nil {
		t.Fatal(err)
	}
	for row := range 24 {
		file[offset+row*length/24+3] ^= 0x40 // of the exponent of the first number
	}
	if err := os.WriteFile(path, file, 0o644); err != nil {
		t.Fatal(err)
	}
}

// Nothing is said of rows that are damaged, and extract computes them anew.
func TestDamagedRowsAreNotComputedOn(t *testing.T) {
	orttest.Library(t)
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	data := twoClasses(in("photos"))
	extract := []string{"extract", "--backbone", tinyNetwork, "--data", data, "--out", in("store"), "--device", "cpu"}
	succeed(t, extract...)
	for _, seed := range []string{"0", "1"} {
		succeed(t, "fit-head", "--features", in("store"), "--out", in("model"+seed), "--epochs", "3", "--seed", seed)
	}
	whole := succeed(t, "eval", "--model", in("model0"), "--features", in("store"), "--json").stdout

	flipRows(t, in("store"))
	for _, args := range [][]string{
		{"eval", "--model", in("model0"), "--features", in("store")},
		{"report", in("model0"), "--out", in("page.html")},
		{"compare", in("model0"), in("model1")},
		{"fit-head", "--features", in("store"), "--out", in("model0")},
		{"lr-find", "--features", in("store"), "--out", in("lr.png")},
		{"features", "export", in("store"), "--out", in("rows.csv")},
		{"features", "verify", in("store")},
	} {
		a := fx(t, args...)
		if a.code != 5 || !strings.Contains(a.stderr, "shard-00000.arrow") ||
			!strings.Contains(a.stderr, "--verify-content") {
			t.Errorf("fx %s on damaged rows: exit code %d\n%s%s", args[0], a.code, a.stdout, a.stderr)
		}
	}
	for _, name := range []string{"page.html", "lr.png", "rows.csv"} {
		if _, err := os.Stat(in(name)); err == nil {
			t.Errorf("%s was made of damaged rows", name)
		}
	}

	a := succeed(t, extract...)
	if !strings.Contains(a.stdout, "24 rows computed, 0 cached") ||
		!strings.Contains(a.stdout, "24 damaged rows computed anew") || !strings.Contains(a.stderr, "is damaged") {
		t.Errorf("extract says\n%s%s", a.stdout, a.stderr)
	}
	if again := succeed(t, "eval", "--model", in("model0"), "--features", in("store"),
		"--json").stdout; again != whole {
		t.Errorf("afterwards\n%s\nnot\n%s", again, whole)
	}
}

// A bit flipped in any file of a RUN that was stopped makes no other network of it:
// going on ends in the same weights, or in exit code 4 or 2.
func TestAStoppedRunGoesOnToTheSameWeightsOrNotAtAll(t *testing.T) {
	orttest.Library(t)
	if testing.Short() {
		t.Skip("some dozens of trainings")
	}
	dir := t.TempDir()
	data := twoClasses(filepath.Join(dir, "photos"))
	stopped := filepath.Join(dir, "stopped")
	args := with(with(training(data, stopped), "--epochs", "60"), "--checkpoint-steps", "1")
	c := exec.Command("fx", args...)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	last := filepath.Join("checkpoint", "last", "state.json")
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if _, err := os.Stat(filepath.Join(stopped, last)); err == nil || time.Now().After(deadline) {
			break
		}
	}
	if err := c.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := c.Wait(); err == nil {
		t.Fatal("the run came to its end before it was stopped")
	}
	resume := func(out string) answer {
		return fx(t, append(with(args, "--out", out), "--resume", "--quiet")...)
	}
	resumed := func(change func(out string)) (weights string, a answer) {
		t.Helper()
		out := filepath.Join(dir, "run")
		if err := os.RemoveAll(out); err != nil {
			t.Fatal(err)
		}
		if err := os.CopyFS(out, os.DirFS(stopped)); err != nil {
			t.Fatal(err)
		}
		change(out)
		a = resume(out)
		text, _ := os.ReadFile(filepath.Join(out, "checkpoint", "last", "model.safetensors"))
		return string(text), a
	}
	want, a := resumed(func(string) {})
	if a.code != 0 {
		t.Fatalf("%s", a.stderr)
	}
	refused, silent := 0, 0
	for _, name := range []string{"run.json", last, "checkpoint/last/model.safetensors",
		"checkpoint/last/training.state"} {
		info, err := os.Stat(filepath.Join(stopped, name))
		if err != nil {
			t.Fatal(err)
		}
		for k := range int64(3) {
			at := info.Size() * (2*k + 1) / 6
			got, a := resumed(func(out string) {
				path := filepath.Join(out, name)
				text, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				text[at] ^= 4
				if err := os.WriteFile(path, text, 0o644); err != nil {
					t.Fatal(err)
				}
			})
			switch {
			case a.code == 4 || a.code == 2:
				refused++
			case a.code == 0 && got == want:
				silent++
			default:
				t.Errorf("%s, byte %d: exit code %d, other weights %v\n%s", name, at, a.code, got != want, a.stderr)
			}
		}
	}
	t.Logf("%d mutants were refused, %d went on to the same weights", refused, silent)
	if refused < 11 {
		t.Errorf("%d of 12 mutants were refused", refused)
	}

	// An edit by hand is named as such.
	_, a = resumed(func(out string) {
		path := filepath.Join(out, "run.json")
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var record map[string]any
		if err := json.Unmarshal(text, &record); err != nil {
			t.Fatal(err)
		}
		record["settings"].(map[string]any)["lr"] = 0.5
		if text, err = json.Marshal(record); err == nil {
			err = os.WriteFile(path, text, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	})
	if a.code != 4 || !strings.Contains(a.stderr, "run.json was changed after fx wrote it") {
		t.Errorf("edited: exit code %d\n%s", a.code, a.stderr)
	}
}
