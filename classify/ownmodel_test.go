package classify

import (
	"os"
	"path/filepath"
	"testing"

	"fx/internal/durable"
	"fx/internal/fail"
	"fx/internal/modeldir"
)

// Of two trainings that write one MODEL the second is refused, before it takes its time.
func TestOneTrainingAtATime(t *testing.T) {
	out := filepath.Join(t.TempDir(), "m")
	release, err := holdModel(out)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := holdModel(out); fail.KindOf(err) != fail.Locked {
		t.Errorf("a second training: %v", err)
	}
	release()
	if _, err := os.Stat(out); err == nil {
		t.Error("a folder without a MODEL stays")
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		t.Fatal(err)
	}
	if release, err = holdModel(out); err != nil {
		t.Fatal(err)
	}
	if err := durable.WriteBytes(modeldir.Root(out), []byte("{}")); err != nil {
		t.Fatal(err)
	}
	release()
	if release, err = holdModel(out); err != nil {
		t.Fatal(err)
	}
	release()
	if _, err := os.Stat(modeldir.Root(out)); err != nil {
		t.Error(err)
	}
}
