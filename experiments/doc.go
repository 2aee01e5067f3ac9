// Package experiments runs a matrix of trainings that a YAML file describes:
// backbones × modes × seeds on one set of photos. Open reads a file, and Run executes it.
//
// The settings in a file have the names of the flags of `fx finetune`. README.md in this
// folder describes the format. The files of this folder are built into the program, and
// Open finds them by name.
//
// Each run has a key, the hash of everything that its result depends on: photos, initial
// weights, settings. The key names the run's folder. A changed file or changed photos
// therefore add new runs and keep the old ones, and a finished run is never repeated. An
// interrupted run continues from its latest checkpoint. On the CPU, the same file always
// gives the same bits.
package experiments
