package store

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"fx/internal/fail"
	"fx/internal/progress"
)

// TestDiffNamesEveryFieldOfTheIdentity changes each field of Manifest: all but
// the listed ones must show in Diff and in the identity kept in the shards.
func TestDiffNamesEveryFieldOfTheIdentity(t *testing.T) {
	free := map[string]bool{"FormatVersion": true, "Provider": true, "Views": true, "Classes": true, "Made": true,
		"Weights": true}
	onlyDiff := map[string]bool{"Backbone": true, "Seed": true}
	base := testManifest()
	base.Views = 1
	var visit func(v reflect.Value, name string, changed *Manifest)
	visit = func(v reflect.Value, name string, changed *Manifest) {
		switch v.Kind() {
		case reflect.String:
			v.SetString("other")
		case reflect.Int:
			v.SetInt(7)
		case reflect.Bool:
			v.SetBool(!v.Bool())
		case reflect.Uint64:
			v.SetUint(7)
		case reflect.Slice:
			v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		case reflect.Array:
			v.Index(1).SetFloat(0.25)
		case reflect.Struct:
			if name == "Made" {
				v.Field(0).SetString("other")
				break
			}
			for i := range v.NumField() {
				again := base
				visit(reflect.ValueOf(&again).Elem().FieldByName(name).Field(i), name+"."+v.Type().Field(i).Name,
					&again)
			}
			return
		default:
			t.Fatalf("%s: no case for %s", name, v.Kind())
		}
		d := base.Diff(*changed)
		if (len(d) == 0) != free[name] {
			t.Errorf("%s: differences %q", name, d)
		}
		if same := base.identity() == changed.identity(); same != (free[name] || onlyDiff[name]) {
			t.Errorf("%s: identity the same: %v", name, same)
		}
	}
	for i := range reflect.TypeOf(base).NumField() {
		changed := base
		visit(reflect.ValueOf(&changed).Elem().Field(i), reflect.TypeOf(base).Field(i).Name, &changed)
	}
	centre, other := base, base
	centre.Views, other.Seed = 0, 9
	if d := centre.Diff(other); len(d) > 0 {
		t.Errorf("the seed of a store without random views: %q", d)
	}
}

func TestManifestRoundTrip(t *testing.T) {
	m := testManifest()
	m.Seed, m.Views = 1<<63, 2
	m.Classes = append(m.Classes, "<fire> & 日本")
	text, err := m.encode()
	must(t, err)
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, manifestFile), text, 0o644))
	got, err := ReadManifest(dir)
	must(t, err)
	m.FormatVersion, m.Provider = formatVersion, "cpu"
	if !reflect.DeepEqual(got, m) {
		t.Errorf("got %+v, want %+v", got, m)
	}
	if !strings.Contains(string(text), "<fire> & 日本") {
		t.Errorf("escaped: %s", text)
	}
}

func TestManifestsThatCannotBeRead(t *testing.T) {
	good, err := testManifest().encode()
	must(t, err)
	older := string(good[:strings.LastIndex(string(good), ",")]) + "\n}\n" // without a checksum
	edit := func(old, new string) string { return strings.Replace(older, old, new, 1) }
	for _, c := range []struct {
		name, text, word string
		kind             fail.Kind
	}{
		{"newer", edit(`"format_version": 1`, `"format_version": 2, "backbone": 7`), "of a newer fx: format 2",
			fail.Usage},
		{"no version", edit(`"format_version": 1,`, ""), "format_version 0", fail.Store},
		{"cut", string(good[:100]), "is damaged", fail.Store},
		{"empty", "", "is damaged", fail.Store},
		{"edited by hand", strings.Replace(string(good), `"bees"`, `"wasps"`, 1),
			"manifest.json was changed after fx wrote it", fail.Store},
		{"dtype", edit(`"dtype": "float32"`, `"dtype": "float8"`), `dtype "float8"`, fail.Store},
		{"preprocessing mode", edit(`"preprocess": {`, `"preprocess": {"mode": "border",`),
			`mode "border": this fx knows crop and squash`, fail.Store},
		{"precision", edit(`"precision": "float32"`, `"precision": "float8"`), `precision "float8"`, fail.Store},
		{"shape", edit("2,\n", "1000000000000,\n"), "feature shape", fail.Store},
		{"lists without end", edit(`"views"`, `"x": `+strings.Repeat("[", 9_000)+`"views"`),
			"nested more than 100 deep", fail.Store},
		{"class twice", edit(`"bees"`, `"ants"`), `class "ants"`, fail.Store},
	} {
		dir := t.TempDir()
		must(t, os.WriteFile(filepath.Join(dir, manifestFile), []byte(c.text), 0o644))
		for _, open := range []func() error{
			func() error { _, err := ReadManifest(dir); return err },
			func() error { _, err := Open(context.Background(), dir, progress.Discard); return err },
		} {
			if err := open(); fail.KindOf(err) != c.kind || !strings.Contains(err.Error(), c.word) ||
				fail.HintOf(err) == "" {
				t.Errorf("%s: %v of kind %d", c.name, err, fail.KindOf(err))
			}
		}
	}
	if _, err := ReadManifest(filepath.Join(t.TempDir(), "none")); !errors.Is(err, fs.ErrNotExist) ||
		fail.KindOf(err) != fail.Usage {
		t.Errorf("no store: %v", err)
	}
}
