package cli

import (
	"strings"

	urfave "github.com/urfave/cli/v2"

	"fx/internal/fail"
	settings "fx/internal/training"
)

// settingFlags are the flags of settings, with the help for a reader of them.
func settingFlags(of []settings.Field, by settings.UsedBy) []urfave.Flag {
	var flags []urfave.Flag
	defaults := settings.Defaults()
	for _, f := range of {
		usage, unset := f.Usage(by), f.DefaultText(by)
		switch v := f.Of(&defaults).(type) {
		case *bool:
			flags = append(flags, &urfave.BoolFlag{Name: f.Name, Usage: usage})
		case *int:
			flags = append(flags, &urfave.IntFlag{Name: f.Name, Value: *v, Usage: usage, DefaultText: unset})
		case *uint64:
			flags = append(flags, &urfave.Uint64Flag{Name: f.Name, Value: *v, Usage: usage})
		case *float64:
			flags = append(flags, &urfave.Float64Flag{Name: f.Name, Value: *v, Usage: usage, DefaultText: unset})
		case **float64:
			flags = append(flags, &urfave.Float64Flag{Name: f.Name, Usage: usage, DefaultText: unset})
		case *string:
			flags = append(flags, &urfave.StringFlag{Name: f.Name, Value: *v, Usage: usage, DefaultText: unset})
		case *[]string:
			flags = append(flags, &urfave.StringFlag{Name: f.Name, Usage: usage})
		default:
			panic("a setting without a flag: " + f.Name)
		}
	}
	return flags
}

// readSettings reads the flags of settings; all others have their defaults.
func readSettings(c *urfave.Context, of []settings.Field) settings.Settings {
	s := settings.Defaults()
	for _, f := range of {
		switch v := f.Of(&s).(type) {
		case *bool:
			*v = c.Bool(f.Name)
		case *int:
			*v = c.Int(f.Name)
		case *uint64:
			*v = c.Uint64(f.Name)
		case *float64:
			*v = c.Float64(f.Name)
		case **float64:
			if c.IsSet(f.Name) {
				given := c.Float64(f.Name)
				*v = &given
			}
		case *string:
			*v = c.String(f.Name)
		case *[]string:
			*v = patterns(c.String(f.Name))
		}
	}
	return s
}

// patterns splits a list at its commas; an empty one is nil.
func patterns(text string) []string {
	if text == "" {
		return nil
	}
	var all []string
	for _, p := range strings.Split(text, ",") {
		all = append(all, strings.TrimSpace(p))
	}
	return all
}

// headSettings reads the flags of fx fit-head. It refuses those of the other solver.
func headSettings(c *urfave.Context) (settings.Settings, error) {
	of := settings.Fields(settings.Head)
	s := readSettings(c, of)
	for _, f := range of {
		if f.Solver == "" || f.Solver == s.Solver || !c.IsSet(f.Name) {
			continue
		}
		hint := "Leave it out: for sgd, that is --weight-decay."
		if s.Solver == settings.LBFGS {
			hint = "Leave it out: L-BFGS runs to the optimum. --l2 sets its penalty."
		}
		return s, fail.New(fail.Usage, hint, "--%s with --solver %s", f.Name, s.Solver)
	}
	return s, s.Check(settings.Head)
}
