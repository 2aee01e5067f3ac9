package report

import (
	"os"
	"path/filepath"
	"testing"

	"fx/internal/modeldir"
)

// TestThumbnailsOfLinkedPhotos moves a class's val photos behind a link: a run that was told to
// follow none gets no thumbnails of them.
func TestThumbnailsOfLinkedPhotos(t *testing.T) {
	w := newWorkshop(t)
	inner, outside := filepath.Join(w.data, "val", "ants"), filepath.Join(w.dir, "outside")
	if err := os.Rename(inner, outside); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, inner); err != nil {
		t.Skip(err)
	}
	for _, c := range []struct {
		noFollowLinks bool
		thumbnails    int
	}{{false, 8}, {true, 4}} {
		m, params, err := modeldir.Load(w.a)
		if err != nil {
			t.Fatal(err)
		}
		m.NoFollowLinks = c.noFollowLinks
		if err := modeldir.Save(w.a, m, params); err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, photo := range gathered(t, Options{Runs: []string{w.a}}).Photos {
			if photo.JPEG != nil {
				n++
			}
		}
		if n != c.thumbnails {
			t.Errorf("links left out: %v: %d thumbnails", c.noFollowLinks, n)
		}
	}
}
