package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"fx/internal/fail"
	"fx/internal/ort/orttest"
)

// damagedPhotos are two classes of photos, of which one in train/ is none. The files are old enough for their times to
// be trusted.
func damagedPhotos(t *testing.T) (data string) {
	t.Helper()
	data = twoClasses(filepath.Join(t.TempDir(), "photos"))
	if err := os.WriteFile(filepath.Join(data, "train", "blue", "1.jpg"), []byte("no photo"), 0o644); err != nil {
		t.Fatal(err)
	}
	old := time.Now().Add(-time.Hour)
	if err := filepath.WalkDir(data, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		return os.Chtimes(path, old, old)
	}); err != nil {
		t.Fatal(err)
	}
	return data
}

// fields returns the JSON document that a command printed.
func fields(t *testing.T, a answer) (all map[string]any) {
	t.Helper()
	if err := json.Unmarshal([]byte(a.stdout), &all); err != nil {
		t.Fatalf("%v: %s%s", err, a.stdout, a.stderr)
	}
	return all
}

func TestPlanAndParts(t *testing.T) {
	orttest.Library(t)
	dir, data := t.TempDir(), damagedPhotos(t)
	store, plan := filepath.Join(dir, "store"), filepath.Join(dir, "parts.jsonl")
	extract := slices.Clip([]string{"extract", "--backbone", tinyNetwork, "--data", data, "--out", store, "--device",
		"cpu"})
	s := fields(t, succeed(t, append(extract, "--plan", plan, "--part-photos", "10", "--json")...))
	photos := s["images"].(float64)
	if s["missing"] != photos || s["parts"].(float64) < 2 || s["plan"] != plan {
		t.Fatalf("%v", s)
	}
	if a := succeed(t, "features", "info", store); !strings.Contains(a.stdout, "parts of the last plan are not done") {
		t.Errorf("before the parts: %s", a.stdout)
	}
	text, err := os.ReadFile(plan)
	if err != nil {
		t.Fatal(err)
	}
	rows, rejected := 0., 0
	t.Setenv("SLURM_ARRAY_TASK_ID", "0")
	for i, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		part := "auto"
		if i > 0 {
			var p struct{ ID string }
			if err := json.Unmarshal([]byte(line), &p); err != nil {
				t.Fatal(err)
			}
			part = p.ID
		}
		s := fields(t, succeed(t, append(extract, "--parts", plan, "--part", part, "--json")...))
		rows, rejected = rows+s["computed"].(float64), rejected+len(s["rejected"].([]any))
	}
	if rows != photos-1 || rejected != 1 {
		t.Errorf("%v rows of %v photos, %d rejected", rows, photos, rejected)
	}
	info := fields(t, succeed(t, "features", "info", store, "--rejected", "--json"))
	listed := info["rejected_photos"].([]any)[0].(map[string]any)
	if info["photos"] != rows || info["rejected"] != 1. || info["finished"] != true || info["lacking"] != nil ||
		listed["path"] != "train/blue/1.jpg" || !strings.HasPrefix(listed["reason"].(string), "not an image") {
		t.Errorf("%v", info)
	}
	for _, reads := range [][]string{
		{"features", "verify", store},
		{"features", "export", store, "--out", filepath.Join(dir, "features.csv")},
		{"fit-head", "--features", store, "--out", filepath.Join(dir, "model"), "--epochs", "1"},
	} {
		if a := succeed(t, reads...); strings.Contains(a.stderr+a.stdout, "not done") ||
			strings.Contains(a.stderr+a.stdout, "did not run to its end") {
			t.Errorf("%v: %s%s", reads, a.stdout, a.stderr)
		}
	}
	s = fields(t, succeed(t, append(extract, "--plan", plan, "--json")...))
	if s["missing"] != 0. || s["cached"] != rows || len(s["rejected"].([]any)) != 1 {
		t.Errorf("planned again: %v", s)
	}
	s = fields(t, succeed(t, append(extract, "--json")...))
	if s["computed"] != 0. || s["cached"] != rows || len(s["rejected"].([]any)) != 1 {
		t.Errorf("the whole job: %v", s)
	}
	if left, _ := filepath.Glob(filepath.Join(store, "p*-*")); len(left) > 0 {
		t.Errorf("left %v", left)
	}
}

func TestMisusedParts(t *testing.T) {
	orttest.Library(t)
	dir, data := t.TempDir(), damagedPhotos(t)
	notes := filepath.Join(dir, "notes.txt")
	if err := os.WriteFile(notes, []byte("my notes"), 0o644); err != nil {
		t.Fatal(err)
	}
	extract := slices.Clip([]string{"extract", "--backbone", tinyNetwork, "--data", data, "--out",
		filepath.Join(dir, "store"), "--device", "cpu"})
	for _, c := range []struct {
		args string
		code fail.Kind
		says string
	}{
		{"--part 0", fail.Usage, "--parts and --part belong together"},
		{"--part-photos 5", fail.Usage, "are for --plan"},
		{"--plan p.jsonl --parts p.jsonl --part 0", fail.Usage, "--plan and --parts"},
		{"--plan p.jsonl --shard 0/2", fail.Usage, "--plan and --shard"},
		{"--plan p.jsonl --part-photos -1", fail.Usage, "--part-photos -1"},
		{"--plan p.jsonl --part-bytes many", fail.Usage, "part-bytes"},
		{"--plan " + notes, fail.Usage, "not a plan of parts that fx wrote"},
		{"--plan " + filepath.Join(data, "p.jsonl"), fail.Usage, "photos"},
		{"--parts none.jsonl --part 0", fail.Usage, "none.jsonl"},
		{"--max-bad 1.5", fail.Usage, "max-bad"},
		{"--timeout-per-photo -1s", fail.Usage, "--timeout-per-photo -1s"},
		{"--max-bad 0", fail.Rejected, "--max-bad allows 0: train/blue/1.jpg: not an image"},
		{"--timeout-per-photo 1ns", fail.Rejected, "takes longer than 1ns"},
	} {
		a := fx(t, slices.Concat(extract, strings.Fields(c.args))...)
		if a.code != int(c.code) || !strings.Contains(a.stderr, c.says) || strings.Count(a.stderr, "fx: error") != 1 {
			t.Errorf("%s: exit code %d\n%s", c.args, a.code, a.stderr)
		}
	}
	if text, err := os.ReadFile(notes); err != nil || string(text) != "my notes" {
		t.Errorf("the notes are %q, %v", text, err)
	}
	a := fx(t, "quickstart", "--backbone", tinyNetwork, data, "--out", filepath.Join(dir, "quick"), "--max-bad", "0.1%")
	if a.code != int(fail.Rejected) || !strings.Contains(a.stderr, "--max-bad allows 0") {
		t.Errorf("quickstart: exit code %d\n%s", a.code, a.stderr)
	}
}
