package finetune

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"fx/extract"
	"fx/internal/dataset"
	"fx/internal/fail"
	"fx/internal/imaging"
	"fx/internal/photoio"
	"fx/internal/progress"
)

// photos are the photos to learn from and to judge by.
type photos struct {
	*dataset.Dataset
	decoder    *imaging.Decoder
	reader     *photoio.Reader
	trainSplit string
	valSplit   string
	train, val []int // indexes into Items, photos that can't be used left out
	rejected   []extract.BadPhoto
}

// openPhotos finds the photos of the two splits.
func openPhotos(ctx context.Context, o Options) (*photos, error) {
	decoder, err := imaging.NewDecoder(imaging.Options{Decoder: o.Decoder, EXIF: o.EXIF})
	if err != nil {
		return nil, err
	}
	found, err := dataset.Scan(ctx, o.Data, dataset.Options{Extensions: o.Extensions, NoFollowLinks: o.NoFollowLinks})
	if err != nil {
		return nil, err
	}
	splits := dataset.ChooseSplits(found.Splits, o.TrainSplit, o.ValSplit)
	if splits.Train == "" {
		splits.Train = "train" // a training needs two splits, and there are none
	}
	if splits.Val == "" {
		splits.Val = "val" // which is missing
	}
	p := &photos{
		Dataset: found, decoder: decoder, reader: photoio.NewReader(decoder, photoio.Options{Memory: o.DecodeMemory}),
		trainSplit: splits.Train, valSplit: splits.Val,
	}
	for i, item := range found.Items {
		switch item.Split {
		case p.trainSplit:
			p.train = append(p.train, i)
		case p.valSplit:
			p.val = append(p.val, i)
		}
	}
	for _, split := range []struct {
		name, purpose string
		items         []int
	}{{p.trainSplit, "learn from", p.train}, {p.valSplit, "judge by", p.val}} {
		if len(split.items) == 0 {
			have := "It has no splits."
			if len(found.Splits) > 0 && found.Splits[0] != "" {
				have = "It has " + strings.Join(found.Splits, ", ") + "."
			}
			return nil, fail.New(fail.Usage, have+" Make folders train/ and val/ with a folder a class each, or name others with --train-split and --val-split.",
				"%s has no photos of the split %q to %s", o.Data, split.name, split.purpose)
		}
	}
	if p.trainSplit == p.valSplit {
		return nil, fail.New(fail.Usage, "Name two splits.", "--train-split and --val-split are both %q", p.trainSplit)
	}
	if err := p.learnable(); err != nil {
		return nil, err
	}
	return p, p.fill(o.BatchSize)
}

// learnable checks that there are photos of each class to learn from.
func (p *photos) learnable() error {
	counts := make([]int, len(p.Classes))
	for _, i := range p.train {
		counts[p.Items[i].Label]++
	}
	return dataset.CheckLearnable(p.Classes, counts, 1, p.trainSplit, "usable photo")
}

// fill checks that the photos to learn from fill a batch.
func (p *photos) fill(batch int) error {
	if n := len(p.train); batch > n {
		return fail.New(fail.Usage, fmt.Sprintf("Give --batch-size %d or less.", n), "a batch of %d photos, and %d to learn from", batch, n)
	}
	return nil
}

// skipped are the files that are no photos, in the two splits or outside of all.
func (p *photos) skipped() []extract.BadPhoto {
	var all []extract.BadPhoto
	for _, s := range p.SkippedIn(p.trainSplit, p.valSplit) {
		all = append(all, extract.SkippedFile(s))
	}
	return all
}

// fingerprint tells whether the photos are the same: names, labels and sizes.
func (p *photos) fingerprint() string {
	h := sha256.New()
	found := p.Found() // also those that an older fx opened
	for _, split := range []string{p.trainSplit, p.valSplit} {
		for _, item := range found {
			if item.Split == split {
				fmt.Fprintf(h, "%s\x00%d\x00%d\n", item.Rel, item.Label, item.Size)
			}
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

// labels of items.
func (p *photos) labels(items []int) []int {
	all := make([]int, len(items))
	for i, item := range items {
		all[i] = p.Items[item].Label
	}
	return all
}

// vet decodes every photo once and leaves out those that can't be used, before
// the first batch depends on them.
func (p *photos) vet(ctx context.Context, workers int, report progress.Reporter) error {
	all := slices.Concat(p.train, p.val)
	task := report.Begin("check photos", int64(len(all)), "photos")
	defer task.End()
	reasons := make(map[int]string)
	var mutex sync.Mutex
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(workers)
	for _, i := range all {
		group.Go(func() error {
			photo, err := p.reader.Read(groupCtx, p.Items[i].Path)
			task.Add(1)
			var bad *photoio.Unusable
			if errors.As(err, &bad) {
				mutex.Lock()
				defer mutex.Unlock()
				reasons[i] = bad.Error()
				return nil
			} else if err != nil {
				return err
			}
			photo.Release()
			return nil
		})
		if groupCtx.Err() != nil {
			break
		}
	}
	if err := cmp.Or(group.Wait(), ctx.Err()); err != nil {
		return err
	}
	for _, refused := range p.Refused {
		if refused.Split == p.trainSplit || refused.Split == p.valSplit {
			p.rejected = append(p.rejected, extract.BadPhoto{Path: refused.Rel, Reason: refused.Reason})
		}
	}
	for _, i := range all {
		if reason := reasons[i]; reason != "" {
			p.rejected = append(p.rejected, extract.BadPhoto{Path: p.Items[i].Rel, Reason: reason})
		}
	}
	return p.leaveOut()
}

// leaveOut takes the rejected photos out of the splits.
func (p *photos) leaveOut() error {
	bad := map[string]bool{}
	for _, r := range p.rejected {
		bad[r.Path] = true
	}
	rejected := func(i int) bool { return bad[p.Items[i].Rel] }
	judges := len(p.val) > 0 // a range test doesn't
	p.train, p.val = slices.DeleteFunc(p.train, rejected), slices.DeleteFunc(p.val, rejected)
	if len(p.train) == 0 || judges && len(p.val) == 0 {
		return fail.New(fail.Rejected, "See the reasons above.", "no photo of a split of %s can be used", p.Root)
	}
	return nil
}
