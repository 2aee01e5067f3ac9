package outpath

import "slices"

// The kinds of folders that fx makes. "format_version" comes first in each
// format file, and has been there from the beginning.
var (
	// Store is what fx extract fills.
	Store = &Folder{
		what:  "an embedding store",
		marks: []mark{{"manifest.json", storeKeys}},
		names: storeNames, locked: true,
	}
	// Model is what fx fit-head writes.
	Model = &Folder{
		what:  "a model",
		marks: []mark{{"model.json", []string{"format_version", "backbone", "head"}}},
		names: modelNames,
		parts: []string{"head.safetensors"},
	}
	// Run is what fx finetune writes; finished, it is a Model too.
	Run = &Folder{
		what:     "a run of `fx finetune`",
		marks:    []mark{{"run.json", []string{"format_version", "id", "status", "settings"}}},
		names:    []string{"lock", "checkpoint"},
		parts:    []string{"head.safetensors", "network.onnx"},
		contains: []*Folder{Model}, locked: true,
	}
	// Experiment is what fx experiment run fills.
	Experiment = &Folder{
		what:  "an experiment",
		marks: []mark{{"experiment.json", []string{"format_version", "name", "runs"}}},
		names: []string{"experiment.lock", "results.csv"},
		parts: []string{"results.csv"}, locked: true,
	}
	// Artifacts is what fx artifacts generate writes.
	Artifacts = &Folder{
		what:  "the training graphs of `fx artifacts generate`",
		marks: []mark{{"artifacts.json", []string{"format_version", "network", "classes", "parameters"}}},
		names: slices.Concat([]string{"*_model.onnx", "checkpoint"}, within("checkpoint", checkpointNames)),
		parts: []string{"*_model.onnx"}, replaced: []string{"checkpoint"},
	}
	// Quickstart is what fx quickstart fills. Its summary is written last.
	Quickstart = &Folder{
		what:  "what `fx quickstart` made",
		marks: []mark{{"summary.json", []string{"format_version", "inputs_sha256", "files"}}},
		begun: []mark{{"features/manifest.json", storeKeys}},
		names: slices.Concat(reportNames, []string{"features", "model", "classifier.onnx", "confusion.png", "summary.txt"},
			within("features", storeNames), within("model", modelNames)),
	}
	// Demo is what fx demo fills.
	Demo = &Folder{
		what:  "what `fx demo` made",
		begun: []mark{{"features-*/manifest.json", storeKeys}}, // it has no format file of its own
		names: slices.Concat(reportNames, []string{"features-*", "model", "report.png"},
			within("features-*", storeNames), within("model", modelNames)),
	}
	// NPY is what fx features export writes as numpy's files.
	NPY = &Folder{
		what:  "features exported to numpy's files",
		marks: []mark{{"rows.json", []string{"classes", "path"}}},
		names: []string{"features.npy", "labels.npy", "views.npy"},
	}
	// checkpoint is a part of a Run and of Artifacts.
	checkpoint = &Folder{
		what:  "a checkpoint",
		marks: []mark{{"state.json", []string{"format_version", "network"}}},
		parts: checkpointNames,
	}
)

// folders are all kinds, those first that contain others.
var folders = []*Folder{Run, Store, Model, Experiment, Artifacts, Quickstart, Demo, NPY, checkpoint}

var (
	storeKeys       = []string{"format_version", "backbone", "graph_sha256"}
	storeNames      = []string{"index.json", "lock", "*.lock", "statcache*", "checked*", "shard-*.arrow"}
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
