package experiments

import (
	"math"
	"testing"
	"time"

	"fx/internal/progress"
)

func TestTimeLeftFollowsTheRunsThatEnded(t *testing.T) {
	now := time.Unix(1000, 0)
	w := newWatch(progress.Discard, []float64{100, 100, 200}, 5) // 40 s of it are trusted
	w.now = func() time.Time { return now }
	left := func(want time.Duration) {
		t.Helper()
		if got := w.left(); got != want {
			t.Errorf("%v left, want %v", got, want)
		}
	}
	w.begin(0, 3, "a")
	left(400 * time.Second)
	now = now.Add(40 * time.Second)
	left(360 * time.Second)
	now = now.Add(10 * time.Second) // it took half of the estimate
	w.end(0)
	nearly := func(want float64) {
		t.Helper()
		if got := w.left().Seconds(); math.Abs(got-want) > 1e-6 {
			t.Errorf("%g s left, want %g", got, want)
		}
	}
	off := (50.0 + 40) / (100 + 40)
	nearly(300 * off)
	w.begin(1, 4, "b")
	now = now.Add(70 * time.Second) // longer than estimated: the next one's time stays
	nearly(200 * off)
	w.end(1) // 120 s in place of 200
	nearly(200 * (120.0 + 40) / (200 + 40))
	w.begin(2, 5, "c")
	if got := w.prefix(); got != "5/5 c (2 min left): " {
		t.Errorf("it says %q", got)
	}
}

func TestRough(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "seconds", 4 * time.Second: "seconds", 62 * time.Second: "60 s", 100 * time.Second: "2 min",
		89 * time.Minute: "89 min", 3*time.Hour + 20*time.Minute: "3.3 h",
	} {
		if got := Rough(d); got != want {
			t.Errorf("%v is %q, want %q", d, got, want)
		}
	}
}
