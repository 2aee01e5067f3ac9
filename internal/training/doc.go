// Package training describes the settings of a training, of a head on stored features or of a network, each
// in one place: a field of Settings.
//
//	s := training.Defaults() // of PyTorch's tutorial
//	s.Optimizer, s.LR = training.AdamW, 1e-4
//	err := s.Check(training.Finetune)
//
// From a field follow its flag, its name in experiment files and in JSON documents, its default and range, its
// part in the key of an experiment's run, and its line in comparisons and reports. A new setting is a new
// field, and the code that obeys it.
package training
