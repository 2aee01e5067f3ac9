package main

import (
	"fmt"
	"time"
)

// clock knows how many turns are left and guesses how long they take.
type clock struct {
	started time.Time
	order   []sideKey
	sides   map[sideKey]*sideTimes
	done    int // turns that this run took
}

type sideKey struct{ section, contest, side string }

// sideTimes are the turns of one side in one contest.
type sideTimes struct {
	left    int
	taken   int
	seconds float64 // of those taken, earlier runs' included
}

// add takes a contest in, with what was measured of it before.
func (k *clock) add(c contest, o outcome) {
	if k.sides == nil {
		k.sides, k.started = map[sideKey]*sideTimes{}, time.Now()
	}
	for _, s := range c.sides {
		key := sideKey{c.section, c.name, s.name}
		times := &sideTimes{}
		for _, t := range o.side(s.name).Runs {
			times.taken++
			times.seconds += t.WallSeconds
		}
		for _, m := range missing(c, o) {
			if m.side == s.name {
				times.left++
			}
		}
		k.order, k.sides[key] = append(k.order, key), times
	}
}

func (k *clock) took(c contest, side string, seconds float64) {
	times := k.sides[sideKey{c.section, c.name, side}]
	times.left--
	times.taken++
	times.seconds += seconds
	k.done++
}

// drop takes out a side that can't go on, "" for all of a contest.
func (k *clock) drop(c contest, side string) {
	for key, times := range k.sides {
		if key.section == c.section && key.contest == c.name && (side == "" || side == key.side) {
			times.left = 0
		}
	}
}

// left says how many turns are left and about how many seconds they take: as
// long as the side's others in the contest, else in the section, else as all.
func (k *clock) left() (turns int, seconds float64) {
	for _, key := range k.order {
		times := k.sides[key]
		if times.left == 0 {
			continue
		}
		turns += times.left
		seconds += float64(times.left) * k.mean(
			func(o sideKey) bool { return o == key },
			func(o sideKey) bool { return o.section == key.section && o.side == key.side },
			func(o sideKey) bool { return o.section == key.section },
			func(sideKey) bool { return true },
		)
	}
	return turns, seconds
}

// mean is that of the first group that has turns.
func (k *clock) mean(groups ...func(sideKey) bool) float64 {
	for _, in := range groups {
		taken, seconds := 0, 0.0
		for key, times := range k.sides {
			if in(key) {
				taken, seconds = taken+times.taken, seconds+times.seconds
			}
		}
		if taken > 0 {
			return seconds / float64(taken)
		}
	}
	return 0
}

// standing tells how far the run is.
func (k *clock) standing() string {
	turns, seconds := k.left()
	gone := time.Since(k.started).Round(time.Second)
	if turns == 0 {
		return fmt.Sprintf("%s gone, the last", gone)
	}
	return fmt.Sprintf("%s gone, %d left, about %s", gone, turns, time.Duration(seconds*float64(time.Second)).Round(time.Second))
}
