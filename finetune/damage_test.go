package finetune

import (
	"path/filepath"
	"reflect"
	"testing"

	"fx/internal/checksum"
	"fx/internal/durable"
	"fx/internal/flipbits"
	"fx/internal/training"
	"fx/internal/weights"
)

// No flipped bit of a run.json is read as another run.
func TestNoFlippedBitMakesAnotherRecord(t *testing.T) {
	dir := t.TempDir()
	text, err := checksum.Marshal(record{
		FormatVersion: recordVersion, ID: "0123456789abcdef", Status: finished,
		Settings: settings{training.Settings{Epochs: 2, LR: 0.05, Seed: 7}, conditions{Backbone: "tiny"}},
		Weights:  weights.Seed(0), Classes: []string{"ants",
			"bees"}, Notes: []string{}, Result: &Result{BestValAccuracy: 0.875, BestEpoch: 2},
	})
	if err == nil {
		err = durable.WriteBytes(filepath.Join(dir, recordName), text)
	}
	if err != nil {
		t.Fatal(err)
	}
	want, _, err := readRecord(dir)
	if err != nil {
		t.Fatal(err)
	}
	refused := 0
	n := flipbits.EachFile(t, dir, 1, func(damaged string) {
		got, found, err := readRecord(dir)
		if err != nil {
			refused++
		} else if !found || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: opens as %+v", damaged, got)
		}
	})
	if refused < n*9/10 {
		t.Errorf("%d of %d flipped bits are seen", refused, n)
	}
}
