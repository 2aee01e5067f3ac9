package artifacts

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"

	"fx/internal/durable"
	"fx/internal/fail"
	"fx/internal/onnx"
	"fx/internal/preprocess"
	"fx/internal/userfile"
	"fx/internal/weights"
)

// The files of an artifacts folder. The names are those of ONNX Runtime's own
// training artifacts, with the whole step beside them.
const (
	StepFile      = "step_model.onnx"      // forward, loss, backward and update in one run
	TrainingFile  = "training_model.onnx"  // gradients, added to those of earlier batches
	OptimizerFile = "optimizer_model.onnx" // update by added gradients
	EvalFile      = "eval_model.onnx"      // logits, loss and right predictions
	CheckpointDir = "checkpoint"           // the state that training starts from
	InfoFile      = "artifacts.json"       // Info
)

// Info says what artifacts were made from.
type Info struct {
	FormatVersion int             `json:"format_version"`
	Network       string          `json:"network"`
	Classes       int             `json:"classes"`
	Preprocess    preprocess.Spec `json:"preprocess"`
	Options       Options         `json:"options"`
	Parameters    []Parameter     `json:"parameters"`
	Trained       []string        `json:"trained"` // names of the parameters that learn
	Notes         []string        `json:"notes,omitempty"`
}

// formatVersion is the version of the folder. Version 1 had checkpoints of their own form.
const formatVersion = 2

// Set are artifacts read back from a folder.
type Set struct {
	Info
	Step, Training, Optimizer, Eval *Graph
	Checkpoint                      *Checkpoint
}

// Generate writes the artifacts of n into the folder dir, which it makes where
// it is not there.
func Generate(ctx context.Context, dir string, n *Network, o Options) (Info, error) {
	resolved, err := o.resolved()
	if err != nil {
		return Info{}, err
	}
	trained, err := n.Select(o.Trainable)
	if err != nil {
		return Info{}, err
	}
	info := Info{
		FormatVersion: formatVersion, Network: n.Name, Classes: n.Classes, Preprocess: n.Preprocess,
		Options: resolved, Parameters: n.Parameters, Trained: trained, Notes: n.Notes,
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return info, fail.Wrap(fail.Usage, err, "Choose another --out.", "make folder %s", dir)
	}
	state := weights.NewStateDict()
	var slots []Slot
	for _, part := range []struct {
		file  string
		build func(Options) (*Graph, error)
	}{{StepFile, n.Step}, {TrainingFile, n.Gradients}, {OptimizerFile, n.Update}, {EvalFile, n.Eval}} {
		if err := ctx.Err(); err != nil {
			return info, err
		}
		graph, err := part.build(o)
		if err != nil {
			return info, err
		}
		if err := onnx.Save(filepath.Join(dir, part.file), graph.Model); err != nil {
			return info, err
		}
		initial, err := n.Initial(graph)
		if err != nil {
			return info, err
		}
		for _, s := range graph.State {
			if s.Kind != GradientState { // zeros, which every update begins with
				slots = append(slots, s)
				t, _ := initial.Get(s.Name)
				state.Set(s.Name, t)
			}
		}
	}
	if err := WriteCheckpoint(filepath.Join(dir, CheckpointDir), n.Pack(slots, state, 0, false)); err != nil {
		return info, err
	}
	text, err := json.MarshalIndent(info, "", "  ")
	if err != nil {
		return info, err
	}
	err = durable.WriteBytes(filepath.Join(dir, InfoFile), append(text, '\n'))
	return info, fail.Wrap(fail.Other, err, "", "write %s in %s", InfoFile, dir)
}

// Read reads back what Generate wrote. Errors are of kind fail.Model, or
// fail.Usage where dir is no such folder.
func Read(dir string) (*Set, error) {
	s := &Set{}
	path := filepath.Join(dir, InfoFile)
	text, err := userfile.ReadJSON(path)
	if err != nil {
		return nil, fail.Wrap(fail.Usage, err, "`fx artifacts generate` makes such a folder.", "no artifacts in %s", dir)
	}
	if err := json.Unmarshal(text, &s.Info); err != nil {
		return nil, fail.Wrap(fail.Model, err, "Generate the artifacts again.", "%s", path)
	}
	if s.FormatVersion != formatVersion {
		return nil, fail.New(fail.Model, "Generate the artifacts again with this fx.", "%s has format version %d, and this fx knows %d", path, s.FormatVersion, formatVersion)
	}
	for _, part := range []struct {
		file string
		to   **Graph
	}{{StepFile, &s.Step}, {TrainingFile, &s.Training}, {OptimizerFile, &s.Optimizer}, {EvalFile, &s.Eval}} {
		if *part.to, err = ReadGraph(filepath.Join(dir, part.file)); err != nil {
			return nil, err
		}
	}
	s.Checkpoint, err = ReadCheckpoint(filepath.Join(dir, CheckpointDir))
	return s, err
}

// ReadGraph reads one of the graphs from its file.
func ReadGraph(path string) (*Graph, error) {
	m, err := onnx.Load(path)
	if err != nil {
		return nil, err
	}
	g := &Graph{Model: m, Title: m.Graph.GetName()}
	text, ok := onnx.Metadata(m, MetaGraph)
	if !ok {
		return nil, fail.New(fail.Model, "`fx artifacts generate` makes such files.", "%s is no training graph: it has no metadata %s", path, MetaGraph)
	}
	if err := json.Unmarshal([]byte(text), g); err != nil {
		return nil, fail.Wrap(fail.Model, err, "Generate the artifacts again.", "%s, metadata %s", path, MetaGraph)
	}
	return g, nil
}
