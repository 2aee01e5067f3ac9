package experiments

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"fx/classify"
	"fx/extract"
	"fx/finetune"
	"fx/internal/durable"
	"fx/internal/experimentdir"
	"fx/internal/fail"
	"fx/internal/modeldir"
	"fx/internal/outpath"
	"fx/internal/progress"
)

// lockName is the file that the process which runs an experiment holds.
const lockName = "experiment.lock"

// Run executes the runs of an experiment that are not finished, and keeps experiment.json and results.csv up to date.
// It can be killed at any moment: the same call continues from there. If a run fails, the others are still executed,
// unless the system failed or the disk is full; the error describes the first failure. Other errors: fail.Usage for
// files, photos and weights that can't be used, fail.Locked if another process runs the experiment.
func Run(ctx context.Context, file *File, o Options, report progress.Reporter) (experimentdir.Experiment, error) {
	if o.Out == "" {
		o.Out = file.DefaultOut()
	}
	target := outpath.Target{Kind: outpath.Experiment, Path: o.Out, Photos: file.photos(o).Dir}
	if err := outpath.Prepare(o.Force, target); err != nil {
		return experimentdir.Experiment{}, err
	}
	m, err := prepare(ctx, file, o, false, report)
	if err != nil {
		return experimentdir.Experiment{}, err
	}
	if target.Photos == "" { // prepare has found them
		target.Photos = m.record.Data.Dir
		if err := outpath.Prepare(o.Force, target); err != nil {
			return m.record, err
		}
	}
	out := m.options.Out
	if err := os.MkdirAll(out, 0o777); err != nil {
		return m.record, fail.Wrap(fail.Usage, err, "Choose a folder that fx may write with --out.", "experiment %s",
			out)
	}
	release, err := durable.Lock(filepath.Join(out, lockName))
	if errors.Is(err, durable.ErrLocked) {
		return m.record, fail.New(fail.Locked, "Wait until it has ended, or choose another --out.",
			"another fx experiment run is at work in %s", out)
	} else if err != nil {
		return m.record, fail.Wrap(fail.Usage, err, "Choose a folder that fx may write with --out.", "experiment %s",
			out)
	}
	defer release()
	if err := m.tidy(); err != nil {
		return m.record, fail.Wrap(fail.KindOf(err), err, "", "experiment %s", out)
	}
	todo, selected, err := m.updateStatus(report)
	if err != nil {
		return m.record, err
	}
	if err := m.save(); err != nil {
		return m.record, err
	}
	if err := m.lock().Hold(ctx, m.inputs...); err != nil {
		return m.record, err
	}
	if done := selected - len(todo); done > 0 {
		report.Note(fmt.Sprintf("%d of %d runs are done already", done, selected))
	}
	if len(todo) == 0 {
		return m.placed(), nil
	}
	estimates, err := m.estimate(ctx, todo, report)
	if err != nil {
		return m.record, err
	}
	err = m.runAll(ctx, todo, newWatch(report, estimates, selected))
	return m.placed(), err
}

// tidy removes the temporary files of killed processes, also in the folders of finished runs.
func (m *matrix) tidy() error {
	dirs := []string{m.options.Out}
	for i := range m.record.Runs {
		dirs = append(dirs, m.dir(i), m.store(i))
	}
	for _, dir := range dirs {
		if err := durable.RemoveStale(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// runAll executes the runs, one after the other.
func (m *matrix) runAll(ctx context.Context, todo []int, w *watch) error {
	var failed []error
	for number, i := range todo {
		run := &m.record.Runs[i]
		run.Status, run.Error = experimentdir.Started, ""
		if err := m.save(); err != nil {
			return err
		}
		w.begin(number, w.runs-len(todo)+number+1, run.Name)
		err := m.run(ctx, i, w)
		w.end(number)
		if err == nil {
			if err := m.save(); err != nil {
				return err
			}
			w.Note(fmt.Sprintf("best val accuracy %.4f in epoch %d, %.0f s", run.Result.BestValAccuracy,
				run.Result.BestEpoch, run.Seconds))
			continue
		}
		err = fail.Wrap(fail.KindOf(err), err, "", "run %s", run.Name)
		if ctx.Err() != nil {
			return errors.Join(fail.Wrap(fail.Interrupted, err,
				"What was finished is kept; the same command goes on from there.", ""), m.save())
		}
		if fail.BySystem(err) { // the others would fail for the same reason
			return errors.Join(err, m.save())
		}
		run.Status, run.Error = experimentdir.Failed, err.Error()
		if err := m.save(); err != nil {
			return err
		}
		w.Note("failed: " + err.Error())
		failed = append(failed, err)
	}
	if len(failed) == 0 {
		return nil
	}
	return fail.Wrap(fail.KindOf(failed[0]), failed[0], hintOf(failed[0]), "%d of %d runs failed, the first one",
		len(failed), len(todo))
}

func hintOf(err error) string {
	const again = "The same command tries the failed runs again."
	if hint := fail.HintOf(err); hint != "" {
		return hint + " " + again
	}
	return again
}

// run executes a run and records its result.
func (m *matrix) run(ctx context.Context, i int, report progress.Reporter) error {
	run := m.record.Runs[i]
	if run.Mode == modeldir.FeatureExtraction {
		if err := m.extract(ctx, i, report); err != nil {
			return err
		}
	} else if err := m.train(ctx, i, report); err != nil {
		return err
	}
	model, _, err := modeldir.Load(m.dir(i))
	if err != nil { // it was changed after the training
		return fail.Wrap(fail.KindOf(err), err, fmt.Sprintf("Remove %s to begin this run anew.", m.dir(i)), "")
	}
	m.finish(i, model, modeldir.SHA256(m.dir(i)))
	return nil
}

// extract fills the store that runs of all seeds share, and trains a head on it.
func (m *matrix) extract(ctx context.Context, i int, report progress.Reporter) error {
	run, p, o := m.record.Runs[i], m.runs[i], m.options
	if err := outpath.Prepare(o.Force,
		outpath.Target{Kind: outpath.Store, Path: m.store(i), Nested: true},
		outpath.Target{Kind: outpath.Model, Path: m.dir(i), Nested: true}); err != nil {
		return err
	}
	filling := extraction(p.settings)
	filling.Embedder = extract.EmbedderOptions{Environment: o.Environment, Network: p.network}
	filling.Data, filling.Photos = m.record.Data.Dir, o.Photos
	filling.Store, filling.Force = m.store(i), o.Force
	filling.ReplaceData = true // --data may have changed; its runs then have other keys
	summary, err := extract.Run(ctx, filling, report)
	if err != nil {
		return err
	}
	if summary.Computed > 0 {
		s := m.record.Store(run.Store)
		s.Seconds += summary.Seconds
		s.Rows += summary.Computed
		s.ImagesPerSecond = float64(s.Rows) / s.Seconds
		m.record.SetStore(s)
	}
	_, err = classify.Fit(ctx, classify.FitOptions{
		Settings: p.settings, Features: m.store(i), Out: m.dir(i), Force: o.Force, Nested: true,
	}, nil, report)
	return err
}

// train trains the network, or continues its training.
func (m *matrix) train(ctx context.Context, i int, report progress.Reporter) error {
	p, o := m.runs[i], m.options
	if err := outpath.Prepare(o.Force, outpath.Target{Kind: outpath.Run, Path: m.dir(i), Nested: true}); err != nil {
		return err
	}
	begun, finished, err := finetune.Status(m.dir(i))
	if err != nil {
		return err
	}
	if finished { // its MODEL is damaged or not its own, else the run would not be repeated
		if _, _, err := modeldir.Load(m.dir(i)); err == nil {
			return fail.New(fail.Model, fmt.Sprintf("Remove %s to begin this run anew.", m.dir(i)), "%s %s", m.dir(i),
				notOwn)
		}
	}
	resume := begun || finished
	_, err = finetune.Run(ctx, finetune.Options{
		Settings: p.settings, Environment: o.Environment, Network: p.network, Data: m.record.Data.Dir,
		Photos: o.Photos, Out: m.dir(i), Resume: resume, Force: o.Force, Terse: true,
	}, report)
	if err != nil && resume && fail.KindOf(err) == fail.Usage {
		err = fail.Wrap(fail.Usage, err, fmt.Sprintf("Remove %s to begin this run anew.", m.dir(i)), "")
	}
	return err
}

// save writes experiment.json and results.csv.
func (m *matrix) save() error {
	if err := experimentdir.Save(m.options.Out, m.record); err != nil {
		return err
	}
	return experimentdir.WriteCSV(m.options.Out, m.record)
}

// placed is the record with its folders as experimentdir.Load gives them.
func (m *matrix) placed() experimentdir.Experiment {
	e, err := experimentdir.Load(m.options.Out)
	if err != nil {
		return m.record // the folder was removed; the results are still valid
	}
	return e
}
