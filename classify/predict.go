package classify

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"fx/extract"
	"fx/head"
	"fx/internal/dataset"
	"fx/internal/fail"
	"fx/internal/progress"
	"fx/internal/userfile"
)

// Prediction is what a MODEL says of one photo: its most probable classes, or
// the reason why the photo can't be used.
type Prediction struct {
	Path      string   `json:"path"`
	PathBytes string   `json:"path_bytes,omitempty"` // Path in base64 where it is not UTF-8
	Top       []Choice `json:"top,omitempty"`
	Err       string   `json:"error,omitempty"`
	Note      string   `json:"note,omitempty"` // such as weights that nobody trained
}

// Choice is a class and its probability.
type Choice struct {
	Class       string  `json:"class"`
	Probability float64 `json:"probability"`
}

// Predict applies the MODEL to photos: files, or folders with every photo in
// them at any depth. A file that can't be used is reported in its place; top is
// how many classes each Prediction holds.
func Predict(ctx context.Context, o Options, paths []string, top int, report progress.Reporter) ([]Prediction, error) {
	if top < 1 {
		return nil, fail.New(fail.Usage, "Give --top 1 or more.", "--top %d", top)
	}
	files, err := expand(paths)
	if err != nil {
		return nil, err
	}
	c, err := open(ctx, o, len(files), report)
	if err != nil {
		return nil, err
	}
	defer c.close()
	predictor, err := head.NewPredictor(c.layout(), c.params)
	if err != nil {
		return nil, err
	}
	predictions := make([]Prediction, 0, len(files))
	err = extract.Photos(ctx, c.embedder, c.decoder, files, report, func(i int, features []float32, reason string) error {
		p := Prediction{Path: files[i], PathBytes: userfile.PathBytes(files[i]), Err: reason, Note: strings.Join(c.model.Notes, "; ")}
		if reason == "" {
			probabilities, err := predictor.Probabilities(features)
			if err != nil {
				return fail.Wrap(fail.KindOf(err), err, "", "%s", files[i])
			}
			for _, choice := range head.Top(probabilities, top) {
				p.Top = append(p.Top, Choice{c.model.Classes[choice.Class], choice.Probability})
			}
		}
		predictions = append(predictions, p)
		return nil
	})
	return predictions, err
}

// expand replaces folders by the photos in them. A file is taken whatever its
// name; one that does not exist is left for the pipeline to report.
func expand(paths []string) ([]string, error) {
	if len(paths) == 0 {
		return nil, fail.New(fail.Usage, "Name photos, or folders of photos.", "no photo to classify")
	}
	var files []string
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil || !info.IsDir() {
			files = append(files, path)
			continue
		}
		before := len(files)
		err = filepath.WalkDir(path, func(name string, entry fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if hidden := strings.HasPrefix(entry.Name(), ".") && name != path; hidden && entry.IsDir() {
				return fs.SkipDir
			} else if !hidden && !entry.IsDir() && slices.Contains(dataset.DefaultExtensions, strings.ToLower(filepath.Ext(name))) {
				files = append(files, name)
			}
			return nil
		})
		if err != nil {
			return nil, fail.Wrap(fail.Usage, err, "Check that fx may read the folder.", "folder %s", path)
		}
		if len(files) == before {
			return nil, fail.New(fail.Usage, "Photos end in "+strings.Join(dataset.DefaultExtensions, " ")+".", "no photo in the folder %s", path)
		}
	}
	return files, nil
}
