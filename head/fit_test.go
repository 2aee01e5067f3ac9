package head

import (
	"context"
	"errors"
	"math"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"fx/internal/fail"
	"fx/internal/metrics"
)

func TestSameBitsWhateverTheProcessors(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for _, l := range layouts {
		for _, solver := range []Solver{SGD, LBFGS} {
			if solver == LBFGS && l.Kind != Linear {
				continue
			}
			l.Dropout = 0.3
			train, val := formulaData(l, features, labels, 70), formulaData(l, valFeatures, valLabels, 33)
			o := Defaults()
			o.Solver, o.Epochs, o.Iterations = solver, 2, 3
			var first Result
			for i, processors := range []int{1, 2, 7} {
				runtime.GOMAXPROCS(processors)
				r, err := Fit(context.Background(), l, train, val, o, nil)
				if err != nil {
					t.Fatal(err)
				}
				r.Seconds = 0
				if i == 0 {
					first = r
				} else if !reflect.DeepEqual(r, first) {
					t.Errorf("%+v, %s: %d processors give other bits than 1", l, solver, processors)
				}
			}
		}
	}
}

func TestEpochShowsEachPhotoOnceInOneOfItsViews(t *testing.T) {
	var d Data
	for i := range 50 {
		d.Photos = append(d.Photos, Photo{Label: i % 2, Rows: []int{3 * i, 3*i + 1, 3*i + 2}})
	}
	plan := newSchedule(Layout{}, d, Options{Seed: 4})
	views := map[int]int{}
	for epoch := 1; epoch <= 4; epoch++ {
		order := plan.order(epoch)
		seen := map[int]bool{}
		for _, s := range order {
			if s.row/3 != s.photo || s.label != s.photo%2 {
				t.Fatalf("sample %+v mixes photos", s)
			}
			seen[s.photo] = true
			views[s.row%3]++
		}
		if len(order) != 50 || len(seen) != 50 {
			t.Errorf("epoch %d shows %d rows of %d photos", epoch, len(order), len(seen))
		}
		same := 0
		for i, s := range plan.order(epoch + 1) {
			if s.photo == order[i].photo {
				same++
			}
		}
		if same > 10 { // 1 is expected by chance
			t.Errorf("epochs %d and %d agree on the place of %d photos of 50", epoch, epoch+1, same)
		}
		if !reflect.DeepEqual(order, plan.order(epoch)) {
			t.Errorf("epoch %d has two orders", epoch)
		}
	}
	for view := range 3 {
		if n := views[view]; n < 40 || n > 95 { // 66.7 ± 4 standard deviations
			t.Errorf("view %d was shown %d times of 200", view, n)
		}
	}
}

func TestValidationUsesTheCentreView(t *testing.T) {
	l := Layout{Kind: Linear, Features: 2, Positions: 1, Classes: 2}
	train := formulaData(l, features, labels, 10)
	val := Data{
		Photos: []Photo{{Label: 0, Rows: []int{7, 1}}, {Label: 1, Rows: []int{8, 2}}},
		Row: func(i int, buffer []float32) []float32 {
			if i < 7 {
				t.Errorf("validation reads row %d", i)
			}
			clear(buffer)
			return buffer
		},
	}
	if _, err := Fit(context.Background(), l, train, val, Defaults(), nil); err != nil {
		t.Fatal(err)
	}
}

func TestFirstBestEpochIsKept(t *testing.T) {
	// Two points that one weight tells apart: accuracy reaches 1 and stays.
	l := Layout{Kind: Linear, Features: 1, Positions: 1, Classes: 2}
	d := Data{Row: Matrix([]float32{-1, 1}, 1), Photos: SingleViews([]int{0, 1})}
	o := Defaults()
	o.LR, o.Momentum, o.Epochs = 0.5, 0, 12
	var recorded []metrics.Epoch
	r, err := Fit(context.Background(), l, d, d, o, func(e metrics.Epoch) { recorded = append(recorded, e) })
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(recorded, r.Epochs) || len(recorded) != 12 {
		t.Errorf("recorded %d epochs, the result has %d", len(recorded), len(r.Epochs))
	}
	first := 0
	for first < len(r.Epochs) && r.Epochs[first].ValAccuracy < 1 {
		first++
	}
	if r.BestValAccuracy != 1 || r.BestEpoch != first+1 {
		t.Errorf("best epoch %d with %g, want %d with 1", r.BestEpoch, r.BestValAccuracy, first+1)
	}
	m, err := Evaluate(context.Background(), l, r.Params, d)
	if err != nil {
		t.Fatal(err)
	}
	if want := r.Epochs[r.BestEpoch-1].ValLoss; m.Loss != want {
		t.Errorf("the kept parameters have loss %g, those of the best epoch had %g", m.Loss, want)
	}
	if r.ParametersTrained != 4 {
		t.Errorf("%d parameters trained", r.ParametersTrained)
	}
}

func TestNonFiniteLossNamesEpochAndBatch(t *testing.T) {
	l := Layout{Kind: Linear, Features: 3, Positions: 1, Classes: 2}
	train, val := formulaData(l, features, labels, 20), formulaData(l, valFeatures, valLabels, 5)
	bad := train
	bad.Row = func(i int, buffer []float32) []float32 {
		copy(buffer, train.Row(i, nil))
		if i == 3 {
			buffer[1] = float32(math.NaN())
		}
		return buffer
	}
	_, err := Fit(context.Background(), l, bad, val, Defaults(), nil)
	if fail.KindOf(err) != fail.NonFinite || !strings.Contains(err.Error(), "epoch 1, batch ") {
		t.Errorf("NaN feature: %v", err)
	}
	if !strings.Contains(fail.HintOf(err), "--lr") {
		t.Errorf("hint %q", fail.HintOf(err))
	}
	o := Defaults()
	o.LR = 1e38
	if _, err := Fit(context.Background(), l, train, val, o, nil); fail.KindOf(err) != fail.NonFinite {
		t.Errorf("learning rate 1e38: %v", err)
	}
	if _, err := Fit(context.Background(), l, train, bad, Defaults(), nil); fail.KindOf(err) != fail.NonFinite {
		t.Errorf("NaN val feature: %v", err)
	}
	if _, err := Fit(context.Background(), l, bad, val, Options{Solver: LBFGS},
		nil); fail.KindOf(err) != fail.NonFinite {
		t.Errorf("NaN feature with L-BFGS: %v", err)
	}
	if _, err := Fit(context.Background(), l, train, bad, Options{Solver: LBFGS},
		nil); fail.KindOf(err) != fail.NonFinite {
		t.Errorf("NaN val feature with L-BFGS: %v", err)
	}
	if _, err := Evaluate(context.Background(), l, initial(l, 0), bad); fail.KindOf(err) != fail.NonFinite {
		t.Errorf("evaluation of a NaN feature: %v", err)
	}
}

func TestFitCanBeCancelled(t *testing.T) {
	l := Layout{Kind: Linear, Features: 3, Positions: 1, Classes: 2}
	d := formulaData(l, features, labels, 20)
	for _, solver := range []Solver{SGD, LBFGS} {
		ctx, cancel := context.WithCancel(context.Background())
		o := Defaults()
		o.Solver = solver
		epochs := 0
		_, err := Fit(ctx, l, d, d, o, func(metrics.Epoch) { epochs++; cancel() })
		if !errors.Is(err, context.Canceled) || epochs != 1 {
			t.Errorf("%s: %v after %d epochs", solver, err, epochs)
		}
	}
}

func TestFitRefuses(t *testing.T) {
	good := Layout{Kind: Linear, Features: 3, Positions: 1, Classes: 2}
	data := formulaData(good, features, labels, 20)
	type call struct {
		layout     Layout
		train, val Data
		options    Options
	}
	for _, c := range []struct {
		name   string
		change func(*call)
		want   string
	}{
		{"no training photos", func(c *call) { c.train.Photos = nil }, "no training photos"},
		{"no validation photos", func(c *call) { c.val.Photos = nil }, "no validation photos"},
		{"one class folder", func(c *call) { c.layout.Classes = 1 }, "two classes"},
		{"photos of one class", func(c *call) { c.train.Photos = SingleViews([]int{1, 1}) }, "of one class"},
		{"label out of range", func(c *call) { c.train.Photos = SingleViews([]int{0, 1, 2}) }, "photo 2 has label 2"},
		{"negative label", func(c *call) { c.val.Photos = SingleViews([]int{0, -1}) }, "label -1"},
		{"photo without rows", func(c *call) { c.val.Photos = []Photo{{Label: 1}} }, "no row"},
		{"rows of another length", func(c *call) { c.layout.Features = 4 }, "has 3 values"},
		{"unknown kind", func(c *call) { c.layout.Kind = "mlp" }, `"mlp"`},
		{"no features", func(c *call) { c.layout.Features = 0 }, "0 features"},
		{"linear head on maps", func(c *call) { c.layout.Positions = 4 }, "4 positions"},
		{"dropout 1", func(c *call) { c.layout.Dropout = 1 }, "dropout 1"},
		{"unknown solver", func(c *call) { c.options.Solver = "adam" }, `"adam"`},
		{"no epochs", func(c *call) { c.options.Epochs = 0 }, "0 epochs"},
		{"empty batches", func(c *call) { c.options.BatchSize = 0 }, "batches of 0"},
		{"learning rate 0", func(c *call) { c.options.LR = 0 }, "learning rate 0"},
		{"learning rate NaN", func(c *call) { c.options.LR = math.NaN() }, "learning rate NaN"},
		{"momentum 1", func(c *call) { c.options.Momentum = 1 }, "momentum 1"},
		{"negative weight decay", func(c *call) { c.options.WeightDecay = -1 }, "weight decay -1"},
		{"L2 with sgd", func(c *call) { c.options.L2 = 1 }, "L2"},
		{"weight decay with lbfgs", func(c *call) {
			c.options = Options{Solver: LBFGS, WeightDecay: 1}
		}, "weight decay"},
		{"negative L2", func(c *call) { c.options = Options{Solver: LBFGS, L2: -1} }, "L2"},
		{"lbfgs on a convolution", func(c *call) { c.layout.Kind, c.options.Solver = Conv1x1, LBFGS }, "lbfgs"},
		{"class weights of another length", func(c *call) { c.options.ClassWeights = []float64{1} }, "1 class weights"},
		{"negative class weight", func(c *call) { c.options.ClassWeights = []float64{1, -1} }, "class 1"},
	} {
		args := call{good, data, data, Defaults()}
		c.change(&args)
		_, err := Fit(context.Background(), args.layout, args.train, args.val, args.options, nil)
		if fail.KindOf(err) != fail.Usage || !strings.Contains(err.Error(), c.want) || fail.HintOf(err) == "" {
			t.Errorf("%s: error %v, hint %q", c.name, err, fail.HintOf(err))
		}
	}
}

func TestLBFGSWhereTheStartIsTheOptimum(t *testing.T) {
	l := Layout{Kind: Linear, Features: 2, Positions: 1, Classes: 2}
	d := Data{Row: Matrix(make([]float32, 8), 2), Photos: SingleViews([]int{0, 1, 0, 1})}
	r, err := Fit(context.Background(), l, d, d, Options{Solver: LBFGS}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !r.Converged || len(r.Epochs) != 1 || r.BestEpoch != 1 || r.BestValAccuracy != 0.5 {
		t.Errorf("result %+v", r)
	}
	near(t, "loss", r.Epochs[0].TrainLoss, math.Ln2, 1e-12)
}

func TestLBFGSUsesEveryView(t *testing.T) {
	l := Layout{Kind: Linear, Features: 3, Positions: 1, Classes: 2}
	rows := formulaData(l, features, labels, 24)
	views := Data{Row: rows.Row}
	for i := 0; i < 24; i += 2 {
		views.Photos = append(views.Photos, Photo{Label: rows.Photos[i].Label, Rows: []int{i, i + 1}})
		rows.Photos[i+1].Label = rows.Photos[i].Label
	}
	a, err := Fit(context.Background(), l, rows, rows, Options{Solver: LBFGS}, nil)
	if err != nil {
		t.Fatal(err)
	}
	b, err := Fit(context.Background(), l, views, rows, Options{Solver: LBFGS}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(a.Params, b.Params) {
		t.Error("two views of 12 photos and 24 photos have two optima")
	}
}
