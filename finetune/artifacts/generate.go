package artifacts

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"

	"fx/internal/checksum"
	"fx/internal/durable"
	"fx/internal/fail"
	"fx/internal/filehash"
	"fx/internal/onnx"
	"fx/internal/preprocess"
	"fx/internal/userfile"
	"fx/internal/weights"
)

// The files of an artifacts folder. The names are those of ONNX Runtime's own
// training artifacts, plus the whole step.
const (
	StepFile      = "step_model.onnx"      // forward, loss, backward and update in one run
	TrainingFile  = "training_model.onnx"  // gradients, accumulated over batches
	OptimizerFile = "optimizer_model.onnx" // update by accumulated gradients
	EvalFile      = "eval_model.onnx"      // logits, loss and correct predictions
	checkpointDir = "checkpoint"           // the state that training starts from
	infoFile      = "artifacts.json"       // Info
)

// Info describes how artifacts were generated.
type Info struct {
	FormatVersion int             `json:"format_version"`
	Network       string          `json:"network"`
	Classes       int             `json:"classes"`
	Preprocess    preprocess.Spec `json:"preprocess"`
	Options       Options         `json:"options"`
	Parameters    []Parameter     `json:"parameters"`
	Trained       []string        `json:"trained"` // names of the trained parameters
	Notes         []string        `json:"notes,omitempty"`

	// Files has the SHA-256 of each of the folder's graphs, and of its checkpoint's
	// state.json; nil in artifacts of an older fx.
	Files map[string]string `json:"files_sha256,omitempty"`
}

// formatVersion is the version of the folder. Version 1 had its own form of checkpoints.
const formatVersion = 2

// Set is a folder of artifacts.
type Set struct {
	Info
	Step, Training, Optimizer, Eval *Graph
	Checkpoint                      *Checkpoint
}

// Generate writes the artifacts of n into the folder dir, which it creates if needed.
// It replaces earlier artifacts atomically and keeps other files.
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
		Options: resolved, Parameters: n.Parameters, Trained: trained, Notes: n.Notes, Files: map[string]string{},
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return info, fail.Wrap(fail.Usage, err, "Choose another --out.", "make folder %s", dir)
	}
	r, err := durable.Replace(dir, infoFile)
	if errors.Is(err, durable.ErrLocked) {
		return info, fail.Wrap(fail.Locked, err, "Wait until it has ended, or choose another --out.",
			"artifacts are being written to %s", dir)
	} else if err != nil {
		return info, fail.Wrap(fail.Usage, err, "Choose another --out.", "artifacts in %s", dir)
	}
	defer r.Close()
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
		if err := r.Write(part.file, func(path string) error { return onnx.Save(path, graph.Model) }); err != nil {
			return info, err
		}
		if info.Files[part.file], err = fileSHA256(ctx, r.Path(part.file)); err != nil {
			return info, err
		}
		initial, err := n.Initial(graph)
		if err != nil {
			return info, err
		}
		for _, s := range graph.State {
			if s.Kind != GradientState { // zeros at the start of every update
				slots = append(slots, s)
				t, _ := initial.Get(s.Name)
				state.Set(s.Name, t)
			}
		}
	}
	initial := n.Pack(slots, state, 0, false)
	if err := r.Write(checkpointDir, func(path string) error { return WriteCheckpoint(path, initial) }); err != nil {
		return info, err
	}
	if info.Files[checkpointRoot], err = fileSHA256(ctx, filepath.Join(r.Path(checkpointDir), stateFile)); err != nil {
		return info, err
	}
	text, err := checksum.Marshal(info)
	if err == nil {
		err = r.Commit(text)
	}
	return info, fail.Wrap(fail.KindOf(err), err, "", "write the artifacts in %s", dir)
}

// checkpointRoot is the file of the checkpoint that has the SHA-256 of the others.
const checkpointRoot = checkpointDir + "/" + stateFile

func fileSHA256(ctx context.Context, path string) (string, error) {
	sum, _, err := filehash.Sum(ctx, path)
	return sum, err
}

// Read reads a folder that Generate wrote. Errors are of kind fail.Model, or fail.Usage
// if dir is not such a folder.
func Read(dir string) (s *Set, err error) {
	decoding := false
	err = durable.ReadTogether(dir, infoFile, userfile.ReadJSON,
		func(text []byte, path func(string) string) (err error) {
			decoding = true
			s, err = read(filepath.Join(dir, infoFile), text, path)
			return err
		})
	if err != nil && !decoding {
		err = fail.Wrap(fail.Usage, err, "`fx artifacts generate` makes such a folder.", "no artifacts in %s", dir)
	}
	return s, err
}

// read reads the artifacts whose artifacts.json is text.
func read(root string, text []byte, path func(string) string) (s *Set, err error) {
	const again = "Generate the artifacts again."
	s = &Set{}
	if err := json.Unmarshal(text, &s.Info); err != nil {
		return nil, fail.Wrap(fail.Model, err, again, "%s", root)
	}
	if s.FormatVersion != formatVersion {
		return nil, fail.New(fail.Model, "Generate the artifacts again with this fx.",
			"%s has format version %d; this fx reads version %d", root, s.FormatVersion, formatVersion)
	}
	if err := checksum.Verify(root, text); err != nil {
		return nil, fail.Wrap(fail.Model, err, checksum.Hint, "")
	}
	compare := func(name, file string) error {
		if s.Files == nil {
			return nil
		}
		sum, err := fileSHA256(context.Background(), file)
		if err == nil && sum != s.Files[name] {
			err = fail.New(fail.Model, again, "%s does not match %s, which was written with it", file, infoFile)
		}
		return fail.Wrap(fail.Model, err, again, "artifacts")
	}
	for _, part := range []struct {
		file string
		to   **Graph
	}{{StepFile, &s.Step}, {TrainingFile, &s.Training}, {OptimizerFile, &s.Optimizer}, {EvalFile, &s.Eval}} {
		if err := compare(part.file, path(part.file)); err != nil {
			return nil, err
		}
		if *part.to, err = readGraph(path(part.file)); err != nil {
			return nil, err
		}
	}
	checkpoint := path(checkpointDir)
	if err := compare(checkpointRoot, filepath.Join(checkpoint, stateFile)); err != nil {
		return nil, err
	}
	s.Checkpoint, err = ReadCheckpoint(checkpoint)
	return s, err
}

// readGraph reads one of the graphs from its file.
func readGraph(path string) (*Graph, error) {
	m, err := onnx.Load(path)
	if err != nil {
		return nil, err
	}
	g := &Graph{Model: m, Title: m.Graph.GetName()}
	text, ok := onnx.Metadata(m, metaGraph)
	if !ok {
		return nil, fail.New(fail.Model, "`fx artifacts generate` makes such files.",
			"%s is not a training graph: it has no metadata %s", path, metaGraph)
	}
	if err := json.Unmarshal([]byte(text), g); err != nil {
		return nil, fail.Wrap(fail.Model, err, "Generate the artifacts again.", "%s, metadata %s", path, metaGraph)
	}
	return g, nil
}
