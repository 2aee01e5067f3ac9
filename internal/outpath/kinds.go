package outpath

import (
	"slices"

	"fx/internal/made"
)

// The kinds of folders that fx makes.
var (
	// Store is what fx extract fills.
	Store = &Folder{
		Kind:  made.Store,
		names: storeNames, locked: true,
	}
	// Model is what fx fit-head writes.
	Model = &Folder{
		Kind:  made.Model,
		names: modelNames,
		parts: []string{"head.safetensors"},
	}
	// Run is what fx finetune writes; finished, it is a Model too.
	Run = &Folder{
		Kind:     made.Run,
		names:    []string{"lock", "checkpoint"},
		parts:    []string{"head.safetensors", "network.onnx"},
		contains: []*Folder{Model}, locked: true,
	}
	// Experiment is what fx experiment run fills.
	Experiment = &Folder{
		Kind:  made.Experiment,
		names: []string{"experiment.lock", "results.csv"},
		parts: []string{"results.csv"}, locked: true,
	}
	// Artifacts is what fx artifacts generate writes.
	Artifacts = &Folder{
		Kind:  made.Artifacts,
		names: slices.Concat([]string{"*_model.onnx", "checkpoint"}, within("checkpoint", checkpointNames)),
		parts: []string{"*_model.onnx"}, replaced: []string{"checkpoint"},
	}
	// Quickstart is what fx quickstart fills. Its summary is written last.
	Quickstart = &Folder{
		Kind: made.Quickstart,
		names: slices.Concat(reportNames, []string{"features", "model", "classifier.onnx", "confusion.png",
			"summary.txt"},
			within("features", storeNames), within("model", modelNames)),
	}
	// Demo is what fx demo fills.
	Demo = &Folder{
		Kind: made.Demo,
		names: slices.Concat(reportNames, []string{"features-*", "model", "report.png"},
			within("features-*", storeNames), within("model", modelNames)),
	}
	// NPY is what fx features export writes as numpy's files.
	NPY = &Folder{
		Kind: made.NPY, // rows.json comes first
	}
	// checkpoint is a part of a Run and of Artifacts.
	checkpoint = &Folder{
		Kind:  made.Checkpoint,
		parts: checkpointNames,
	}
)

// folders are all kinds, those first that contain others.
var folders = []*Folder{Run, Store, Model, Experiment, Artifacts, Quickstart, Demo, NPY, checkpoint}

var (
	storeNames = []string{"index.json", "lock", "*.lock", "statcache*", "rejected*", "checked*",
		"planned.json", "part-*", "shard-*.arrow"}
	modelNames      = []string{"head.safetensors", "metrics.csv", "events.out.tfevents.*.fx"}
	checkpointNames = []string{"state.json", "model.safetensors", "training.state"}
	reportNames     = []string{"report.html", "report-*.png"}
)

// within puts names into a folder.
func within(folder string, names []string) []string {
	all := make([]string, len(names))
	for i, name := range names {
		all[i] = folder + "/" + name
	}
	return all
}
