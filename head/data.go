package head

import (
	"sort"

	"fx/internal/fail"
)

// Data is a set of photos to train or evaluate a head on, with features in rows.
type Data struct {
	// Row returns the features of row i: Features × Positions values, for a map
	// channel by channel ([channels, height, width]). It either returns its own
	// memory, which must not change, or fills and returns buffer, which has that
	// length. It must be safe for concurrent use.
	Row func(i int, buffer []float32) []float32
	// Photos are the photos. A photo has one row for each of its cached views.
	Photos []Photo
}

// Photo is one example.
type Photo struct {
	Label int   // class, from 0
	Rows  []int // its rows in Data.Row, the centre view first
}

// Matrix returns the Row function of values in memory: row i is
// values[i·width : (i+1)·width].
func Matrix(values []float32, width int) func(int, []float32) []float32 {
	return func(i int, _ []float32) []float32 { return values[i*width : (i+1)*width] }
}

// SingleViews returns one photo for each label: photo i has row i.
func SingleViews(labels []int) []Photo {
	photos := make([]Photo, len(labels))
	for i, label := range labels {
		photos[i] = Photo{Label: label, Rows: []int{i}}
	}
	return photos
}

// GroupViews groups rows by photo: row i is view views[i] (0 is the centre view) of the
// photo names[i]. Photos are ordered by the first appearance of their names. The three
// slices have the same length. A photo with two labels is an error of kind fail.Store.
func GroupViews(names []string, views, labels []int) ([]Photo, error) {
	byName := make(map[string]int, len(names))
	var photos []Photo
	for row, name := range names {
		at, known := byName[name]
		if !known {
			at = len(photos)
			byName[name] = at
			photos = append(photos, Photo{Label: labels[row]})
		}
		if photos[at].Label != labels[row] {
			return nil, fail.New(fail.Store, "Run `fx extract` again.", "%s has two labels, %d and %d", name,
				photos[at].Label, labels[row])
		}
		photos[at].Rows = append(photos[at].Rows, row)
	}
	for _, p := range photos {
		sort.SliceStable(p.Rows, func(a, b int) bool { return views[p.Rows[a]] < views[p.Rows[b]] })
	}
	return photos, nil
}

// check returns an error of kind fail.Usage for labels and photos that don't fit l.
func (d Data) check(l Layout, what string) error {
	for i, p := range d.Photos {
		if p.Label < 0 || p.Label >= l.Classes {
			return fail.New(fail.Usage, "The features and the classes must come from one store.",
				"%s photo %d has label %d; the head has %d classes", what, i, p.Label, l.Classes)
		}
		if len(p.Rows) == 0 {
			return fail.New(fail.Usage, "The features and the photos must come from one store.",
				"%s photo %d has no row of features", what, i)
		}
	}
	return nil
}

// classCounts returns the number of photos of each class.
func (d Data) classCounts(classes int) []int {
	counts := make([]int, classes)
	for _, p := range d.Photos {
		counts[p.Label]++
	}
	return counts
}

// centreViews returns a sample for each photo: its centre view.
func (d Data) centreViews() []sample {
	samples := make([]sample, len(d.Photos))
	for i, p := range d.Photos {
		samples[i] = sample{photo: i, row: p.Rows[0], label: p.Label}
	}
	return samples
}

// allViews returns a sample for each row of each photo.
func (d Data) allViews() []sample {
	var samples []sample
	for i, p := range d.Photos {
		for _, row := range p.Rows {
			samples = append(samples, sample{photo: i, row: row, label: p.Label})
		}
	}
	return samples
}

// sample is one row as input of a network.
type sample struct {
	photo, row, label int
}
