package classify

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"fx/internal/fail"
	"fx/internal/modeldir"
	"fx/internal/outpath"
	"fx/internal/paths"
	"fx/internal/store"
)

// quickstartOut returns the folder for the results on data: photos-fx for photos, list.csv-fx for list.csv. If a list
// is among its photos, the folder is beside that of the photos.
func quickstartOut(data string) string {
	if filepath.Base(data) == "." || filepath.Base(data) == ".." {
		data = paths.Absolute(data) // so that it has a name
	}
	data = filepath.Clean(data)
	out := data + "-fx"
	if !strings.EqualFold(filepath.Ext(data), ".csv") {
		return out
	}
	older := strings.TrimSuffix(data, filepath.Ext(data)) + "-fx" // the folder of an older fx
	if made, err := store.ReadManifest(quickstartFilesIn(older).Features); err == nil &&
		paths.Same(made.Made.Data, data) {
		return older
	}
	for {
		photos := outpath.Among(out, data)
		if photos == "" {
			return out
		}
		photos = paths.Absolute(photos)
		above := filepath.Dir(photos)
		if above == photos { // the root folder; writing there reports an error
			return out
		}
		out = filepath.Join(above, filepath.Base(photos)+"-"+filepath.Base(out))
	}
}

// checkSameData returns an error if the results on data would replace those on other photos, which the earlier MODEL
// names. If those photos are gone, they may have moved to data: then the store shows whether they did.
func checkSameData(force bool, out, model, data string) error {
	if force || !modeldir.Is(model) {
		return nil
	}
	m, _, err := modeldir.Load(model)
	if fail.BySystem(err) {
		return err
	}
	if err != nil || m.Data == "" || paths.Same(m.Data, data) {
		return nil
	}
	if _, err := os.Stat(m.Data); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return fail.New(fail.Usage, "Choose another --out, or replace them with --force.",
		"%s holds the results on %s, not on %s", out, m.Data, data)
}
