package weights

import (
	"encoding/json"
	"path/filepath"
	"testing"

	"fx/internal/fail"
)

func TestRefs(t *testing.T) {
	for text, want := range map[string]struct {
		ref    Ref
		name   string
		random bool
	}{
		"":                          {Ref{}, "", false},
		"resnet18.pth":              {File("resnet18.pth"), "resnet18.pth", false},
		"/weights/net.safetensors":  {File("/weights/net.safetensors"), "net.safetensors", false},
		"./seed:0":                  {File("./seed:0"), "seed:0", false},
		"seed:0":                    {Seed(0), "seed:0", true},
		"seed:18446744073709551615": {Seed(1<<64 - 1), "seed:18446744073709551615", true},
	} {
		ref, err := ParseRef(text)
		if err != nil || ref != want.ref || ref.String() != text || ref.Name() != want.name ||
			ref.Random() != want.random || ref.IsZero() != (text == "") {
			t.Errorf("%q is %+v, %q, called %q (%v)", text, ref, ref, ref.Name(), err)
		}
	}
	for _, text := range []string{"seed:", "seed:-1", "seed:x", "seed:1.5", "seed:18446744073709551616"} {
		if _, err := ParseRef(text); fail.KindOf(err) != fail.Usage || fail.HintOf(err) == "" {
			t.Errorf("%q: %v", text, err)
		}
	}
	if file, seed := File("a").Absolute(), Seed(1).Absolute(); !filepath.IsAbs(file.File) || seed != Seed(1) {
		t.Errorf("absolute: %q and %q", file, seed)
	}
}

// A document says weights as it always did.
func TestRefsInJSON(t *testing.T) {
	type document struct {
		Weights Ref `json:"weights"`
		None    Ref `json:"none,omitzero"`
	}
	for text, want := range map[string]Ref{
		`{"weights":"/w/<a> & b.pth"}`:            File("/w/<a> & b.pth"),
		`{"weights":"seed:7"}`:                    Seed(7),
		`{"weights":"initial weights of seed 7"}`: {Draw: Constructor, Seed: 7},
		`{"weights":"initial weights of seed x"}`: File("initial weights of seed x"),
		`{"weights":""}`:                          {},
	} {
		var d document
		if err := json.Unmarshal([]byte(text), &d); err != nil || d.Weights != want {
			t.Errorf("%s is %+v (%v)", text, d.Weights, err)
		}
		var again document
		if back, err := json.Marshal(d); err != nil || json.Unmarshal(back, &again) != nil || again != d {
			t.Errorf("%s became %s (%v)", text, back, err)
		}
	}
	if err := json.Unmarshal([]byte(`{"weights":"seed:x"}`), &document{}); err == nil {
		t.Error("a seed that is no number was read")
	}
}
