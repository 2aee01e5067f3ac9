package experiments

import (
	"fx/extract"
	"fx/internal/modeldir"
	"fx/internal/training"
)

// ofRun are the settings of a run: the file's, with what mode and seed decide.
func ofRun(s training.Settings, mode string, seed uint64) training.Settings {
	s.Scratch, s.Seed = mode == modeldir.Scratch, seed
	return s
}

// extraction are the options of the embeddings that a feature extraction learns from.
func extraction(s training.Settings) extract.Options {
	return extract.Options{DType: s.DType, Views: s.Views, TrainSplit: s.TrainSplit, EXIF: s.EXIF}
}

func orTrain(split string) string {
	if split == "" {
		return "train"
	}
	return split
}
