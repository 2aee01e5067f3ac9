package cli

import (
	"fmt"
	"slices"
	"strings"

	urfave "github.com/urfave/cli/v2"

	"fx/internal/fail"
	"fx/internal/spelling"
)

// flagsFirst moves a command's flags before its positional arguments, since
// urfave/cli v2 stops reading flags at the first argument and users write
// both `fx predict --top 2 a.jpg` and `fx predict a.jpg --top 2`.
func flagsFirst(app *urfave.App, args []string) []string {
	if len(args) == 0 || args[len(args)-1] == completionFlag {
		return args
	}
	command, i := commandOf(app, args)
	if command == nil || len(command.Subcommands) > 0 {
		return args
	}
	var flags, positional []string
	rest := args[i:]
	for len(rest) > 0 {
		word := rest[0]
		rest = rest[1:]
		switch {
		case word == "--":
			positional = append(positional, rest...)
			rest = nil
		case len(word) < 2 || word[0] != '-':
			positional = append(positional, word)
		default:
			flags = append(flags, word)
			if takesValue(command, word) && len(rest) > 0 {
				flags = append(flags, rest[0])
				rest = rest[1:]
			}
		}
	}
	ordered := append(append([]string{}, args[:i]...), flags...)
	if len(positional) > 0 {
		ordered = append(append(ordered, "--"), positional...)
	}
	return ordered
}

func find(commands []*urfave.Command, name string) *urfave.Command {
	for _, c := range commands {
		if c.HasName(name) {
			return c
		}
	}
	return nil
}

// commandOf returns the command that args name, nil for fx itself, and where its words begin.
func commandOf(app *urfave.App, args []string) (command *urfave.Command, at int) {
	commands := app.Commands
	for at = 1; at < len(args); at++ {
		next := find(commands, args[at])
		if next == nil {
			break
		}
		command, commands = next, next.Subcommands
	}
	return command, at
}

// checkWords refuses flags that the command does not have, and suggests similar ones. It also refuses a group of
// commands with --json or --quiet but without one of its commands: urfave/cli would print help.
func checkWords(app *urfave.App, args []string) error {
	if len(args) == 0 || args[len(args)-1] == completionFlag {
		return nil
	}
	command, at := commandOf(app, args)
	fullName, words := strings.Join(append([]string{"fx"}, args[1:at]...), " "), args[at:]
	if command == nil || len(command.Subcommands) > 0 {
		commands := app.Commands
		if command != nil {
			commands = command.Subcommands
		}
		shared := func(word string) bool { return word == "--json" || word == "--quiet" }
		name := func(word string) bool { return !strings.HasPrefix(word, "-") }
		if !slices.ContainsFunc(words, shared) || slices.ContainsFunc(words, name) {
			return nil
		}
		hint, _ := commandsHint(commands, fullName)
		return fail.New(fail.Usage, hint, "%s needs one of its commands", fullName)
	}
	for len(words) > 0 && words[0] != "--" {
		word := words[0]
		words = words[1:]
		if len(word) < 2 || word[0] != '-' {
			continue
		}
		given, _, _ := strings.Cut(strings.TrimLeft(word, "-"), "=")
		if !hasFlag(command, given) && given != "help" && given != "h" {
			var near []string
			for _, flag := range spelling.Nearest(flagNames(command), given) {
				near = append(near, "--"+flag)
			}
			return fail.New(fail.Usage, didYouMean(near)+fmt.Sprintf("`%s --help` lists the flags.", fullName),
				"%s has no flag --%s", fullName, given)
		}
		if takesValue(command, word) && len(words) > 0 {
			words = words[1:]
		}
	}
	return nil
}

func flagNames(command *urfave.Command) []string {
	var names []string
	for _, f := range command.Flags {
		names = append(names, f.Names()...)
	}
	return names
}

func hasFlag(command *urfave.Command, name string) bool {
	return slices.Contains(flagNames(command), name)
}

// takesValue reports whether the flag's value is the next word. Unknown flags
// take none: the parser will refuse them by name.
func takesValue(command *urfave.Command, word string) bool {
	if strings.Contains(word, "=") {
		return false
	}
	name := strings.TrimLeft(word, "-")
	for _, f := range command.Flags {
		for _, n := range f.Names() {
			if n == name {
				_, isBool := f.(*urfave.BoolFlag)
				return !isBool
			}
		}
	}
	return false
}
