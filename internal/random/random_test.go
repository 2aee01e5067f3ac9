package random

import (
	"fmt"
	"math"
	"testing"
)

// The known answers of Random123's kat_vectors for philox4x32-10.
func TestBlockKnownAnswers(t *testing.T) {
	const all = math.MaxUint32
	for _, c := range []struct {
		counter [4]uint32
		key     [2]uint32
		want    [4]uint32
	}{
		{want: [4]uint32{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
		{[4]uint32{all, all, all, all}, [2]uint32{all, all}, [4]uint32{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
		{
			[4]uint32{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
			[2]uint32{0xa4093822, 0x299f31d0},
			[4]uint32{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1},
		},
	} {
		if got := block(c.counter, c.key); got != c.want {
			t.Errorf("block(%x, %x) = %x, want %x", c.counter, c.key, got, c.want)
		}
	}
}

func TestStreamsAreIndependent(t *testing.T) {
	base := New(1, "shuffle", 2).Uint64()
	for name, s := range map[string]*Stream{
		"other seed":       New(2, "shuffle", 2),
		"other name":       New(1, "dropout", 2),
		"other number":     New(1, "shuffle", 3),
		"one number more":  New(1, "shuffle", 2, 0),
		"seed above 2^32":  New(1+1<<32, "shuffle", 2),
		"no number at all": New(1, "shuffle"),
	} {
		if s.Uint64() == base {
			t.Errorf("%s: the same first number", name)
		}
	}
	if New(1, "shuffle", 2).Uint64() != base {
		t.Error("the same stream drawn again differs")
	}
}

func TestMoments(t *testing.T) {
	const n = 200_000
	s := New(0, "moments")
	var sum, squares, normalSum, normalSquares float64
	for range n {
		u := s.Float64()
		if u < 0 || u >= 1 {
			t.Fatalf("Float64 gave %g", u)
		}
		sum += u
		squares += u * u
		z := s.Normal()
		normalSum += z
		normalSquares += z * z
	}
	// Tolerances are five standard errors of each mean.
	for _, c := range []struct {
		name                 string
		got, want, tolerance float64
	}{
		{"mean of Float64", sum / n, 0.5, 5 * math.Sqrt(1.0/12/n)},
		{"second moment of Float64", squares / n, 1.0 / 3, 5 * math.Sqrt(4.0/45/n)},
		{"mean of Normal", normalSum / n, 0, 5 * math.Sqrt(1.0/n)},
		{"variance of Normal", normalSquares / n, 1, 5 * math.Sqrt(2.0/n)},
	} {
		if math.Abs(c.got-c.want) > c.tolerance {
			t.Errorf("%s is %g, want %g ± %g", c.name, c.got, c.want, c.tolerance)
		}
	}
}

func TestPermIsAPermutation(t *testing.T) {
	for _, n := range []int{0, 1, 2, 7, 244} {
		seen := make([]bool, n)
		for _, i := range New(3, "perm").Perm(n) {
			if seen[i] {
				t.Fatalf("Perm(%d) has %d twice", n, i)
			}
			seen[i] = true
		}
	}
}

func TestIntNIsUniform(t *testing.T) {
	const n, draws = 3, 90_000
	var counts [n]int
	s := New(0, "intn")
	for range draws {
		counts[s.IntN(n)]++
	}
	for i, c := range counts {
		if d := math.Abs(float64(c) - draws/n); d > 5*math.Sqrt(draws/n) {
			t.Errorf("%d came %d times of %d", i, c, draws)
		}
	}
}

func ExampleNew() {
	// The order of epoch 3 is the same whoever asks for it, and when.
	fmt.Println(New(0, "shuffle", 3).Perm(5))
	fmt.Println(New(0, "shuffle", 3).Perm(5))
	// Output:
	// [3 0 2 4 1]
	// [3 0 2 4 1]
}
