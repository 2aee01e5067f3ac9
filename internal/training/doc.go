// Package training describes the settings of a training, of a head on stored features or of a network, each
// in one place: a field of Settings. Defaults returns the settings of PyTorch's tutorial, and Check checks them.
//
// A field defines its flag, its name in experiment files and in JSON documents, its default and range, its part
// in the key of an experiment's run, and its line in comparisons and reports. A new setting needs a new field and
// the code that uses it.
package training
