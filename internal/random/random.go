package random

import (
	"hash/fnv"
	"math"
	"math/bits"
)

// block returns the four words of Philox4x32-10 for the counter and key.
func block(counter [4]uint32, key [2]uint32) [4]uint32 {
	const (
		m0, m1 = 0xD2511F53, 0xCD9E8D57
		w0, w1 = 0x9E3779B9, 0xBB67AE85
	)
	c, k := counter, key
	for round := range 10 {
		if round > 0 {
			k[0] += w0
			k[1] += w1
		}
		hi0, lo0 := bits.Mul32(m0, c[0])
		hi1, lo1 := bits.Mul32(m1, c[2])
		c = [4]uint32{hi1 ^ c[1] ^ k[0], lo1, hi0 ^ c[3] ^ k[1], lo0}
	}
	return c
}

// Stream is a sequence of random numbers. Two streams with the same seed and
// the same names are the same sequence; any other pair is independent.
// A Stream is not safe for concurrent use; making one is cheap.
type Stream struct {
	key     [2]uint32
	counter [4]uint32
	buffer  [4]uint32
	used    int // words of buffer already given out
}

// New returns the stream of seed and name; numbers, such as epoch and batch, distinguish streams of one name.
func New(seed uint64, name string, numbers ...uint64) *Stream {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name)) // never fails
	for _, n := range numbers {
		var b [9]byte
		b[0] = '/'
		for i := range 8 {
			b[i+1] = byte(n >> (8 * i))
		}
		_, _ = h.Write(b[:])
	}
	id := h.Sum64()
	return &Stream{
		key:     [2]uint32{uint32(seed), uint32(seed >> 32)},
		counter: [4]uint32{0, 0, uint32(id), uint32(id >> 32)},
		used:    4,
	}
}

// Uint32 returns 32 random bits.
func (s *Stream) Uint32() uint32 {
	if s.used == 4 {
		s.buffer = block(s.counter, s.key)
		s.used = 0
		if s.counter[0]++; s.counter[0] == 0 {
			s.counter[1]++
		}
	}
	v := s.buffer[s.used]
	s.used++
	return v
}

// Uint64 returns 64 random bits.
func (s *Stream) Uint64() uint64 {
	low := uint64(s.Uint32())
	return uint64(s.Uint32())<<32 | low
}

// Float64 returns a number in [0, 1) with 53 random bits.
func (s *Stream) Float64() float64 { return float64(s.Uint64()>>11) / (1 << 53) }

// Float32 returns a number in [0, 1) with 24 random bits.
func (s *Stream) Float32() float32 { return float32(s.Uint32()>>8) / (1 << 24) }

// Uniform returns a number in [low, high).
func (s *Stream) Uniform(low, high float64) float64 { return low + (high-low)*s.Float64() }

// Normal returns a number from the standard normal distribution (Box–Muller).
func (s *Stream) Normal() float64 {
	u := 1 - s.Float64() // (0, 1]
	return math.Sqrt(-2*math.Log(u)) * math.Cos(2*math.Pi*s.Float64())
}

// IntN returns a number in [0, n) without bias. It panics if n < 1.
func (s *Stream) IntN(n int) int {
	if n < 1 {
		panic("random: IntN of a number below 1")
	}
	bound := uint64(n)
	for {
		hi, lo := bits.Mul64(s.Uint64(), bound)
		if lo >= bound || lo >= -bound%bound { // Lemire 2019, "Fast Random Integer Generation in an Interval"
			return int(hi)
		}
	}
}

// Perm returns a random order of the numbers 0 to n-1 (Fisher–Yates).
func (s *Stream) Perm(n int) []int {
	p := make([]int, n)
	for i := range p {
		j := s.IntN(i + 1)
		p[i] = p[j]
		p[j] = i
	}
	return p
}
