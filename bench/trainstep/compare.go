package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"

	"fx/bench/internal/command"
	"fx/bench/internal/stats"
	"fx/internal/durable"
	"fx/internal/fail"
	"fx/internal/machine"
)

// comparison measures peers side by side.
type comparison struct {
	options  stepOptions
	networks []string
	peers    []peer
	rounds   int
	timeout  time.Duration // of one process
	profile  bool          // say where fx's time goes too
	log      func(format string, args ...any)
}

// result is what became of one peer with one network.
type result struct {
	Network      string        `json:"network"`
	Peer         string        `json:"peer"`
	Title        string        `json:"title"`
	Setting      string        `json:"setting"`
	CPU          string        `json:"cpu"`
	Measurements []measurement `json:"measurements,omitempty"` // one a round
	Failure      string        `json:"failure,omitempty"`      // why it can't run the network
	Profile      string        `json:"profile,omitempty"`      // Markdown
}

// run measures in rounds: in each, every peer once, in a process of its own, the
// first of one round being the last of the next, so that whatever drifts on the
// machine meets all of them alike.
func (c *comparison) run(ctx context.Context) ([]result, error) {
	var all []result
	for _, network := range c.networks {
		results := make([]result, len(c.peers))
		for i, p := range c.peers {
			results[i] = result{Network: network, Peer: p.name, Title: p.title, Setting: c.options.setting(), CPU: machine.CPU()}
			if p.prepare == nil {
				continue
			}
			if err := p.prepare(ctx, network); err != nil {
				if ctx.Err() != nil {
					return nil, ctx.Err()
				}
				results[i].Failure = err.Error()
			}
		}
		for round := range c.rounds {
			for turn := range c.peers {
				i := (turn + round) % len(c.peers)
				if err := c.measure(ctx, c.peers[i], &results[i]); err != nil {
					return nil, err
				}
			}
		}
		if err := c.addProfile(ctx, results); err != nil {
			return nil, err
		}
		all = append(all, results...)
	}
	return all, nil
}

// measure adds a peer's measurement to its result, or why there is none. The
// error is of a comparison that was stopped.
func (c *comparison) measure(ctx context.Context, p peer, r *result) error {
	if r.Failure != "" {
		return nil
	}
	limited, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	argv := append(p.command(r.Network), c.options.arguments(r.Network)...)
	text, err := command.Output(limited, argv[0], argv[1:]...)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, context.DeadlineExceeded):
		r.Failure = "took longer than " + c.timeout.String()
	case err != nil:
		r.Failure = err.Error()
	}
	var m measurement
	if err == nil {
		if err := json.Unmarshal(text, &m); err != nil || len(m.Milliseconds) == 0 {
			r.Failure = "printed no measurement"
		}
	}
	if r.Failure != "" {
		r.Measurements = nil
		c.log("%s, %s: %s", r.Network, p.name, r.Failure)
		return nil
	}
	c.log("%s, %s: %.0f ms, %.0f MB", r.Network, p.name, stats.Median(m.Milliseconds), m.PeakMB)
	r.Measurements = append(r.Measurements, m)
	return nil
}

// addProfile has those peers that can say where their time goes do so.
func (c *comparison) addProfile(ctx context.Context, results []result) error {
	for i, p := range c.peers {
		if !c.profile || p.profile == nil || results[i].Failure != "" {
			continue
		}
		argv := append(p.profile(results[i].Network), c.options.arguments(results[i].Network)...)
		text, err := command.Output(ctx, argv[0], argv[1:]...)
		if err != nil {
			return fmt.Errorf("the profile of %s: %w", results[i].Network, err)
		}
		results[i].Profile = string(text)
	}
	return nil
}

// readResults reads what earlier comparisons left; a missing file holds nothing.
func readResults(path string) ([]result, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	var all []result
	err = json.Unmarshal(text, &all)
	return all, fail.Wrap(fail.Usage, err, "Remove it, or name another file.", "%s holds no results", path)
}

// merge puts newer results in the place of older ones of the same peer and
// network. All must be of one setting on one machine.
func merge(older, newer []result) ([]result, error) {
	all := slices.Clone(older)
	for _, r := range newer {
		if o := all; len(o) > 0 && (o[0].Setting != r.Setting || o[0].CPU != r.CPU) {
			return nil, fail.New(fail.Usage, "Name another --results.", "results of %s on %s can't stand beside those of %s on %s", o[0].Setting, o[0].CPU, r.Setting, r.CPU)
		}
		same := func(o result) bool { return o.Network == r.Network && o.Peer == r.Peer }
		if i := slices.IndexFunc(all, same); i >= 0 {
			all[i] = r
		} else {
			all = append(all, r)
		}
	}
	return all, nil
}

func writeResults(path string, all []result) error {
	text, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return err
	}
	return durable.WriteBytes(path, append(text, '\n'))
}
