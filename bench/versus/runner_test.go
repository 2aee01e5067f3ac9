package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fx/internal/fail"
)

// shell is a job that runs a script; $1 is the round.
func shell(script string) job {
	return job{commands: func(round int) [][]string {
		return [][]string{{"sh", "-c", script, "sh", fmt.Sprint(round)}}
	}}
}

// staged is a comparison of scripts.
func staged(rounds int, jobs map[string]job, sides ...string) comparison {
	c := comparison{section: "embeddings", name: "resnet18", title: "resnet18", rounds: rounds}
	for _, name := range sides {
		c.sides = append(c.sides, side{name, strings.ToUpper(name)})
	}
	c.prepare = func(context.Context, *outcome) (map[string]job, error) { return jobs, nil }
	return c
}

func testRunner(t *testing.T) *runner {
	return &runner{folder: t.TempDir(), setting: setting{Threads: 2, FX: "abc"}, timeout: time.Minute, log: t.Logf}
}

func measured(t *testing.T, r *runner, c comparison) outcome {
	t.Helper()
	o, ok, err := readOutcome(outcomePath(r.folder, c.section, c.name))
	if err != nil || !ok {
		t.Fatalf("outcome: %v, %v", ok, err)
	}
	return o
}

func TestSidesTakeTurns(t *testing.T) {
	order := filepath.Join(t.TempDir(), "order")
	note := func(name string) job { return shell("printf " + name + "$1 >> " + order) }
	r := testRunner(t)
	c := staged(3, map[string]job{"a": note("a"), "b": note("b")}, "a", "b")
	failed, err := r.run(t.Context(), []comparison{c})
	if err != nil || len(failed) > 0 {
		t.Fatal(failed, err)
	}
	if text, _ := os.ReadFile(order); string(text) != "a1b1a2b2a3b3" {
		t.Errorf("order %s", text)
	}
}

// A run that was stopped goes on with the turns that are missing, and what was
// found out before is still known.
func TestAStoppedRunGoesOn(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	order := filepath.Join(t.TempDir(), "order")
	stops := shell("printf b$1 >> " + order)
	stops.before = func() error { cancel(); return nil }
	prepared := 0
	r := testRunner(t)
	c := staged(2, nil, "a", "b")
	jobs := map[string]job{"a": shell("printf a$1 >> " + order + `; echo '{"x": 1}'`), "b": stops}
	c.prepare = func(_ context.Context, o *outcome) (map[string]job, error) {
		prepared++
		var known int
		if o.fact("known", &known) != (prepared > 1) {
			t.Errorf("in preparation %d the fact is %d", prepared, known)
		}
		return jobs, o.know("known", 7)
	}
	if _, err := r.run(ctx, []comparison{c}); !errors.Is(err, context.Canceled) {
		t.Fatalf("error %v", err)
	}
	if o := measured(t, r, c); len(o.side("a").Runs) != 1 || len(o.side("b").Runs) != 0 || o.side("b").Failure != "" {
		t.Fatalf("after the stop: %+v", o.Sides)
	}
	if err := os.Remove(order); err != nil {
		t.Fatal(err)
	}
	jobs["b"] = shell("printf b$1 >> " + order)
	for range 2 { // the second time there is nothing left to do
		again := &runner{folder: r.folder, setting: r.setting, timeout: r.timeout, log: t.Logf}
		if _, err := again.run(t.Context(), []comparison{c}); err != nil {
			t.Fatal(err)
		}
	}
	if text, _ := os.ReadFile(order); string(text) != "b1a2b2" || prepared != 2 {
		t.Errorf("order %s, prepared %d times", text, prepared)
	}
	o := measured(t, r, c)
	if value, ok := printed("x")(o.side("a").Runs[1]); !ok || value != 1 {
		t.Errorf("printed %v, %v", value, ok)
	}
}

func TestSidesThatCannot(t *testing.T) {
	r := testRunner(t)
	r.timeout = 300 * time.Millisecond
	wrong := shell(`echo '{"images": 3}'`)
	wrong.check = expect(map[string]float64{"images": 4})
	c := staged(2, map[string]job{"fx": shell("true"), "crash": shell("echo ValueError: no >&2; exit 3"),
		"slow": shell("exec sleep 100"), "wrong": wrong},
		"fx", "crash", "slow", "wrong", "absent")
	failed, err := r.run(t.Context(), []comparison{c})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"embeddings resnet18, CRASH: ValueError: no (exit status 3)", "embeddings resnet18, SLOW: took longer than " +
			"300ms",
		"embeddings resnet18, WRONG: images is 3, not 4: it did another job", "embeddings resnet18, ABSENT: can't do " +
			"this job",
	}
	if strings.Join(failed, "\n") != strings.Join(want, "\n") {
		t.Errorf("failed\n%s\nwant\n%s", strings.Join(failed, "\n"), strings.Join(want, "\n"))
	}
	if o := measured(t, r, c); len(o.side("fx").Runs) != 2 {
		t.Errorf("fx has %d turns", len(o.side("fx").Runs))
	}
}

// A preparation that fails leaves what was measured before, and is tried again.
func TestFailedPreparation(t *testing.T) {
	r := testRunner(t)
	c := staged(1, map[string]job{"fx": shell("true")}, "fx")
	if _, err := r.run(t.Context(), []comparison{c}); err != nil {
		t.Fatal(err)
	}
	works := c.prepare
	c.rounds = 2
	c.prepare = func(context.Context, *outcome) (map[string]job, error) { return nil, errors.New("no network") }
	if failed, err := r.run(t.Context(), []comparison{c}); err != nil || len(failed) != 1 {
		t.Fatal(failed, err)
	}
	c.prepare = works
	if failed, err := r.run(t.Context(), []comparison{c}); err != nil || len(failed) != 0 {
		t.Fatal(failed, err)
	}
	if o := measured(t, r, c); len(o.side("fx").Runs) != 2 {
		t.Errorf("%d turns", len(o.side("fx").Runs))
	}
}

func TestOtherConditionsAreRefused(t *testing.T) {
	r := testRunner(t)
	c := staged(1, map[string]job{"fx": shell("true")}, "fx")
	if _, err := r.run(t.Context(), []comparison{c}); err != nil {
		t.Fatal(err)
	}
	other := *r
	other.setting.FX = "def"
	_, err := other.run(t.Context(), []comparison{c})
	if fail.KindOf(err) != fail.Usage || fail.HintOf(err) == "" || !strings.Contains(err.Error(), "fx changed") {
		t.Errorf("another fx: %v", err)
	}
	longer := c
	longer.terms = "15 epochs"
	if _, err := r.run(t.Context(), []comparison{longer}); fail.KindOf(err) != fail.Usage {
		t.Errorf("other terms: %v", err)
	}
	other.discard = true
	if _, err := other.run(t.Context(), []comparison{c}); err != nil {
		t.Errorf("--again: %v", err)
	}
	if o := measured(t, r, c); o.Setting.FX != "def" || len(o.side("fx").Runs) != 1 {
		t.Errorf("%+v", o)
	}
}

func TestSettingsDiffer(t *testing.T) {
	base := setting{Threads: 2, Photos: 3, Data: "d", FX: "f", Commit: "c", Versions: map[string]string{"torch": "2"}}
	same := base
	same.Commit, same.Versions = "another", map[string]string{"torch": "2"}
	if reason := base.differs(same); reason != "" {
		t.Errorf("the commit alone: %s", reason)
	}
	for want, change := range map[string]func(*setting){
		"the machine":           func(s *setting) { s.Hardware.CPU = "Z80" },
		"the number of threads": func(s *setting) { s.Threads = 1 },
		"the photos":            func(s *setting) { s.Data = "e" },
		"fx":                    func(s *setting) { s.FX = "g" },
		"the peers' versions":   func(s *setting) { s.Versions = map[string]string{"torch": "3"} },
	} {
		other := base
		change(&other)
		if got := base.differs(other); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestPrintedNumbers(t *testing.T) {
	turn := turn{Printed: []json.RawMessage{[]byte(`{"images": 3, "rates": {"both": 2.5, "fast": null}}`),
		[]byte(`{"best": 0.9}`), []byte("null")}}
	for _, c := range []struct {
		names []string
		want  float64
		ok    bool
	}{
		{[]string{"images"}, 3, true}, {[]string{"best"}, 0.9, true}, {[]string{"rates", "both"}, 2.5, true},
		{[]string{"rates", "fast"}, 0, false}, {[]string{"rates"}, 0, false}, {[]string{"none"}, 0, false},
	} {
		if got, ok := printed(c.names...)(turn); got != c.want || ok != c.ok {
			t.Errorf("%v: %g, %v", c.names, got, ok)
		}
	}
}

func TestDamagedOutcome(t *testing.T) {
	r := testRunner(t)
	c := staged(1, map[string]job{"fx": shell("true")}, "fx")
	path := outcomePath(r.folder, c.section, c.name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(`{"section": "emb`), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := r.run(t.Context(), []comparison{c}); fail.KindOf(err) != fail.Usage ||
		!strings.Contains(err.Error(), path) {
		t.Errorf("%v", err)
	}
}
