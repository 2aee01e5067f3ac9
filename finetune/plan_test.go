package finetune

import (
	"math"
	"slices"
	"testing"

	"fx/internal/training"
)

func testPlan() plan {
	return plan{seed: 1, train: []int{10, 11, 12, 13, 14, 15, 16}, val: []int{20, 21, 22, 23}, batch: 3, epochs: 2,
		accumulate: 1}
}

func TestEveryPhotoOnceAnEpoch(t *testing.T) {
	p := testPlan()
	seen := map[[2]int]map[int]int{}
	var phases []bool
	for j := range p.from(position{}) {
		key := [2]int{j.epoch, 0}
		if j.train {
			key[1] = 1
		}
		if seen[key] == nil {
			seen[key] = map[int]int{}
			phases = append(phases, j.train)
		}
		for _, item := range j.items {
			seen[key][item]++
		}
	}
	if !slices.Equal(phases, []bool{true, false, true, false}) {
		t.Errorf("phases %v", phases)
	}
	for key, items := range seen {
		want := 4
		if key[1] == 1 {
			want = 7
		}
		if len(items) != want {
			t.Errorf("phase %v has %d photos, want %d", key, len(items), want)
		}
		for item, n := range items {
			if n != 1 {
				t.Errorf("phase %v has photo %d %d times", key, item, n)
			}
		}
	}
	if slices.Equal(p.order(0), p.order(1)) {
		t.Error("two epochs have the same order")
	}
	if !slices.Equal(p.sizes(), []int{3, 1}) || p.steps() != 3 {
		t.Errorf("sizes %v, %d steps", p.sizes(), p.steps())
	}
}

func TestAPlanGoesOnFromEveryPosition(t *testing.T) {
	p := testPlan()
	all := slices.Collect(p.from(position{}))
	skipped := 0
	for epoch := range p.epochs {
		for step := range p.steps() + 1 {
			rest := slices.Collect(p.from(position{epoch, step}))
			if len(rest) != len(all)-skipped {
				t.Fatalf("after epoch %d, step %d: %d batches, want %d", epoch, step, len(rest), len(all)-skipped)
			}
			for i, j := range rest {
				if w := all[skipped+i]; !slices.Equal(j.items, w.items) || j.epoch != w.epoch || j.index != w.index ||
					j.train != w.train {
					t.Fatalf("after epoch %d, step %d: batch %d is %+v, want %+v", epoch, step, i, j, w)
				}
			}
			if step < p.steps() {
				skipped++
			}
		}
		skipped += 2 // batches of val
	}
}

func TestSharesOfAnUpdateAddUp(t *testing.T) {
	p := testPlan() // batches of 3, 3 and 1
	for accumulate, want := range map[int][]share{
		1: {{true, true, 1}, {true, true, 1}, {true, true, 1}},
		2: {{true, false, 0.5}, {false, true, 0.5}, {true, true, 1}},
		5: {{true, false, 3.0 / 7}, {false, false, 3.0 / 7}, {false, true, 1.0 / 7}},
	} {
		p.accumulate = accumulate
		for i, w := range want {
			if got := p.share(i); got != w {
				t.Errorf("batch %d of %d together: %+v, want %+v", i, accumulate, got, w)
			}
		}
	}
}

func TestSchedules(t *testing.T) {
	o := Defaults()
	o.LR, o.Epochs = 1, 10
	const steps = 4
	check := func(name string, step int, want float64) {
		t.Helper()
		if got := o.rate(step, steps); math.Abs(got-want) > 1e-12 {
			t.Errorf("%s: rate %g at step %d, want %g", name, got, step, want)
		}
	}
	check("constant", 39, 1)
	o.Schedule, o.StepEpochs = training.Step, 3
	check("step", 11, 1)
	check("step", 12, 0.1)
	check("step", 39, 0.001)
	o.Schedule = training.Cosine
	check("cosine", 0, 1)
	check("cosine", 20, 0.5)
	o.WarmupEpochs = 2
	check("warm-up", 0, 1.0/8)
	check("warm-up", 7, 1)
	check("cosine after warm-up", 8, 1)
	check("cosine after warm-up", 24, 0.5)
}

// The rates of torch.optim.lr_scheduler.CosineAnnealingLR(T_max=40, eta_min) of torch 2.8.0, one step of it for each
// step of training. torch computes each rate from the one before, so the last digits differ.
func TestCosineIsTorchs(t *testing.T) {
	o := Defaults()
	o.LR, o.Epochs, o.Schedule = 0.1, 10, training.Cosine
	for floor, want := range map[float64]map[int]float64{
		0.02: {0: 0.1, 1: 0.09987669334932513, 13: 0.08089994258863796, 20: 0.059999999999999984,
			39: 0.020123306650674883},
		0: {0: 0.1, 1: 0.0998458666866564, 13: 0.07612492823579743, 20: 0.049999999999999996,
			39: 0.0001541333133436018},
	} {
		o.MinLR = floor
		for step, rate := range want {
			if got := o.rate(step, 4); math.Abs(got-rate) > 1e-15 {
				t.Errorf("--min-lr %g: rate %v at step %d, want %v", floor, got, step, rate)
			}
		}
	}
}
