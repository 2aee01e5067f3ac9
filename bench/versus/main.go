// Versus compares fx with its alternatives (PyTorch, timm, ONNX Runtime from Python,
// scikit-learn) and writes the tables of docs/benchmarks.md:
//
//	bin/versus                                  # everything; continues where it stopped
//	bin/versus --only embeddings,startup --rounds 3
//	bin/versus write                            # the tables again, from earlier measurements
//
// It builds fx, installs the peers into .cache, and writes the photos, weights and ONNX
// files that all sides read. It runs each side once to compare results, if they are
// comparable, and then runs the sides in turns, each time in a new process. It saves
// every measurement to out/bench/raw at once.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"fx/bench/internal/program"
	"fx/internal/fail"
)

func main() { program.Main("versus", run) }

// options are the command line's options.
type options struct {
	data, out, cache, scripts, page string
	fx, python                      string // existing ones, "" to build and install them
	only, networks                  string
	rounds, roundsLarge, seeds      int
	threads, photos, epochs, again  int
	scale                           string
	timeout                         time.Duration
	discard                         bool              // discard earlier measurements
	programs, peers                 map[string]string // existing programs and Pythons, by name; for tests
}

func (o *options) flags(stderr io.Writer) *flag.FlagSet {
	flags := flag.NewFlagSet("versus", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprint(stderr, "versus [write] [FLAGS]\n\n")
		flags.PrintDefaults()
	}
	flags.StringVar(&o.data, "data", os.Getenv("FX_DATA_DIR"),
		"`FOLDER` of photos, with train/ and val/; $FX_DATA_DIR where it is left out")
	flags.StringVar(&o.only, "only", "", "comma-separated `SECTIONS`: "+strings.Join(sectionNames(),
		", ")+" (default: all but train)")
	flags.StringVar(&o.networks, "networks", "",
		"comma-separated `NETWORKS` of the sections embeddings and train (default: all)")
	flags.IntVar(&o.rounds, "rounds", 3, "turns of each side")
	flags.IntVar(&o.roundsLarge, "rounds-large", 1, "turns of each side where one takes minutes")
	flags.IntVar(&o.seeds, "seeds", 10, "turns of each side through the tutorial, each with another seed")
	flags.IntVar(&o.threads, "threads", runtime.NumCPU(), "threads of every side")
	flags.IntVar(&o.photos, "photos", 0, "how many photos to take; 0 for all")
	flags.IntVar(&o.epochs, "epochs", 15, "epochs of the tutorial")
	flags.IntVar(&o.again, "again-photos", 10_000, "photos of the second run")
	flags.StringVar(&o.scale, "scale", "1000,10000,100000",
		"comma-separated `COUNTS` of photos; 100000 need 20 GB of disk")
	flags.DurationVar(&o.timeout, "timeout", time.Hour, "for one turn of a side")
	flags.BoolVar(&o.discard, "again", false, "discard what was measured of these sections before")
	flags.StringVar(&o.fx, "fx", "", "an fx `PROGRAM`, instead of building it")
	flags.StringVar(&o.python, "python", "", "a `PYTHON` that has the peers, instead of installing them")
	flags.StringVar(&o.out, "out", "out/bench", "`FOLDER` for what is measured, and for photos, weights and networks")
	flags.StringVar(&o.cache, "cache", ".cache/versus", "`FOLDER` for the peers and programs")
	flags.StringVar(&o.scripts, "scripts", "bench/versus/peers", "`FOLDER` of the peers' scripts")
	flags.StringVar(&o.page, "page", "docs/benchmarks.md", "`FILE` that has a place for the tables of each section")
	return flags
}

func run(ctx context.Context, args []string, _, stderr io.Writer) error {
	log := func(format string, args ...any) { fmt.Fprintf(stderr, "versus: "+format+"\n", args...) }
	var o options
	write := len(args) > 0 && args[0] == "write"
	if write {
		args = args[1:]
	}
	if err := program.Parse(o.flags(stderr), args); err != nil {
		return err
	}
	if write {
		return writePage(o, log)
	}
	chosen, err := o.sections()
	if err != nil {
		return err
	}
	if err := measure(ctx, o, chosen, log); err != nil {
		if ctx.Err() != nil {
			return fail.Wrap(fail.Interrupted, ctx.Err(), "The same command continues from here.",
				"stopped; the measurements are in %s", o.raw())
		}
		return err
	}
	return nil
}

// measure performs a run and writes the page at its end.
func measure(ctx context.Context, o options, chosen []section, log func(string, ...any)) error {
	release, err := o.lock()
	if err != nil {
		return err
	}
	defer release()
	limitThreads(o.threads)
	w := &environment{options: o, log: log}
	if err := w.open(ctx); err != nil {
		return err
	}
	var comparisons []comparison
	for _, s := range chosen {
		comparisons = append(comparisons, s.comparisons(w)...)
	}
	r := runner{folder: o.raw(), setting: w.setting, timeout: o.timeout, discard: o.discard, log: log}
	failed, err := r.run(ctx, comparisons)
	if err != nil {
		return err
	}
	if err := writePage(o, log); err != nil {
		return err
	}
	if len(failed) > 0 {
		return fail.New(fail.Other, "The same command tries these again.", "not everything could be measured:\n  %s",
			strings.Join(failed, "\n  "))
	}
	return nil
}

// sections checks the options and returns those that --only names.
func (o *options) sections() ([]section, error) {
	for _, number := range []struct {
		flag         string
		value, least int
	}{{"rounds", o.rounds, 1}, {"rounds-large", o.roundsLarge, 1}, {"seeds", o.seeds, 1}, {"threads", o.threads,
		1}, {"photos", o.photos, 0}, {"epochs", o.epochs, 1}, {"again-photos", o.again, touched}} {
		if number.value < number.least {
			return nil, fail.New(fail.Usage, fmt.Sprintf("It is %d or more.", number.least), "--%s %d", number.flag,
				number.value)
		}
	}
	if _, err := o.scales(); err != nil {
		return nil, err
	}
	known := slices.Clone(trainNetworks)
	for _, f := range families {
		known = append(known, f.name)
	}
	for _, name := range o.chosen(nil) {
		if !slices.Contains(known, name) {
			slices.Sort(known)
			return nil, fail.New(fail.Usage, "The networks are "+strings.Join(slices.Compact(known), ", ")+".",
				"unknown network %q", name)
		}
	}
	if _, err := os.Stat(filepath.Join(o.scripts, "requirements.txt")); err != nil {
		return nil, fail.Wrap(fail.Usage, err,
			"Run it in the root of the repository, or say where the scripts are with --scripts.", "the peers' scripts")
	}
	var chosen []section
	if o.only == "" {
		chosen = slices.DeleteFunc(slices.Clone(sections), func(s section) bool { return s.apart })
	} else {
		for name := range strings.SplitSeq(o.only, ",") {
			i := slices.IndexFunc(sections, func(s section) bool { return s.name == name })
			if i < 0 {
				return nil, fail.New(fail.Usage, "The sections are "+strings.Join(sectionNames(), ", ")+".",
					"unknown section %q", name)
			}
			chosen = append(chosen, sections[i])
		}
	}
	if o.data == "" && slices.ContainsFunc(chosen, func(s section) bool { return !s.apart }) {
		return nil, fail.New(fail.Usage, "Give --data FOLDER, or set FX_DATA_DIR.", "no photos to measure with")
	}
	return chosen, nil
}

// chosen returns the networks that --networks names, in its order; with known only those in known, or all of known if
// it names none.
func (o *options) chosen(known []string) []string {
	if o.networks == "" {
		return known
	}
	names := strings.Split(o.networks, ",")
	if known == nil {
		return names
	}
	return slices.DeleteFunc(names, func(name string) bool { return !slices.Contains(known, name) })
}

// scales returns the counts of --scale.
func (o *options) scales() ([]int, error) {
	var counts []int
	for part := range strings.SplitSeq(o.scale, ",") {
		n, err := strconv.Atoi(part)
		if err != nil || n < 1 {
			return nil, fail.New(fail.Usage, "Give counts such as 1000,10000.", "--scale %s", o.scale)
		}
		counts = append(counts, n)
	}
	return counts, nil
}

// raw returns the folder of the measurements.
func (o *options) raw() string { return filepath.Join(o.out, "raw") }

// limitThreads limits the threads of Go programs and the peers' libraries, if asked for.
// Otherwise each keeps its own choice.
func limitThreads(threads int) {
	if threads >= runtime.NumCPU() {
		return
	}
	for _, name := range []string{"GOMAXPROCS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"} {
		os.Setenv(name, strconv.Itoa(threads))
	}
}
