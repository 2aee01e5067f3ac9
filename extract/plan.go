package extract

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"fx/internal/durable"
	"fx/internal/fail"
	"fx/internal/outpath"
	"fx/internal/progress"
	"fx/internal/store"
)

// PlanOptions of Plan.
type PlanOptions struct {
	File   string // to write: a line of JSON for each part
	Photos int    // most photos of a part; 0 is 10,000, or fewer if their features have more than 256 MiB
	Bytes  int64  // most bytes of a part's photos, unless it is a single one; 0 is no limit
}

// PlanSummary is the result of Plan.
type PlanSummary struct {
	Images   int        `json:"images"` // photos found, rejected ones included
	Cached   int        `json:"cached"` // embeddings that the store has
	Parts    int        `json:"parts"`
	Missing  int        `json:"missing"`       // photos in the parts
	Bytes    int64      `json:"missing_bytes"` // of their files
	Rejected []BadPhoto `json:"rejected"`      // photos that can't be used, as far as the store knows
	Skipped  []BadPhoto `json:"skipped"`       // files that are no photos
	File     string     `json:"plan"`
	Store    string     `json:"store"`
	Seconds  float64    `json:"seconds"`
	Notes    []string   `json:"notes"`
}

const (
	defaultPartPhotos = 10_000
	maxPartFeatures   = 256 << 20 // bytes; a process holds its part in memory twice
)

// check returns an error of kind fail.Usage for invalid options.
func (p PlanOptions) check(o Options) error {
	switch {
	case o.Shard != "":
		return fail.New(fail.Usage, "Leave out --shard: parts take its place.", "--plan and --shard are given")
	case o.Part != "" || o.PartsFile != "":
		return fail.New(fail.Usage, "Make the plan first, then compute its parts with --parts and --part.",
			"--plan and --parts are given")
	case p.Photos < 0:
		return fail.New(fail.Usage, "Give a number of photos above 0.", "--part-photos %d", p.Photos)
	}
	return nil
}

// Plan writes what the store lacks as parts, for processes that compute one part each with Options.Part. It makes the
// store if there is none. It only lists the photos: a file is missing unless the store knows it with this size, time
// and inode.
func Plan(ctx context.Context, o Options, p PlanOptions, report progress.Reporter) (PlanSummary, error) {
	r := &run{options: o, report: report, start: time.Now()}
	if err := cmp.Or(p.check(o), o.check()); err != nil {
		return PlanSummary{}, err
	}
	if err := outpath.Prepare(o.Force, outpath.Target{Kind: outpath.Store, Path: o.Store, Photos: o.Data}); err != nil {
		return PlanSummary{}, err
	}
	if err := outpath.Prepare(o.Force, outpath.Target{Kind: outpath.Parts, Path: p.File, Photos: o.Data}); err != nil {
		return PlanSummary{}, fail.Wrap(fail.KindOf(err), err,
			"Choose another file with --plan, or write it all the same with --force.", "the plan")
	}
	defer r.close()
	lock, stored, err := r.prepare(ctx)
	if err != nil {
		return PlanSummary{}, err
	}
	writer, err := r.openStore(ctx, store.Shard{}, stored)
	if err != nil {
		return PlanSummary{}, err
	}
	r.writer = writer
	if err := r.hold(ctx, lock); err != nil {
		return PlanSummary{}, err
	}
	r.options.VerifyContent = false // of the photos: a plan reads none
	r.takeEntries()
	entries := r.items
	plan, missing, err := writer.PlanParts(ctx, entries)
	if err != nil {
		return PlanSummary{}, err
	}
	r.plan = plan
	if err := cmp.Or(r.refuse(), r.rejectKnown()); err != nil {
		return PlanSummary{}, err
	}
	r.recordRefused()
	most, err := p.mostPhotos(r.manifest)
	if err != nil {
		return PlanSummary{}, err
	}
	s := PlanSummary{Images: plan.Photos + r.refused, Cached: plan.CachedRows, Missing: len(missing), File: p.File,
		Store: o.Store, Rejected: r.badPhotos(), Skipped: r.skipped(), Notes: r.notes()}
	ids, err := writePlan(p, r.manifest, o.Data, entries, missing, most, &s.Bytes)
	if err != nil {
		return PlanSummary{}, err
	}
	s.Parts, s.Seconds = len(ids), time.Since(r.start).Seconds()
	return s, writer.NotePlanned(ids)
}

// mostPhotos returns how many photos a part may have.
func (p PlanOptions) mostPhotos(m store.Manifest) (int, error) {
	features := m.Values() * 4 * (m.Views + 1)
	if m.DType == store.Float16 {
		features /= 2
	}
	most := max(1, maxPartFeatures/features)
	if p.Photos > most {
		return 0, fail.New(fail.Usage, fmt.Sprintf("Give at most --part-photos %d.", most),
			"--part-photos %d: their features have more than %d MiB, which a process holds in memory",
			p.Photos, maxPartFeatures>>20)
	}
	return cmp.Or(p.Photos, min(most, defaultPartPhotos)), nil
}

// writePlan writes the parts of the missing entries, adds up their bytes, and returns their IDs.
func writePlan(p PlanOptions, m store.Manifest, data string, entries []store.Entry, missing []int, most int,
	bytes *int64) (ids []string, err error) {
	err = durable.WriteFile(p.File, func(w io.Writer) error {
		b := bufio.NewWriter(w)
		e := json.NewEncoder(b)
		e.SetEscapeHTML(false)
		var part []store.Entry
		for len(missing) > 0 {
			line := partLine{Version: planVersion, Number: len(ids)}
			part = part[:0]
			for len(part) < len(missing) && len(part) < most {
				next := &entries[missing[len(part)]]
				if len(part) > 0 && p.Bytes > 0 && line.Bytes+max(next.Size, 0) > p.Bytes {
					break
				}
				line.add(data, next)
				part = append(part, *next)
			}
			missing = missing[len(part):]
			line.ID, line.Photos = m.PartID(part), len(part)
			ids, *bytes = append(ids, line.ID), *bytes+line.Bytes
			if err := e.Encode(line); err != nil {
				return err
			}
		}
		return b.Flush()
	})
	return ids, fail.Wrap(fail.Usage, err, "Name a file with --plan that fx may write.",
		"cannot write the plan %s", p.File)
}
