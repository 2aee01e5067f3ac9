package finetune

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"time"

	"fx/backbones"
	"fx/extract"
	"fx/finetune/artifacts"
	"fx/head"
	"fx/internal/dataset"
	"fx/internal/durable"
	"fx/internal/fail"
	"fx/internal/kernels"
	"fx/internal/metrics"
	"fx/internal/ort"
	"fx/internal/outpath"
	"fx/internal/paths"
	"fx/internal/progress"
	"fx/internal/training"
	"fx/internal/version"
)

// Result is the result of Run.
type Result struct {
	BestValAccuracy   float64            `json:"best_val_accuracy"`
	BestEpoch         int                `json:"best_epoch"` // from 1
	Epochs            []metrics.Epoch    `json:"epochs"`
	Seconds           float64            `json:"seconds"` // of training and evaluation, over all parts of a resumed run
	ParametersTrained int                `json:"parameters_trained"`
	TrainPhotos       int                `json:"train_photos"`
	ValPhotos         int                `json:"val_photos"`
	Classes           []string           `json:"classes"`
	Backbone          string             `json:"backbone"`
	Provider          string             `json:"provider"`
	Why               string             `json:"why,omitempty"`
	Decoder           string             `json:"decoder"`
	Rejected          []extract.BadPhoto `json:"rejected"`          // photos that can't be used
	Skipped           []extract.BadPhoto `json:"skipped,omitempty"` // files that are no photos
	Run               string             `json:"run"`
	Notes             []string           `json:"notes"`
}

// run is the state of one call of Run.
type run struct {
	options     Options
	report      progress.Reporter
	opened      backbones.Description
	network     *artifacts.Network
	photos      *photos
	fingerprint string // of the photos, rejected ones included
	graph       artifacts.Options
	runtime     *ort.Runtime
	provider    string
	tf32        string // see the function
	threads     int    // that compute a step together: another number gives different bits
	plan        plan
	engine      *engine
	record      record
	newest      position // of the checkpoint last/
}

// Run trains a network on photos and writes a MODEL to o.Out. It can be killed at
// any moment: with o.Resume the same call continues from the newest checkpoint and
// ends, on the CPU, in the same bits. Errors: fail.Usage for wrong options or
// photos, fail.Model for weights, graphs and checkpoints, fail.Device,
// fail.NonFinite if the loss is not finite, fail.Locked if another process trains
// in o.Out.
func Run(ctx context.Context, o Options, report progress.Reporter) (Result, error) {
	o, err := o.resolved()
	if err != nil {
		return Result{}, err
	}
	r := &run{options: o, report: report}
	if err := outpath.Prepare(o.Force, outpath.Target{Kind: outpath.Run, Path: o.Out, Photos: o.Data}); err != nil {
		return Result{}, err
	}
	if _, _, err := o.earlier(); err != nil { // before any work
		return Result{}, err
	}
	if r.photos, err = openPhotos(ctx, o, dataset.RequiredEvaluation); err != nil {
		return Result{}, err
	}
	r.reportPhotos()
	for _, note := range r.photos.splits.Notes() {
		report.Note(note)
	}
	if err := r.prepare(ctx); err != nil {
		return Result{}, err
	}
	held, err := lockRun(o.Out)
	if err != nil {
		return Result{}, err
	}
	defer held.release()
	earlier, found, err := o.earlier() // under the lock
	if err != nil {
		return Result{}, err
	}
	if o.Resume && !found {
		report.Note(fmt.Sprintf("there is no run in %s to resume: a new one begins", o.Out))
	}
	if err := o.Network.Lock.Hold(ctx, r.opened.Inputs...); err != nil {
		return Result{}, err
	}
	if err := r.tidy(); err != nil {
		return Result{}, fail.Wrap(fail.KindOf(err), err, "", "run %s", o.Out)
	}
	err = r.begin(ctx, earlier, found)
	if r.engine != nil {
		defer r.engine.close()
	}
	if err != nil {
		return Result{}, r.addMemoryHint(ctx, err)
	}
	if r.record.Result != nil {
		report.Note("the run is finished already")
		result := *r.record.Result
		result.Run = o.Out // which may have another name by now
		return result, nil
	}
	result, err := r.train(ctx)
	return result, r.addMemoryHint(ctx, err)
}

// prepare opens the network with a classifier for the photos' classes and
// selects the parameters to train.
func (r *run) prepare(ctx context.Context) error {
	o := r.options
	if err := r.open(ctx); err != nil {
		return err
	}
	var classWeights []float64
	if o.ClassWeights == training.Balanced {
		classWeights = head.Balanced(head.Data{Photos: head.SingleViews(r.photos.labels(r.photos.train))},
			len(r.photos.Classes))
	}
	r.graph = graph(o.Settings, r.network, classWeights)
	names, err := r.network.Select(r.graph.Trainable)
	if err != nil {
		return err
	}
	chosen := map[string]bool{}
	for _, name := range names {
		chosen[name] = true
	}
	for _, p := range r.network.Parameters {
		if chosen[p.Name] {
			r.record.Parameters = append(r.record.Parameters, p)
		}
	}
	return nil
}

// open opens the network with its initial weights.
func (r *run) open(ctx context.Context) (err error) {
	o := r.options
	r.opened, r.network, err = openNetwork(ctx, o.Network, o.Scratch, len(r.photos.Classes), o.Seed, r.report)
	return err
}

// tidy completes or removes what a killed process left incomplete.
func (r *run) tidy() error {
	for _, name := range []string{lastName, bestName} {
		if err := durable.RecoverDir(r.checkpoint(name)); err != nil {
			return err
		}
	}
	return durable.RemoveStale(r.options.Out)
}

// begin opens ONNX Runtime and writes run.json, or compares the settings with those
// of the run to resume.
func (r *run) begin(ctx context.Context, earlier record, found bool) error {
	if err := r.openRuntime(); err != nil {
		return err
	}
	r.fingerprint = r.photos.fingerprint()
	var err error
	if found {
		r.photos.rejected = earlier.Rejected
		err = r.photos.excludeRejected()
	} else {
		err = r.photos.vet(ctx, r.options.WorkerCount(), r.report)
	}
	if err != nil {
		return err
	}
	if err := r.reportRejected(); err != nil {
		return err
	}
	if err := r.photos.checkClasses(); err != nil { // a class may have no usable photo
		return err
	}
	r.plan = plan{seed: r.options.Seed, train: r.photos.train, val: r.photos.val, batch: r.options.BatchSize,
		epochs: r.options.Epochs, accumulate: r.options.Accumulate}
	if err := r.photos.checkBatch(r.options.BatchSize); err != nil { // some photos may be unusable
		return err
	}
	r.threads = runtime.GOMAXPROCS(0)
	if found { // before the engine, which takes time to build and depends only on the device
		if began := earlier.Settings.Threads; began > 0 && began != r.threads {
			r.report.Note(fmt.Sprintf("the run began with %d threads and continues with them, on %d CPUs", began,
				r.threads))
			r.threads = began
		}
		r.provider, r.tf32 = earlier.Settings.Provider, earlier.Settings.TF32
		if err := r.checkUnchanged(earlier); err != nil {
			return err
		}
	}
	if err := r.startEngine(ctx); err != nil {
		return err
	}
	if found {
		r.record = earlier
		if r.options.Photos.NoFollowLinks { // an older fx did not record it
			r.record.Settings.NoFollowLinks = true
		}
		return r.checkUnchanged(earlier)
	}
	now := r.settings()
	r.record.FormatVersion, r.record.ID, r.record.Status, r.record.Settings = recordVersion, now.id(), running, now
	r.record.Started = saved{}.start(time.Now())
	r.record.Weights, r.record.Data = r.opened.Weights, paths.Absolute(r.options.Data)
	r.record.Classes = r.photos.Classes
	r.record.Rejected = append([]extract.BadPhoto{}, r.photos.rejected...)
	r.record.Notes = notes(r.opened.Notes, r.network.Notes, r.photos.splits.BestEpochNotes())
	r.record.Versions = map[string]string{"fx": version.String(), "go": runtime.Version(),
		"onnxruntime": r.runtime.Library().Version, "kernels": kernels.InstructionSet()}
	r.record.Session = r.engine.session().ProviderOptions()
	r.record.Session["device"] = r.engine.session().Why()
	return r.write(nil)
}

// openRuntime loads ONNX Runtime and checks that it supports the precision.
func (r *run) openRuntime() (err error) {
	if r.runtime, err = r.options.Runtime(); err != nil {
		return err
	}
	return r.checkPrecision()
}

// reportPhotos reports the problems of the photos' folder.
func (r *run) reportPhotos() {
	for _, note := range r.photos.Notes {
		r.report.Note(note)
	}
	if skipped := r.photos.skipped(); len(skipped) > 0 {
		r.report.Note(fmt.Sprintf("%d files are skipped, such as %s: %s", len(skipped), skipped[0].Path,
			skipped[0].Reason))
	}
}

// reportRejected reports the photos that can't be used. With --on-bad-image fail they
// are an error.
func (r *run) reportRejected() error {
	for _, bad := range r.photos.rejected {
		r.report.Note(fmt.Sprintf("%s can't be used: %s", bad.Path, bad.Reason))
	}
	if len(r.photos.rejected) > 0 && r.options.OnBadImage == "fail" {
		return fail.New(fail.Rejected, "Repair or remove them, or omit --on-bad-image fail.",
			"%d photos can't be used", len(r.photos.rejected))
	}
	return nil
}

// startEngine builds the training graphs and records where they run.
func (r *run) startEngine(ctx context.Context) error {
	task := r.report.Begin("prepare", 0, "graphs")
	defer task.End()
	var err error
	if r.engine, err = newEngine(ctx, r.runtime, ort.SessionOptions{Device: r.options.Device, Threads: r.threads,
		ProfilePrefix: r.options.ProfilePrefix}, r.network, r.graph,
		r.plan.sizes(), r.plan.accumulate > 1); err != nil {
		return err
	}
	r.provider, r.tf32 = r.engine.session().Provider(), tf32(r.engine.session())
	return nil
}

// reportNewNotes reports the engine's new notes and records them.
func (r *run) reportNewNotes() {
	for _, note := range r.engine.newNotes() {
		r.note(note)
	}
}

// note reports a note and records it.
func (r *run) note(note string) {
	r.report.Note(note)
	if !slices.Contains(r.record.Notes, note) {
		r.record.Notes = append(r.record.Notes, note)
	}
}

// parameters counts the trained values.
func (r *run) parameters() int {
	n := 0
	for _, p := range r.record.Parameters {
		n += p.Len()
	}
	return n
}

// reportStart reports the trained parameters, as the tutorial does, and the device.
func (r *run) reportStart() {
	if !r.options.Terse {
		r.report.Note("parameters to train:")
		for _, p := range r.record.Parameters {
			r.report.Note(fmt.Sprintf("  %s %v", p.Name, p.Shape))
		}
	}
	r.report.Note(fmt.Sprintf("%d values in %d parameters are trained", r.parameters(), len(r.record.Parameters)))
	r.report.Note(r.network.Name + " runs on " + r.engine.session().Why())
	r.reportNewNotes()
}

// notes joins lists of notes without duplicates.
func notes(lists ...[]string) []string {
	all := []string{}
	for _, note := range slices.Concat(lists...) {
		if !slices.Contains(all, note) {
			all = append(all, note)
		}
	}
	return all
}
