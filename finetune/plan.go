package finetune

import (
	"fmt"
	"iter"

	"fx/internal/random"
)

// plan is the order of work: the photos of each batch of each epoch. It depends only
// on the seed and the position, so that a resumed run gets the batches that an
// uninterrupted one would get.
type plan struct {
	seed       uint64
	train, val []int // items of the data set
	batch      int
	epochs     int
	accumulate int // batches whose gradients make one update, 1 or more
}

// position is a point between two steps.
type position struct {
	Epoch int `json:"epoch"` // whole epochs done
	Step  int `json:"step"`  // steps done in the next epoch
}

func (p position) String() string {
	if p.Step == 0 {
		return fmt.Sprintf("epoch %d", p.Epoch)
	}
	return fmt.Sprintf("step %d of epoch %d", p.Step, p.Epoch+1)
}

// job is one batch to load.
type job struct {
	train bool
	epoch int // from 0
	index int // of the batch in its phase
	items []int
}

// steps returns the number of training steps in an epoch. The last may be short.
func (p plan) steps() int { return (len(p.train) + p.batch - 1) / p.batch }

// batches returns the number of training batches before the position.
func (p plan) batches(at position) int { return at.Epoch*p.steps() + at.Step }

// share returns batch i's share of its update. The last update of an epoch may have
// fewer batches.
func (p plan) share(i int) share {
	group := i / p.accumulate * p.accumulate
	end := min(group+p.accumulate, p.steps())
	photos := min(end*p.batch, len(p.train)) - group*p.batch
	own := min((i+1)*p.batch, len(p.train)) - i*p.batch
	return share{first: i == group, last: i == end-1, part: float64(own) / float64(photos)}
}

// sizes returns the distinct sizes of training batches, the usual one first.
func (p plan) sizes() []int {
	if rest := len(p.train) % p.batch; rest > 0 {
		return []int{p.batch, rest}
	}
	return []int{p.batch}
}

// from yields the jobs that follow the position: the rest of its training
// phase, then val, then the next epoch.
func (p plan) from(at position) iter.Seq[job] {
	return func(yield func(job) bool) {
		for epoch := at.Epoch; epoch < p.epochs; epoch++ {
			first := 0
			if epoch == at.Epoch {
				first = at.Step
			}
			if !p.phase(true, epoch, first, p.order(epoch), yield) || !p.phase(false, epoch, 0, p.val, yield) {
				return
			}
		}
	}
}

func (p plan) phase(train bool, epoch, first int, items []int, yield func(job) bool) bool {
	for i := first; i*p.batch < len(items); i++ {
		if !yield(job{train: train, epoch: epoch, index: i, items: items[i*p.batch : min((i+1)*p.batch, len(items))]}) {
			return false
		}
	}
	return true
}

// order shuffles the training photos for an epoch.
func (p plan) order(epoch int) []int {
	shuffled := make([]int, len(p.train))
	for i, j := range random.New(p.seed, "order", uint64(epoch)).Perm(len(p.train)) {
		shuffled[i] = p.train[j]
	}
	return shuffled
}
