package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	urfave "github.com/urfave/cli/v2"

	"fx/internal/fail"
	"fx/internal/spelling"
	"fx/internal/version"
)

// Main runs fx with the arguments of the process (args[0] is its name) and
// returns the exit code. The first Ctrl+C ends the command cleanly, a second
// one at once.
func Main(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	return Run(ctx, args, os.Stdout, os.Stderr)
}

// Run is Main with its surroundings given, for tests.
func Run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	out := newOutput(stdout, stderr)
	app := newApp(out)
	err := checkWords(app, args)
	if err == nil {
		err = app.RunContext(ctx, flagsFirst(app, args))
	}
	if err == nil {
		return 0
	}
	out.json = out.json || slices.Contains(args, "--json") // which the command may not have got to read
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = fail.New(fail.Interrupted, fail.HintOf(err), "interrupted")
	}
	return out.failure(err)
}

func newApp(out *output) *urfave.App {
	app := &urfave.App{
		Name:                 "fx",
		Usage:                "turn a folder of photos into a classifier, with pretrained networks and without Python",
		Version:              version.String(),
		HideHelpCommand:      true,
		Flags:                []urfave.Flag{urfave.HelpFlag}, // urfave/cli leaves it out beside a command help of ours
		Writer:               out.stdout,
		ErrWriter:            out.stderr,
		ExitErrHandler:       func(*urfave.Context, error) {}, // Run maps errors to exit codes
		Commands:             commands(out),
		EnableBashCompletion: true,
		Action: func(c *urfave.Context) error {
			if c.Args().Present() {
				return unknownCommand(c.App.Commands, "fx", c.Args().First())
			}
			return urfave.ShowAppHelp(c)
		},
		OnUsageError: usageError,
	}
	finish(app.Commands, "fx", out)
	app.Commands = append(app.Commands, helpCommand()) // which has neither --json nor --quiet
	return app
}

// commands returns all commands by task, as `fx help` lists them: urfave/cli sorts the categories by name.
func commands(out *output) []*urfave.Command {
	var all []*urfave.Command
	for _, group := range []struct {
		category string
		commands []*urfave.Command
	}{
		{"A classifier in one command", []*urfave.Command{quickstartCommand(out), demoCommand(out)}},
		{"Features and heads", []*urfave.Command{
			extractCommand(out), workerCommand(out), fitHeadCommand(out), featuresCommand(out),
		}},
		{"Finetuning and experiments", []*urfave.Command{
			finetuneCommand(out), lrFindCommand(out), experimentCommand(out), artifactsCommand(out),
		}},
		{"Models and results", []*urfave.Command{
			predictCommand(out), evalCommand(out), compareCommand(out), reportCommand(out), exportCommand(out),
		}},
		{"Networks and runtime", []*urfave.Command{backbonesCommand(out), runtimeCommand(out)}},
		{shellCategory, []*urfave.Command{completionCommand(out)}},
	} {
		for _, c := range group.commands {
			c.Category = group.category
		}
		all = append(all, group.commands...)
	}
	return all
}

// finish gives every command what all of them share.
func finish(commands []*urfave.Command, parent string, out *output) {
	for _, c := range commands {
		name := parent + " " + c.Name
		c.OnUsageError = usageError
		c.HideHelpCommand = true
		if len(c.Subcommands) > 0 {
			finish(c.Subcommands, name, out)
			c.Action = groupAction(c, name)
			continue
		}
		requireFlags(c, name)
		c.Flags = append(c.Flags,
			&urfave.BoolFlag{Name: "json", Usage: "print one JSON document on stdout", Destination: &out.json},
			&urfave.BoolFlag{Name: "quiet", Usage: "print no progress on stderr", Destination: &out.quiet},
		)
	}
}

// requireFlags checks c's required flags in its action: urfave/cli's own check
// prints the help on stdout, where --json promises one document.
func requireFlags(c *urfave.Command, name string) {
	var required []string
	for _, f := range c.Flags {
		switch f := f.(type) {
		case *urfave.StringFlag:
			if f.Required {
				required, f.Required = append(required, f.Name), false
			}
		case *urfave.IntFlag:
			if f.Required {
				required, f.Required = append(required, f.Name), false
			}
		}
	}
	action := c.Action
	c.Action = func(ctx *urfave.Context) error {
		for _, flag := range required {
			if !ctx.IsSet(flag) || ctx.Value(flag) == "" {
				return fail.New(fail.Usage, fmt.Sprintf("`%s --help` lists the flags.", name), "%s needs --%s", name,
					flag)
			}
		}
		return action(ctx)
	}
}

// groupAction answers a group of commands called without one of them.
func groupAction(c *urfave.Command, name string) urfave.ActionFunc {
	return func(ctx *urfave.Context) error {
		if ctx.Args().Present() {
			return unknownCommand(c.Subcommands, name, ctx.Args().First())
		}
		return urfave.ShowSubcommandHelp(ctx)
	}
}

func unknownCommand(commands []*urfave.Command, parent, given string) error {
	hint, names := commandsHint(commands, parent)
	return fail.New(fail.Usage, didYouMean(spelling.Nearest(names, given))+hint, "%s has no command %q", parent, given)
}

func commandsHint(commands []*urfave.Command, parent string) (hint string, names []string) {
	for _, c := range commands {
		names = append(names, c.Name)
	}
	return fmt.Sprintf("Commands: %s. `%s --help` explains them.", strings.Join(names, ", "), parent), names
}

// didYouMean begins a hint, where there are names to suggest.
func didYouMean(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return "Did you mean " + strings.Join(names, " or ") + "? "
}

func usageError(c *urfave.Context, err error, _ bool) error {
	name := "fx"
	if c.Command != nil && c.Command.HelpName != "" {
		name = c.Command.HelpName
	}
	return fail.Wrap(fail.Usage, err, fmt.Sprintf("`%s --help` lists the flags.", name), "%s", name)
}

// oneArgument returns the only positional argument of c, called what in messages.
func oneArgument(c *urfave.Context, what string) (string, error) {
	if c.Args().Len() != 1 {
		return "", fail.New(fail.Usage, fmt.Sprintf("`%s --help` shows how to call it.", c.Command.HelpName),
			"%s takes one %s, not %d arguments", c.Command.HelpName, what, c.Args().Len())
	}
	return c.Args().First(), nil
}

// noArguments refuses positional arguments, so that a forgotten flag name is noticed.
func noArguments(c *urfave.Context) error {
	if c.Args().Present() {
		return fail.New(fail.Usage, fmt.Sprintf("`%s --help` lists the flags.", c.Command.HelpName),
			"%s takes flags only, not %q", c.Command.HelpName, c.Args().First())
	}
	return nil
}
