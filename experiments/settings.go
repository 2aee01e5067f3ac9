package experiments

import (
	"fx/extract"
	"fx/internal/modeldir"
	"fx/internal/training"
)

// ofRun returns the settings of a run: those of the file, with its mode and seed.
func ofRun(s training.Settings, mode string, seed uint64) training.Settings {
	s.Scratch, s.Seed = mode == modeldir.Scratch, seed
	return s
}

// extraction returns the options for the embeddings of a feature extraction.
func extraction(s training.Settings) extract.Options {
	return extract.Options{DType: s.DType, Views: s.Views, TrainSplit: s.TrainSplit, EXIF: s.EXIF}
}

func orTrain(split string) string {
	if split == "" {
		return "train"
	}
	return split
}
