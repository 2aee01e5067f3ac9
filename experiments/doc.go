// Package experiments runs a matrix of trainings that a YAML file describes:
// backbones × ways of training × seeds on one set of photos, everything else
// fixed in the file. The common case:
//
//	file, err := experiments.Open(ctx, "experiments/hymenoptera-quick.yaml")
//	e, err := experiments.Run(ctx, file, experiments.Options{Out: "runs/quick"}, report)
//
// A file names the settings as the flags of `fx finetune` do; see README.md in
// this folder, whose files are built into the program: Open finds them by name.
//
// Each run has a key, the hash of all that its result depends on: photos,
// starting weights, settings. A run lies in a folder that its key names, so a
// file that changed, or photos that did, make new runs and leave the old; and a
// run that is there is never made again. A run that was interrupted goes on from
// its newest checkpoint. On the CPU the same file gives the same bits.
package experiments
