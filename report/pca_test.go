package report

import (
	"encoding/json"
	"math"
	"os"
	"slices"
	"testing"

	"fx/internal/random"
)

// The plane is scikit-learn's, but for the signs of the axes. testdata/pca.py
// wrote the golden. Both compute in float64: what parts them is rounding.
func TestProjectAsScikitLearn(t *testing.T) {
	text, err := os.ReadFile("testdata/pca.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Rows      [][]float32
		X, Y      []float64
		Explained []float64
	}
	if err := json.Unmarshal(text, &cases); err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		p, ok := project(c.Rows)
		if !ok {
			t.Fatalf("%d rows of %d values: no plane", len(c.Rows), len(c.Rows[0]))
		}
		for _, axis := range []struct {
			name      string
			got, want []float64
			share, of float64
		}{{"x", p.x, c.X, p.explained[0], c.Explained[0]}, {"y", p.y, c.Y, p.explained[1], c.Explained[1]}} {
			sign := 1.0
			if axis.got[0]*axis.want[0] < 0 {
				sign = -1
			}
			for i := range axis.want {
				if d := math.Abs(sign*axis.got[i] - axis.want[i]); d > 1e-9 {
					t.Errorf("%d rows of %d values: %s of point %d is off by %g", len(c.Rows), len(c.Rows[0]),
						axis.name, i, d)
				}
			}
			if d := math.Abs(axis.share - axis.of); d > 1e-12 {
				t.Errorf("%d rows of %d values: the share of %s is off by %g", len(c.Rows), len(c.Rows[0]), axis.name,
					d)
			}
		}
	}
}

// Points of a plane keep their distances, in whatever space it lies.
func TestProjectKeepsAPlane(t *testing.T) {
	s := random.New(3, "plane")
	const points, width = 30, 50
	var u, v [width]float64
	for i := range width { // orthonormal: each on half of the axes
		if i%2 == 0 {
			u[i] = math.Sqrt(2.0 / width)
		} else {
			v[i] = math.Sqrt(2.0 / width)
		}
	}
	var a, b []float64
	var rows [][]float32
	for range points {
		a, b = append(a, 10*s.Float64()), append(b, 3*s.Float64())
		row := make([]float32, width)
		for i := range row {
			row[i] = float32(7 + u[i]*a[len(a)-1] + v[i]*b[len(b)-1])
		}
		rows = append(rows, row)
	}
	p, ok := project(rows)
	if !ok || math.Abs(p.explained[0]+p.explained[1]-1) > 1e-9 {
		t.Fatalf("ok %v, explained %v", ok, p.explained)
	}
	for i := range points {
		for k := range points {
			got, want := math.Hypot(p.x[i]-p.x[k], p.y[i]-p.y[k]), math.Hypot(a[i]-a[k], b[i]-b[k])
			if math.Abs(got-want) > 1e-4 { // rows are float32
				t.Fatalf("points %d and %d lie %g apart, want %g", i, k, got, want)
			}
		}
	}
	again, _ := project(rows)
	if !slices.Equal(p.x, again.x) || !slices.Equal(p.y, again.y) {
		t.Error("the same rows lie elsewhere the second time")
	}
	for _, axis := range [][]float64{p.x, p.y} {
		if low, high := slices.Min(axis), slices.Max(axis); -low > high+1e-9 {
			t.Errorf("an axis from %g to %g: its largest coordinate is negative", low, high)
		}
	}
}

func TestProjectNeedsTwoDirections(t *testing.T) {
	line := [][]float32{{0, 0, 1}, {1, 1, 1}, {2, 2, 1}, {5, 5, 1}}
	same := [][]float32{{1, 2}, {1, 2}, {1, 2}}
	for name, rows := range map[string][][]float32{"none": nil, "two points": line[:2], "a line": line,
		"one place": same, "one value": {{1}, {2}, {3}}} {
		if p, ok := project(rows); ok {
			t.Errorf("%s: a plane %+v", name, p)
		}
	}
}
