package cli

import (
	"strings"

	urfave "github.com/urfave/cli/v2"
)

// flagsFirst moves a command's flags before its positional arguments, since
// urfave/cli v2 stops reading flags at the first argument and users write
// both `fx predict --top 2 a.jpg` and `fx predict a.jpg --top 2`.
func flagsFirst(app *urfave.App, args []string) []string {
	if len(args) == 0 || args[len(args)-1] == completionFlag {
		return args
	}
	commands := app.Commands
	var command *urfave.Command
	i := 1
	for i < len(args) {
		next := find(commands, args[i])
		if next == nil {
			break
		}
		command, commands = next, next.Subcommands
		i++
	}
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

// takesValue tells whether the flag's value is the next word. Unknown flags
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
