package classify

import (
	"context"
	"strings"

	"fx/extract"
	"fx/head"
	"fx/internal/dataset"
	"fx/internal/fail"
	"fx/internal/modeldir"
	"fx/internal/progress"
	"fx/internal/source"
	"fx/internal/userfile"
)

// Prediction is the result for one photo: its most probable classes, or the reason why it can't be used.
type Prediction struct {
	Path      string   `json:"path"`
	PathBytes string   `json:"path_bytes,omitempty"` // Path in base64, if it is not UTF-8
	Top       []Choice `json:"top,omitempty"`
	Err       string   `json:"error,omitempty"`
	Note      string   `json:"note,omitempty"` // such as one about untrained weights
}

// Choice is a class and its probability.
type Choice struct {
	Class       string  `json:"class"`
	Probability float64 `json:"probability"`
}

// Predictions is the result of Predict.
type Predictions struct {
	Photos  []Prediction
	Skipped []extract.BadPhoto // files in the folders that are no photos
	Notes   []string           // such as one about photos behind links, outside of a folder
}

// Predict applies the MODEL to photos: files, and all photos in folders at any depth. The Prediction of an unusable
// file has the reason. top is the number of classes in each Prediction.
func Predict(ctx context.Context, o Options, paths []string, top int, report progress.Reporter) (Predictions, error) {
	if top < 1 {
		return Predictions{}, fail.New(fail.Usage, "Give --top 1 or more.", "--top %d", top)
	}
	if len(paths) == 0 {
		return Predictions{}, fail.New(fail.Usage, "Name photos, or folders of photos.", "no photo to classify")
	}
	found, err := dataset.Photos(ctx, paths, o.Photos)
	if err != nil {
		return Predictions{}, err
	}
	all := Predictions{Photos: make([]Prediction, len(found.Items)), Notes: found.Notes}
	for _, skipped := range found.Skipped {
		all.Skipped = append(all.Skipped, extract.SkippedFile(skipped))
	}
	var files []source.Source
	var places []int // of files in all.Photos
	for i, item := range found.Items {
		all.Photos[i].Path, all.Photos[i].PathBytes = item.Path, userfile.PathBytes(item.Path)
		if item.Size == 0 {
			all.Photos[i].Err = dataset.EmptyFile
			continue
		}
		files, places = append(files, item.Source()), append(places, i)
	}
	if len(files) == 0 {
		return all, nil
	}
	m, params, err := modeldir.Load(o.Model)
	if err != nil {
		return Predictions{}, err
	}
	c, err := open(ctx, o, m, params, len(files), report)
	if err != nil {
		return Predictions{}, err
	}
	defer c.close()
	predictor, err := head.NewPredictor(c.model.Head.Layout, c.params)
	if err != nil {
		return Predictions{}, err
	}
	note := strings.Join(m.Notes, "; ")
	err = extract.Photos(ctx, c.embedder, c.decoder, files, report,
		func(i int, photo extract.Embedding) error {
			p := &all.Photos[places[i]]
			if p.Err, p.Note = photo.Reason, note; photo.Reason != "" {
				return nil
			}
			probabilities, err := predictor.Probabilities(photo.Features)
			if err != nil {
				return fail.Wrap(fail.KindOf(err), err, "", "%s", p.Path)
			}
			for _, choice := range head.Top(probabilities, top) {
				p.Top = append(p.Top, Choice{c.model.Classes[choice.Class], choice.Probability})
			}
			return nil
		})
	return all, err
}
