package head

import (
	"fmt"
	"reflect"
	"testing"

	"fx/internal/fail"
)

func TestGroupViews(t *testing.T) {
	photos, err := GroupViews([]string{"b", "a", "b", "a", "b"}, []int{2, 0, 0, 1, 1}, []int{1, 0, 1, 0, 1})
	if err != nil {
		t.Fatal(err)
	}
	want := []Photo{{Label: 1, Rows: []int{2, 4, 0}}, {Label: 0, Rows: []int{1, 3}}}
	if !reflect.DeepEqual(photos, want) {
		t.Errorf("photos %v, want %v", photos, want)
	}
	if _, err := GroupViews([]string{"a", "a"}, []int{0, 1}, []int{0, 1}); fail.KindOf(err) != fail.Store {
		t.Errorf("two labels of one photo: %v", err)
	}
}

func TestSplitIsStratifiedAndWhole(t *testing.T) {
	var d Data
	counts := []int{100, 11, 2, 1}
	for label, n := range counts {
		for range n {
			row := 2 * len(d.Photos)
			d.Photos = append(d.Photos, Photo{Label: label, Rows: []int{row, row + 1}})
		}
	}
	train, val, err := Split(d, 0.2, 7, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(val.classCounts(4)), "[20 2 1 0]"; got != want {
		t.Errorf("val has %s photos of each class, want %s", got, want)
	}
	seen := map[int]bool{}
	for _, part := range []Data{train, val} {
		last := -1
		for _, p := range part.Photos {
			if len(p.Rows) != 2 || p.Rows[1] != p.Rows[0]+1 {
				t.Fatalf("the views of a photo were torn apart: %v", p)
			}
			if p.Rows[0] <= last {
				t.Fatal("photos changed their order")
			}
			last = p.Rows[0]
			if seen[last] {
				t.Fatalf("photo %d is in both", last)
			}
			seen[last] = true
		}
	}
	if len(seen) != len(d.Photos) {
		t.Errorf("%d photos of %d are left", len(seen), len(d.Photos))
	}
	again, _, _ := Split(d, 0.2, 7, nil)
	other, _, _ := Split(d, 0.2, 8, nil)
	if !reflect.DeepEqual(train.Photos, again.Photos) || reflect.DeepEqual(train.Photos, other.Photos) {
		t.Error("the split must depend on the seed, and on nothing else")
	}
}

// Copies go together, and where there are none the cut is the one without groups.
func TestSplitKeepsCopiesTogether(t *testing.T) {
	var labels, alone, copies []int
	for i := range 100 { // five copies of each of twenty photos, two classes
		labels, alone, copies = append(labels, i/50), append(alone, i), append(copies, i%10+i/50*10)
	}
	// 20 has two labels
	labels, alone, copies = append(labels, 0, 1, 1), append(alone, 100, 101, 102), append(copies, 20, 20, 21)
	d := Data{Photos: SingleViews(labels)}
	train, val, err := Split(d, 0.2, 3, copies)
	if err != nil {
		t.Fatal(err)
	}
	side := map[int]string{}
	for name, part := range map[string]Data{"train": train, "val": val} {
		for _, p := range part.Photos {
			group := copies[p.Rows[0]]
			if other, known := side[group]; known && other != name {
				t.Errorf("copies of photo %d are on both sides", group)
			}
			side[group] = name
		}
	}
	if got := fmt.Sprint(val.classCounts(2)); got != "[10 10]" && got != "[10 6]" || side[20] != "train" {
		t.Errorf("val has %s photos, the one with two labels is in %s", got, side[20])
	}
	without, _, _ := Split(d, 0.2, 3, nil)
	if same, _, _ := Split(d, 0.2, 3, alone); !reflect.DeepEqual(same.Photos, without.Photos) {
		t.Error("groups of one photo change the cut")
	}
	one := Data{Photos: SingleViews([]int{0, 0, 0, 1, 1})} // one photo of class 0, three times
	train, _, err = Split(one, 0.5, 0, []int{0, 0, 0, 1, 2})
	if err != nil || fmt.Sprint(train.classCounts(2)) != "[3 1]" {
		t.Errorf("train has %v, %v", train.classCounts(2), err)
	}
	if _, _, err := Split(one, 0.5, 0, []int{0}); fail.KindOf(err) != fail.Usage {
		t.Errorf("too few groups: %v", err)
	}
}

func TestSplitRefuses(t *testing.T) {
	d := Data{Photos: SingleViews([]int{0, 0, 1, 1})}
	for _, fraction := range []float64{-1, 0, 1, 2} {
		if _, _, err := Split(d, fraction, 0, nil); fail.KindOf(err) != fail.Usage {
			t.Errorf("fraction %g: %v", fraction, err)
		}
	}
	if _, _, err := Split(Data{Photos: SingleViews([]int{0, 1})}, 0.5, 0, nil); fail.KindOf(err) != fail.Usage {
		t.Errorf("one photo of each class: %v", err)
	}
}

func TestBalanced(t *testing.T) {
	got := Balanced(Data{Photos: SingleViews([]int{0, 0, 0, 1})}, 3)
	nearAll(t, "weights", got, []float64{4.0 / 9, 4.0 / 3, 0}, 1e-15)
}

func TestInitialIsTorchsDefault(t *testing.T) {
	l := Layout{Kind: Linear, Features: 400, Positions: 1, Classes: 50}
	p := initial(l, 0)
	var largest, sum, squares float64
	for _, w := range append(clone(p).Weight, p.Bias...) {
		v := float64(w)
		largest = max(largest, v, -v)
		sum += v
		squares += v * v
	}
	n := float64(l.ParameterCount())
	if largest > 0.05 || largest < 0.0499 {
		t.Errorf("the largest parameter is %g, the bound 1/√400", largest)
	}
	near(t, "mean", sum/n, 0, 1e-3)
	near(t, "mean square", squares/n, 0.05*0.05/3, 2e-5)
	if reflect.DeepEqual(p, initial(l, 1)) || !reflect.DeepEqual(p, initial(l, 0)) {
		t.Error("the parameters must depend on the seed, and on nothing else")
	}
}
