package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"fx/bench/internal/command"
)

// starts is the number of runs of a program that only starts.
const starts = 30

func startupComparisons(w *environment) []comparison {
	only := func(name, title string, argv ...string) comparison {
		return comparison{
			section: "startup", name: name, title: title, sides: []side{fxSide}, rounds: starts,
			prepare: func(context.Context, *outcome) (map[string]job, error) {
				return map[string]job{"fx": {commands: always(append([]string{w.fx}, argv...))}}, nil
			},
		}
	}
	return []comparison{
		only("1-help", "fx --help", "--help"),
		only("2-backbones", "fx backbones list", "backbones", "list"),
		{
			section: "startup", name: "3-predict", title: "fx predict, one photo", sides: []side{fxSide,
				torchSide}, rounds: w.rounds,
			prepare: w.preparePredict,
			cleanup: func() error { return w.clear("startup") },
		},
	}
}

// preparePredict trains a MODEL and checks that both sides predict the same for a photo.
func (w *environment) preparePredict(ctx context.Context, o *outcome) (map[string]job, error) {
	weights, trained, err := w.weights(ctx, "squeezenet1_1")
	if err != nil {
		return nil, err
	}
	if err := o.know("trained", trained); err != nil {
		return nil, err
	}
	model, err := w.scratch("startup", "model")
	if err != nil {
		return nil, err
	}
	store := filepath.Join(filepath.Dir(model), "store")
	if err := os.RemoveAll(model); err != nil {
		return nil, err
	}
	for _, argv := range w.tutorial(weights, store, model, 0) {
		if _, err := command.Output(ctx, argv[0], argv[1:]...); err != nil {
			return nil, err
		}
	}
	var described struct{ Classes []string }
	text, err := os.ReadFile(filepath.Join(model, "model.json"))
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, &described); err != nil {
		return nil, err
	}
	photo := filepath.Join(w.photos.dir, filepath.FromSlash(w.photos.rel[len(w.photos.rel)-1]))
	jobs := map[string]job{
		"fx": {commands: always(w.fxCommand("predict", "--model", model, photo))},
		"torch": {commands: always(w.peer("torch_predict.py", "--weights", weights, "--head",
			filepath.Join(model, "head.safetensors"), "--classes", strings.Join(described.Classes, ","), "--threads",
			strconv.Itoa(w.threads), photo))},
	}
	return jobs, samePrediction(ctx, jobs["fx"].commands(0)[0], jobs["torch"].commands(0)[0])
}

// prediction is the output of both sides, a list of one photo.
type prediction struct {
	Top []struct {
		Class       string
		Probability float64
	}
}

func samePrediction(ctx context.Context, fx, torch []string) error {
	var ours, theirs []prediction
	if err := needJSON(ctx, fx, &ours); err != nil {
		return err
	}
	if err := needJSON(ctx, torch, &theirs); err != nil {
		return err
	}
	if len(ours) != 1 || len(theirs) != 1 || len(ours[0].Top) == 0 || len(theirs[0].Top) == 0 {
		return fmt.Errorf("a side made no prediction: %+v and %+v", ours, theirs)
	}
	a, b := ours[0].Top[0], theirs[0].Top[0]
	if difference := a.Probability - b.Probability; a.Class != b.Class || difference > 1e-3 || difference < -1e-3 {
		return fmt.Errorf("fx predicts %+v and PyTorch %+v", a, b)
	}
	return nil
}
