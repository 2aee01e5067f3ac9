package finetune

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"fx/extract"
	"fx/internal/dataset"
	"fx/internal/fail"
	"fx/internal/imaging"
	"fx/internal/photoio"
	"fx/internal/progress"
)

// photos are the training and validation photos.
type photos struct {
	*dataset.Dataset
	decoder    *imaging.Decoder
	reader     *photoio.Reader
	splits     dataset.Splits
	train, val []int // indexes into Items, without unusable photos
	rejected   []extract.BadPhoto
}

// openPhotos finds the photos of the chosen splits.
func openPhotos(ctx context.Context, o Options, evaluation dataset.Evaluation) (*photos, error) {
	decoder, err := o.NewDecoder(imaging.Options{EXIF: o.EXIF})
	if err != nil {
		return nil, err
	}
	found, err := dataset.Scan(ctx, o.Data, o.Photos)
	if err != nil {
		return nil, err
	}
	flags := "--train-split and --val-split"
	if evaluation == dataset.NoEvaluation {
		flags = "--train-split"
	}
	splits, err := found.ChooseSplits(dataset.SplitRequest{
		From: o.Data, Train: o.TrainSplit, Val: o.ValSplit, Evaluation: evaluation,
		Advice: "Make folders train/ and val/ with a folder a class in each, or name others with " + flags + ".",
	})
	if err != nil {
		return nil, err
	}
	p := &photos{
		Dataset: found, decoder: decoder, splits: splits,
		reader: o.NewReader(decoder, photoio.Options{}),
	}
	for i, item := range found.Items {
		switch {
		case item.Split == splits.Train:
			p.train = append(p.train, i)
		case splits.Uses(item.Split):
			p.val = append(p.val, i)
		}
	}
	return p, p.checkBatch(o.BatchSize)
}

// checkClasses checks that each class has training photos.
func (p *photos) checkClasses() error {
	counts := make([]int, len(p.Classes))
	for _, i := range p.train {
		counts[p.Items[i].Label]++
	}
	return dataset.CheckLearnable(p.Classes, counts, 1, p.splits.Train, "usable photo")
}

// checkBatch checks that there are enough training photos for a batch.
func (p *photos) checkBatch(batch int) error {
	if n := len(p.train); batch > n {
		return fail.New(fail.Usage, fmt.Sprintf("Give --batch-size %d or less.", n),
			"a batch of %d photos, but only %d training photos", batch, n)
	}
	return nil
}

// skipped returns the files that are not photos, in the chosen splits or outside of all splits.
func (p *photos) skipped() []extract.BadPhoto {
	var all []extract.BadPhoto
	for _, s := range p.SkippedIn(p.splits.Train, p.splits.Val) {
		all = append(all, extract.SkippedFile(s))
	}
	return all
}

// fingerprint returns a hash of the photos' names, labels and sizes.
func (p *photos) fingerprint() string {
	h := sha256.New()
	found := p.Found() // includes photos that an older fx opened
	for _, split := range []string{p.splits.Train, p.splits.Val} {
		for _, item := range found {
			if item.Split == split {
				fmt.Fprintf(h, "%s\x00%d\x00%d\n", item.Rel, item.Label, item.Size)
			}
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

// labels returns the labels of items.
func (p *photos) labels(items []int) []int {
	all := make([]int, len(items))
	for i, item := range items {
		all[i] = p.Items[item].Label
	}
	return all
}

// vet decodes every photo once before training and excludes the unusable ones.
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
			photo, err := p.reader.Read(groupCtx, p.Items[i].Source())
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
		if p.splits.Uses(refused.Split) {
			p.rejected = append(p.rejected, extract.BadPhoto{Path: refused.Rel, Reason: refused.Reason})
		}
	}
	for _, i := range all {
		if reason := reasons[i]; reason != "" {
			p.rejected = append(p.rejected, extract.BadPhoto{Path: p.Items[i].Rel, Reason: reason})
		}
	}
	return p.excludeRejected()
}

// excludeRejected removes the rejected photos from the splits.
func (p *photos) excludeRejected() error {
	bad := map[string]bool{}
	for _, r := range p.rejected {
		bad[r.Path] = true
	}
	rejected := func(i int) bool { return bad[p.Items[i].Rel] }
	p.train, p.val = slices.DeleteFunc(p.train, rejected), slices.DeleteFunc(p.val, rejected)
	switch {
	case len(p.train) == 0:
		return dataset.NoneUsable(p.Root, p.splits.Train)
	case len(p.val) == 0 && p.splits.Val != "":
		return dataset.NoneUsable(p.Root, p.splits.Val)
	}
	return nil
}
