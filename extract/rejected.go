package extract

import (
	"cmp"
	"slices"

	"fx/internal/fail"
	"fx/internal/printable"
	"fx/internal/store"
)

// badItem is a rejected photo with its index into the items; -1 for one that must not be opened.
type badItem struct {
	item int
	BadPhoto
}

// refuse rejects the photos that must not be opened.
func (r *run) refuse() error {
	for _, refused := range r.photos.Refused {
		bad := store.Rejected{Path: refused.Rel, Reason: refused.Reason}
		if err := r.rejectPhoto(-1, refused.Path, bad); err != nil {
			return err
		}
	}
	r.refused = len(r.photos.Refused)
	return nil
}

// recordRefused records the refused photos in the store, which was not open before.
func (r *run) recordRefused() {
	for _, refused := range r.photos.Refused[:r.refused] {
		r.writer.Reject(store.Rejected{Path: refused.Rel, Reason: refused.Reason})
	}
}

// rejectKnown rejects the photos that the store has recorded as unusable, and checks the limit for all.
func (r *run) rejectKnown() error {
	for _, known := range r.plan.Rejected {
		item := &r.items[known.Entry]
		if err := r.rejectPhoto(known.Entry, item.Path,
			store.Rejected{Path: item.Rel, Reason: known.Reason}); err != nil {
			return err
		}
	}
	return r.checkMaxBad()
}

// reject rejects a photo that was read now.
func (r *run) reject(bad rejection) error {
	if r.bad[bad.item] { // its views may be in two batches
		return nil
	}
	item := &r.items[bad.item]
	rejected := item.Rejected(bad.reason, bad.content)
	r.writer.Reject(rejected)
	return cmp.Or(r.rejectPhoto(bad.item, item.Path, rejected), r.checkMaxBad())
}

func (r *run) rejectPhoto(item int, path string, bad store.Rejected) error {
	if r.options.OnBadImage == "fail" {
		return fail.New(fail.Rejected, "Mend or remove it, or leave --on-bad-image at skip; what was finished is kept.",
			"%s: %s", path, bad.Reason)
	}
	if r.bad == nil {
		r.bad = map[int]bool{}
	}
	r.bad[item] = true
	r.rejected = append(r.rejected, badItem{item, BadPhoto{Path: bad.Path, Reason: bad.Reason}})
	r.report.Note("rejected " + printable.Name(bad.Path) + ": " + printable.Name(bad.Reason))
	return nil
}

// checkMaxBad returns an error if more photos are rejected than Options.MaxBad allows.
func (r *run) checkMaxBad() error {
	photos := r.plan.Photos + r.refused
	if most := r.options.MaxBad.of(photos); len(r.rejected) > most {
		return tooManyBad(r.badPhotos(), photos, most)
	}
	return nil
}

// badPhotos returns the rejected photos in the order of the items, after those that must not be opened.
func (r *run) badPhotos() []BadPhoto {
	slices.SortStableFunc(r.rejected, func(a, b badItem) int { return a.item - b.item })
	all := make([]BadPhoto, len(r.rejected))
	for i, bad := range r.rejected {
		all[i] = bad.BadPhoto
	}
	return all
}
