package report

import (
	"fmt"
	"os"
	"path/filepath"

	"fx/internal/experimentdir"
	"fx/internal/fail"
	"fx/internal/modeldir"
	"fx/internal/paths"
	"fx/report/page"
)

// found is a run's folder and what an experiment says of it.
type found struct {
	name   string // unique among the runs
	dir    string
	data   string             // photos, as far as the experiment says
	member *experimentdir.Run // nil outside an experiment
}

// finding is all that the folders hold.
type finding struct {
	runs        []found
	experiments []experimentdir.Experiment
	notes       []string
}

// find lists the runs in the folders, each once.
func find(folders []string) (finding, error) {
	var f finding
	if len(folders) == 0 {
		return f, fail.New(fail.Usage,
			"Name folders of `fx fit-head --out`, `fx finetune --out` or `fx experiment run`.", "no run to report on")
	}
	seen := map[string]bool{}
	add := func(r found) {
		if key := paths.Absolute(r.dir); !seen[key] {
			seen[key] = true
			f.runs = append(f.runs, r)
		}
	}
	for _, dir := range folders {
		if !experimentdir.Is(dir) {
			if err := finished(dir); err != nil {
				return f, err
			}
			add(found{name: filepath.Base(paths.Absolute(dir)), dir: dir})
			continue
		}
		e, err := experimentdir.Load(dir)
		if err != nil {
			return f, err
		}
		f.experiments = append(f.experiments, e)
		var open []string
		for i, r := range e.Runs {
			if r.Status != experimentdir.Finished {
				open = append(open, r.Name)
				continue
			}
			add(found{name: r.Name, dir: r.Dir, data: e.Data.Dir, member: &e.Runs[i]})
		}
		if len(open) > 0 {
			f.notes = append(f.notes, fmt.Sprintf("%d of the %d runs of %s are not finished and not shown: %s",
				len(open), len(e.Runs), e.Name, page.Enumerate(open, 6)))
		}
		if len(open) == len(e.Runs) {
			return f, fail.New(fail.Usage, "Run it with `fx experiment run` first.",
				"no run of the experiment %s is finished", dir)
		}
	}
	f.rename()
	return f, nil
}

// finished explains a folder of a run that is no MODEL yet.
func finished(dir string) error {
	if info, err := os.Stat(dir); err != nil {
		return fail.Wrap(fail.Usage, err,
			"Name folders of `fx fit-head --out`, `fx finetune --out` or `fx experiment run`.", "run %s", dir)
	} else if !info.IsDir() {
		return fail.New(fail.Usage, "Name the folder that it lies in.", "run %s is a file", dir)
	}
	var failed error
	has := func(name string) bool {
		_, err := os.Stat(filepath.Join(dir, name))
		if fail.BySystem(err) || fail.Forbidden(err) {
			failed = fail.Wrap(fail.KindOf(err), err, "", "run %s", dir)
		}
		return err == nil || failed != nil
	}
	unfinished := modeldir.Unfinished(dir)
	switch {
	case has("model.json"):
		return failed
	case unfinished != nil:
		return unfinished
	case has("manifest.json"):
		return fail.New(fail.Usage, "Train a head on it with `fx fit-head` and name the MODEL.",
			"%s is an embedding store, not a run", dir)
	}
	return fail.New(fail.Usage, "Name folders of `fx fit-head --out`, `fx finetune --out` or `fx experiment run`.",
		"%s is no run: it has no model.json", dir)
}

// rename tells runs of the same name apart by their folders.
func (f *finding) rename() {
	count := map[string]int{}
	for _, r := range f.runs {
		count[r.name]++
	}
	for i := range f.runs {
		if r := &f.runs[i]; count[r.name] > 1 {
			r.name = filepath.ToSlash(filepath.Clean(r.dir))
		}
	}
}
