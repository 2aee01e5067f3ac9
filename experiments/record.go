package experiments

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"fx/finetune"
	"fx/internal/experimentdir"
	"fx/internal/fail"
	"fx/internal/modeldir"
	"fx/internal/progress"
)

// remember takes over the runs and stores of an earlier record, with folders relative to the experiment's.
func (m *matrix) remember(earlier experimentdir.Experiment) error {
	relative := func(dir *string) error {
		if *dir == "" {
			return nil
		}
		found, err := filepath.Rel(m.options.Out, *dir)
		*dir = filepath.ToSlash(found)
		return err
	}
	m.earlier = map[string]experimentdir.Run{}
	for _, run := range earlier.Runs {
		if err := errors.Join(relative(&run.Dir), relative(&run.Store)); err != nil {
			return err
		}
		m.earlier[run.Name] = run
	}
	for _, s := range earlier.Stores {
		if err := relative(&s.Dir); err != nil {
			return err
		}
		m.record.SetStore(s)
	}
	return nil
}

// noteOthers notes the runs in the folder that the file does not describe: those with other settings, photos or
// weights, or of an fx with other defaults.
func (m *matrix) noteOthers() error {
	entries, err := os.ReadDir(filepath.Join(m.options.Out, "runs"))
	if fail.BySystem(err) {
		return fail.Wrap(fail.KindOf(err), err, "", "experiment %s", m.options.Out)
	}
	var others []string
	for _, e := range entries { // none where there is no folder yet
		dir := path.Join("runs", e.Name())
		own := slices.ContainsFunc(m.record.Runs, func(r experimentdir.Run) bool {
			return r.Dir == dir || r.Dir == "" && strings.HasPrefix(e.Name(), r.Name+"-")
		})
		if !own && modeldir.Is(filepath.Join(m.options.Out, dir)) {
			others = append(others, dir)
		}
	}
	if len(others) > 0 {
		m.note("runs with other settings, photos or weights stay beside these: " + strings.Join(others, ", "))
	}
	return nil
}

// updateStatus sets the status of each run by its folder. It returns the indexes of the selected runs that are not
// finished, and the number of selected runs. It reports MODELs that are damaged and will be trained again.
func (m *matrix) updateStatus(report progress.Reporter) (todo []int, selected int, err error) {
	for i := range m.record.Runs {
		run := &m.record.Runs[i]
		if run.Dir == "" { // not selected, and never was
			continue
		}
		model, _, err := modeldir.Load(m.dir(i))
		if err == nil && !m.planOnly {
			err = modeldir.Complete(m.dir(i))
		}
		if fail.BySystem(err) {
			return nil, 0, fail.Wrap(fail.KindOf(err), err, "", "run %s", run.Name)
		}
		begun, finished, statusErr := finetune.Status(m.dir(i))
		if statusErr != nil {
			return nil, 0, fail.Wrap(fail.KindOf(statusErr), statusErr, "", "run %s", run.Name)
		}
		switch {
		case err == nil && (run.Mode == modeldir.FeatureExtraction || finished):
			sum := modeldir.SHA256(m.dir(i))
			if m.recorded(i, model, sum) {
				m.finish(i, model, sum)
				break
			}
			run.ModelSHA256 = m.earlier[run.Name].ModelSHA256 // kept until the run is repeated, for the next call
			again := run.Name + " is run again"
			if finished { // train refuses such a folder
				again = fmt.Sprintf("remove it to run %s again", run.Name)
			}
			report.Note(fmt.Sprintf("%s %s: %s", m.dir(i), notOwn, again))
		case begun:
			run.Status = experimentdir.Started
		case fail.KindOf(err) == fail.Model && run.Mode == modeldir.FeatureExtraction:
			report.Note(fmt.Sprintf("%s is trained again: %v", run.Name, err))
		}
		if m.runs[i].selected {
			selected++
			if run.Status != experimentdir.Finished {
				todo = append(todo, i)
			}
		}
	}
	return todo, selected, nil
}

// finish records the result of a run from its MODEL, whose SHA-256 is sum.
func (m *matrix) finish(i int, model modeldir.Model, sum string) {
	run, metrics := &m.record.Runs[i], model.Metrics
	run.Status, run.Error = experimentdir.Finished, ""
	run.ModelSHA256 = sum
	run.Result = &experimentdir.Result{
		BestValAccuracy: metrics.BestValAccuracy, BestEpoch: metrics.BestEpoch,
		ImagesPerSecond: metrics.ImagesPerSecond, ParametersTrained: metrics.ParametersTrained,
	}
	run.Seconds = metrics.Seconds
	if run.Store != "" {
		s := m.record.Store(run.Store)
		run.Seconds += s.Seconds
		run.Result.ImagesPerSecond = s.ImagesPerSecond
	}
	for what, version := range model.Versions {
		if what != "fx" {
			m.record.Versions[what] = version
		}
	}
}

// references returns the reference results for the record.
func (f *File) references() []experimentdir.Reference {
	all := []experimentdir.Reference{}
	for _, r := range f.References {
		for _, figure := range r.Figures {
			beside := figure.Beside
			if beside == "" {
				beside = figure.Backbone
			}
			all = append(all, experimentdir.Reference{
				Name: r.Name, Source: r.Source, Backbone: figure.Backbone, Beside: beside, Mode: figure.Mode,
				BestValAccuracy: figure.BestValAccuracy, SD: figure.SD, Runs: figure.Runs, Seconds: figure.Seconds,
			})
		}
	}
	return all
}
