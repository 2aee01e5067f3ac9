package classify

import (
	"context"
	"fmt"
	"math"
	"slices"

	"fx/head"
	"fx/internal/fail"
	"fx/internal/metrics"
	"fx/internal/modeldir"
	"fx/internal/training"
)

// fit chooses the penalty of a linear head, trains the head and evaluates it.
func (q *quickstart) fit(ctx context.Context) error {
	s, m := &q.summary, q.features.Manifest
	described, err := headOf(m)
	if err != nil {
		return err
	}
	layout := described.Layout
	fit := FitOptions{
		Settings: training.Defaults(), Features: s.Files.Features, Out: s.Files.Model,
	}
	fit.Seed = q.options.Seed
	copies := copiesOf(q.features, q.train)
	found, err := head.CrossValidate(ctx, layout, q.train, head.CrossValidationOptions{
		Folds: q.options.Folds, Seed: q.options.Seed, Groups: copies, SGD: fit.head(q.train, layout.Classes),
	}, q.watch)
	if err != nil {
		return q.notTrained(err)
	}
	if layout.Kind == head.Linear {
		fit.Solver, fit.L2 = training.LBFGS, found.L2()
	}
	s.CrossValidation, s.L2, s.Solver = found, found.L2(), fit.Solver
	options := fit.head(q.train, layout.Classes)
	options.LastEpoch = true // the photos to evaluate on must not choose one
	clock := newStopwatch(nil)
	trained, err := head.Fit(ctx, layout, q.train, q.val, options, clock.epoch)
	if err != nil {
		return q.notTrained(err)
	}
	probabilities, err := head.Probabilities(ctx, layout, trained.Params, q.val)
	if err != nil {
		return err
	}
	log := fitLog(fit, m.Backbone, clock, trained)
	model := newModel(m, described, fit, slices.Clone(s.Notes))
	model.Metrics = newMetrics(trained, q.train, q.val, q.splits, fit)
	if len(q.val.Photos) > 0 {
		unseen, err := head.Evaluate(ctx, layout, trained.Params, q.val)
		if err != nil {
			return err
		}
		s.Evaluation = newQuickstartEvaluation(unseen, m.Classes, copiesOf(q.features, q.val))
		s.Evaluation.Split = q.splits.Val
	} else {
		s.Evaluation = newQuickstartEvaluation(found.Metrics, m.Classes, copies)
		s.Evaluation.Folds = found.Folds
		evaluatedByFolds(&model.Metrics, found)
		for i := range log.Epochs { // not evaluated
			log.Epochs[i].ValLoss, log.Epochs[i].ValAccuracy = math.NaN(), math.NaN()
		}
	}
	remember(&model.Metrics, q.features, q.train)
	if err := q.labels(found.Probabilities, probabilities); err != nil {
		return err
	}
	return saveWithLog(s.Files.Model, model, trained.Params, log)
}

// notTrained gives an error of SGD a hint that fits a command without settings.
func (q *quickstart) notTrained(err error) error {
	if fail.KindOf(err) != fail.NonFinite {
		return err
	}
	return fail.Wrap(fail.NonFinite, err, "Take another network with --backbone, or train on the features with "+
		"`fx fit-head --features "+quoteShell(q.summary.Files.Features)+"` and other settings.", "the head")
}

// evaluatedByFolds replaces the iterations of a fit by one epoch: the last, with the results of cross-validation.
func evaluatedByFolds(m *modeldir.Metrics, c head.CrossValidation) {
	last := m.Epochs[len(m.Epochs)-1]
	m.Epochs = []metrics.Epoch{{
		Epoch: 1, TrainLoss: last.TrainLoss, TrainAccuracy: last.TrainAccuracy,
		ValLoss: c.Metrics.Loss, ValAccuracy: c.Metrics.Accuracy,
	}}
	m.BestEpoch, m.BestValAccuracy, m.ValPhotos, m.Folds = 1, c.Metrics.Accuracy, m.TrainPhotos, c.Folds
	m.ValSplit = fmt.Sprintf("cross-validation in %d folds", c.Folds)
}

// labels lists the photos for training and evaluation with suspicious labels. The probabilities of both are from heads
// that were not trained on them.
func (q *quickstart) labels(train, val [][]float64) error {
	var labels []int
	for _, photo := range slices.Concat(q.train.Photos, q.val.Photos) {
		labels = append(labels, photo.Label)
	}
	issues, err := head.LabelIssues(slices.Concat(train, val), labels)
	if err != nil {
		return err
	}
	paths, classes := append(pathsOf(q.features, q.train), pathsOf(q.features, q.val)...), q.features.Manifest.Classes
	s := &q.summary
	s.Mislabelled, s.MislabelledInAll = []Mislabelled{}, len(issues)
	for _, issue := range issues[:min(len(issues), maxMislabelled)] {
		s.Mislabelled = append(s.Mislabelled, Mislabelled{
			Path: paths[issue.Photo], Class: classes[issue.Label], Suggested: classes[issue.Suggested],
			Probability: issue.Likely, ProbabilityOfClass: issue.Given,
		})
	}
	return nil
}
