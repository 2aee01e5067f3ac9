package finetune

import (
	"os"
	"path/filepath"
	"testing"

	"fx/internal/ort/orttest"
	"fx/internal/progress"
)

// A finished run that has another name by now tells of it by that name.
func TestARenamedRun(t *testing.T) {
	orttest.Library(t)
	o := tiny(drawPhotos(t, t.TempDir(), 6, 5), filepath.Join(t.TempDir(), "run"))
	if _, err := Run(t.Context(), o, progress.Discard); err != nil {
		t.Fatal(err)
	}
	renamed := o.Out + "2"
	if err := os.Rename(o.Out, renamed); err != nil {
		t.Fatal(err)
	}
	o.Out, o.Resume = renamed, true
	if r, err := Run(t.Context(), o, progress.Discard); err != nil || r.Run != renamed {
		t.Errorf("the run is called %s, not %s, %v", r.Run, renamed, err)
	}
}
