package finetune

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"fx/extract"
	"fx/internal/fail"
	"fx/internal/training"
)

// FuzzRecord demands that any run.json is read or refused as damaged, and that
// what was read can be compared with other settings.
func FuzzRecord(f *testing.F) {
	rec := record{
		FormatVersion: recordVersion, ID: "0123", Status: running,
		Settings: settings{training.Settings{Epochs: 3, LR: 0.1, Trainable: []string{"fc.*"}},
			conditions{Backbone: "resnet18"}},
		Classes: []string{"ants", "bees"}, Rejected: []extract.BadPhoto{{Path: "a.jpg",
			Reason: "no photo"}}, Notes: []string{"a note"},
	}
	for _, change := range []func(){
		func() {}, func() { rec.Status, rec.Result = finished, &Result{} }, func() { rec.FormatVersion = 1 }, func() {
			rec.Settings.HeadOnly = true
		},
	} {
		change()
		text, err := json.Marshal(rec)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
		f.Add(text[:len(text)/2])
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text []byte) {
		if err := os.WriteFile(filepath.Join(dir, recordName), text, 0o644); err != nil {
			t.Fatal(err)
		}
		rec, found, err := readRecord(dir)
		if err != nil {
			if kind := fail.KindOf(err); kind != fail.Model || fail.HintOf(err) == "" || found {
				t.Errorf("kind %d, found %v: %v", kind, found, err)
			}
			return
		}
		if !found || rec.FormatVersion != recordVersion {
			t.Errorf("found %v, version %d", found, rec.FormatVersion)
		}
		if differ := rec.Settings.diff(rec.Settings); len(differ) > 0 {
			t.Errorf("settings that differ from themselves: %q", differ)
		}
		rec.Settings.flags()
		if begun, finished, err := Status(dir); begun == finished || err != nil {
			t.Errorf("the run is both finished and begun, or neither: %v", err)
		}
	})
}
