package chart

import (
	"math"
	"strconv"

	"gonum.org/v1/plot"
)

// constantTicks returns a Ticker of the same ticks for every range.
func constantTicks(ticks []plot.Tick) plot.Ticker {
	return plot.TickerFunc(func(float64, float64) []plot.Tick { return ticks })
}

// step returns the smallest of 1, 2, 5 times a power of ten that divides the range into at most count parts.
func step(span float64, count int) float64 {
	unit := math.Pow(10, math.Floor(math.Log10(span/float64(count))))
	for _, multiple := range []float64{1, 2, 5} {
		if span/(multiple*unit) <= float64(count)*(1+1e-9) {
			return multiple * unit
		}
	}
	return 10 * unit
}

// number formats a tick with enough digits to distinguish steps.
func number(value, step float64) string {
	decimals := max(0, int(-math.Floor(math.Log10(step)+1e-9)))
	if decimals > 4 || math.Abs(value) >= 1e5 {
		return strconv.FormatFloat(value, 'g', 3, 64)
	}
	return strconv.FormatFloat(value, 'f', decimals, 64)
}

// tickRange returns ticks at multiples of a round step, the first at or below
// low, the last at or above high, about count of them.
func tickRange(low, high float64, count int, label func(value, step float64) string) []plot.Tick {
	if !(high > low) {
		high = low + 1
	}
	by := step(high-low, count-1)
	var ticks []plot.Tick
	for i := math.Floor(low/by + 1e-9); ; i++ {
		ticks = append(ticks, plot.Tick{Value: i * by, Label: label(i*by, by)})
		if i*by >= high-1e-9*by {
			return ticks
		}
	}
}

// everyEpoch is the largest number of epochs with a tick each.
const everyEpoch = 20

// epochTicks returns ticks at whole numbers: at each if there are few, else at round ones and the first.
func epochTicks(first, last int) []plot.Tick {
	by := 1
	if last-first >= everyEpoch {
		by = max(1, int(step(float64(last-first), everyEpoch/2)))
	}
	ticks := []plot.Tick{{Value: float64(first), Label: strconv.Itoa(first)}}
	for e := first + 1; e <= last; e++ {
		if e%by == 0 && (by == 1 || e-first > by/2) {
			ticks = append(ticks, plot.Tick{Value: float64(e), Label: strconv.Itoa(e)})
		}
	}
	return ticks
}
