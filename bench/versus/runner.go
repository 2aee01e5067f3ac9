package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"fx/bench/internal/command"
	"fx/internal/fail"
)

// runner runs the sides of comparisons in turns and saves the measurements.
type runner struct {
	folder  string // of the outcomes
	setting setting
	timeout time.Duration // of one turn
	discard bool          // discard outcomes of earlier runs
	log     func(format string, args ...any)

	done, planned int // turns of this run
}

// run measures the missing turns of the comparisons and returns what could not be
// measured. It returns an error if it can't continue.
func (r *runner) run(ctx context.Context, comparisons []comparison) (failed []string, err error) {
	outcomes := make([]outcome, len(comparisons))
	for i, c := range comparisons {
		if outcomes[i], err = r.open(c); err != nil {
			return nil, err
		}
		r.planned += len(missing(c, outcomes[i]))
	}
	for i, c := range comparisons {
		if err := r.compare(ctx, c, &outcomes[i]); err != nil {
			return failed, err
		}
		for _, s := range outcomes[i].Sides {
			if s.Failure != "" {
				failed = append(failed, fmt.Sprintf("%s %s, %s: %s", c.section, c.name, s.Title, s.Failure))
			}
		}
	}
	return failed, nil
}

// open reads the outcome of a comparison in an earlier run. Failed sides are tried again.
func (r *runner) open(c comparison) (outcome, error) {
	fresh := outcome{Section: c.section, Contest: c.name, Title: c.title, Terms: c.terms, Setting: r.setting}
	for _, s := range c.sides {
		fresh.Sides = append(fresh.Sides, sideOutcome{Name: s.name, Title: s.title})
	}
	if r.discard {
		return fresh, nil
	}
	path := outcomePath(r.folder, c.section, c.name)
	old, ok, err := readOutcome(path)
	if err != nil || !ok {
		return fresh, err
	}
	reason := old.Setting.differs(r.setting)
	if reason == "" && old.Terms != c.terms {
		reason = fmt.Sprintf("what is measured (%s, now %s)", old.Terms, c.terms)
	}
	if reason != "" {
		return fresh, fail.New(fail.Usage, "Add --again to measure anew, or name another --out.",
			"%s was measured with other conditions: %s changed", path, reason)
	}
	fresh.Facts = old.Facts
	for i := range fresh.Sides {
		if s := old.side(fresh.Sides[i].Name); s != nil {
			fresh.Sides[i].Runs, fresh.Sides[i].Commands = s.Runs, s.Commands
		}
	}
	return fresh, nil
}

// compare runs the missing turns of a comparison, round by round.
func (r *runner) compare(ctx context.Context, c comparison, o *outcome) error {
	if len(missing(c, *o)) == 0 {
		return nil
	}
	r.log("%s: %s", c.section, c.title)
	jobs, err := c.prepare(ctx, o)
	if ctx.Err() != nil {
		return errors.Join(ctx.Err(), o.save(r.folder))
	}
	if err != nil {
		r.log("%s, %s: %v", c.section, c.title, err)
		for i := range o.Sides {
			o.Sides[i].Failure = err.Error()
		}
		return o.save(r.folder)
	}
	for _, next := range missing(c, *o) {
		s := o.side(next.side)
		if s.Failure != "" {
			continue
		}
		t, err := r.turn(ctx, jobs[next.side], next.round, s)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			s.Failure = err.Error()
			r.log("%s, %s, %s: %s", c.section, c.title, s.Title, s.Failure)
		} else {
			s.Runs = append(s.Runs, t)
			r.done++
			r.log("%s, %s, %s, %d of %d: %.3g s (%d of %d turns)", c.section, c.title, s.Title, next.round, c.rounds,
				t.WallSeconds, r.done, r.planned)
		}
		if err := o.save(r.folder); err != nil {
			return err
		}
	}
	if c.cleanup != nil {
		return c.cleanup()
	}
	return nil
}

// turn runs a side's job once.
func (r *runner) turn(ctx context.Context, j job, round int, s *sideOutcome) (turn, error) {
	if j.problem != nil {
		return turn{}, j.problem
	}
	if j.commands == nil {
		return turn{}, errors.New("can't do this job")
	}
	if j.before != nil {
		if err := j.before(); err != nil {
			return turn{}, err
		}
	}
	limited, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	t := turn{Round: round, When: time.Now().UTC().Truncate(time.Second)}
	s.Commands = j.commands(round)
	texts, usage, err := command.Measure(limited, s.Commands...)
	if errors.Is(err, context.DeadlineExceeded) {
		return t, fmt.Errorf("took longer than %s", r.timeout)
	} else if err != nil {
		return t, err
	}
	t.Usage = usage
	for _, text := range texts {
		t.Printed = append(t.Printed, document(text))
	}
	if j.check != nil {
		return t, j.check(t.Printed)
	}
	return t, nil
}

// document returns a command's output if it is JSON.
func document(text []byte) json.RawMessage {
	var compact bytes.Buffer
	if json.Compact(&compact, text) != nil {
		return json.RawMessage("null")
	}
	return compact.Bytes()
}

// missed is a turn that has not been measured.
type missed struct {
	side  string
	round int
}

// missing returns the turns to measure: A B A B, with the sides in order in each round.
func missing(c comparison, o outcome) []missed {
	var all []missed
	for round := 1; round <= c.rounds; round++ {
		for _, s := range c.sides {
			if !o.side(s.name).has(round) {
				all = append(all, missed{s.name, round})
			}
		}
	}
	return all
}
