package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	urfave "github.com/urfave/cli/v2"

	"fx/backbones"
	"fx/internal/fail"
	"fx/internal/lockfile"
	"fx/internal/pretrained"
)

// pulled is the result for one network. Of a failure it has Name, Error, Hint and ExitCode.
type pulled struct {
	Name   string   `json:"name"`
	Path   string   `json:"path"`
	SHA256 string   `json:"sha256"`
	Origin string   `json:"origin"`
	Notes  []string `json:"notes"`

	Error    string    `json:"error,omitempty"`
	Hint     string    `json:"hint,omitempty"`
	ExitCode fail.Kind `json:"exit_code,omitempty"`
}

func backbonesPullCommand(out *output) *urfave.Command {
	return &urfave.Command{
		Name:  "pull",
		Usage: "fetch networks' official weights into fx's cache",
		Description: "If one of several networks fails, fx fetches the others, and exits with the code of the first\n" +
			"failure. With --json the result is an object for one NAME, and a list of such objects for several;\n" +
			"there a failed one has error, hint and exit_code.",
		ArgsUsage: "NAME...",
		Flags:     []urfave.Flag{lockFlag()},
		Action: func(c *urfave.Context) error {
			names, lock := c.Args().Slice(), lockfile.At(c.String("lock"))
			switch len(names) {
			case 0:
				return fail.New(fail.Usage, "`fx backbones list` shows the names.", "%s needs a NAME",
					c.Command.HelpName)
			case 1:
				one, err := pull(c.Context, names[0], lock, out)
				if err != nil {
					return err
				}
				return out.result(one, func(w io.Writer) { printPulled(w, one) })
			}
			for _, name := range names { // a slip of the keyboard is told before hours of downloads
				if backbones.IsFile(name) {
					continue
				}
				if _, err := backbones.Lookup(name); err != nil {
					return err
				}
			}
			return pullAll(c.Context, names, lock, out)
		},
	}
}

// pullAll pulls several networks, and the others if one fails.
func pullAll(ctx context.Context, names []string, lock lockfile.Lock, out *output) error {
	var all []pulled
	var failed []string
	var first error
	for _, name := range names {
		one, err := pull(ctx, name, lock, out)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			one = pulled{Name: name, Notes: []string{}, Error: err.Error(), Hint: fail.HintOf(err),
				ExitCode: fail.KindOf(err)}
			failed = append(failed, name)
			if first == nil {
				first = err
			}
		}
		all = append(all, one)
	}
	err := out.result(all, func(w io.Writer) {
		for _, one := range all {
			if one.Error != "" {
				fmt.Fprintf(w, "%s: %s\n  %s\n", one.Name, one.Error, one.Hint)
				continue
			}
			printPulled(w, one)
		}
	})
	if err != nil || first == nil {
		return err
	}
	return fail.New(fail.KindOf(first), "The same command fetches only what is missing.",
		"%d of %d networks could not be fetched: %s", len(failed), len(names), strings.Join(failed, ", "))
}

// pull finds or fetches the weights of a network, and enters them into the lock.
func pull(ctx context.Context, name string, lock lockfile.Lock, out *output) (pulled, error) {
	n, err := backbones.Open(ctx, backbones.NetworkOptions{Backbone: name, Lock: lock}, out.progress())
	if b, lookupErr := backbones.Lookup(name); lookupErr == nil && b.Weights.Hub == "" && b.Gated == "" &&
		errors.Is(err, pretrained.ErrNowhere) { // those of the hub and of a licence say more
		err = fail.Wrap(fail.Model, err, fmt.Sprintf("`fx backbones show %s` says where the file is: "+
			"download it on a machine with a network, and put it into a folder that FX_WEIGHTS_DIR "+
			"names.", name), "")
	}
	if err != nil {
		return pulled{}, err
	}
	if err := lock.Hold(ctx, n.Inputs...); err != nil {
		return pulled{}, err
	}
	return pulled{Name: name, Path: n.Weights.String(), SHA256: n.WeightsSHA256, Origin: n.WeightsOrigin,
		Notes: slices.Concat([]string{}, n.Found, n.Notes)}, nil
}

func printPulled(w io.Writer, p pulled) {
	fmt.Fprintf(w, "%s\n  from %s, SHA-256 %s\n", p.Path, p.Origin, p.SHA256)
	printNotes(w, p.Notes)
}
