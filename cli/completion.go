package cli

import (
	"fmt"
	"io"

	urfave "github.com/urfave/cli/v2"
)

const shellCategory = "The command line"

// completionFlag is urfave/cli's, for every shell.
const completionFlag = "--generate-bash-completion"

// The scripts ask fx itself: urfave/cli answers a command line that ends in completionFlag with the commands
// or flags that may stand in the place of the word before it. Where there are none, the shell offers files.
var completionScripts = []struct{ shell, install, script string }{
	{"bash", "source <(fx completion bash)", `_fx() {
	local line=("${COMP_WORDS[@]:0:COMP_CWORD}" "${COMP_WORDS[COMP_CWORD]}")
	COMPREPLY=($(compgen -W "$("${line[@]}" --generate-bash-completion 2>/dev/null)" -- "${COMP_WORDS[COMP_CWORD]}"))
}
complete -o bashdefault -o default -F _fx fx
`},
	{"zsh", "source <(fx completion zsh)", `#compdef fx
_fx() {
	local -a offered
	offered=("${(@f)$("${(@)words[1,CURRENT]}" --generate-bash-completion 2>/dev/null)}")
	if [[ -n "$offered[1]" ]]; then
		compadd -- "${offered[@]}"
	else
		_files
	fi
}
if [[ "$funcstack[1]" = _fx ]]; then
	_fx "$@"
else
	compdef _fx fx
fi
`},
	{"fish", "fx completion fish | source", `function __fx
	set -l line (commandline -opc) (commandline -ct)
	$line --generate-bash-completion 2>/dev/null
end
complete -c fx -a '(__fx)'
`},
}

func completionCommand(out *output) *urfave.Command {
	c := &urfave.Command{
		Name: "completion", Usage: "print a script that completes commands and flags in a shell",
		HideHelpCommand: true,
	}
	for _, s := range completionScripts {
		c.Subcommands = append(c.Subcommands, &urfave.Command{
			Name:        s.shell,
			Usage:       fmt.Sprintf("the script for %s: `%s`", s.shell, s.install),
			Description: fmt.Sprintf("Add this line to the startup file of %s:\n\n%s", s.shell, s.install),
			Action: func(ctx *urfave.Context) error {
				if err := noArguments(ctx); err != nil {
					return err
				}
				answer := map[string]string{"shell": s.shell, "script": s.script}
				return out.result(answer, func(w io.Writer) { fmt.Fprint(w, s.script) })
			},
		})
	}
	return c
}

// helpCommand answers `fx help` and `fx help COMMAND` as --help does.
func helpCommand() *urfave.Command {
	return &urfave.Command{
		Name: "help", Usage: "show help for fx or a command", ArgsUsage: "[COMMAND...]",
		Category: shellCategory, OnUsageError: usageError, HideHelpCommand: true,
		Action: func(c *urfave.Context) error {
			if !c.Args().Present() {
				return urfave.ShowAppHelp(c)
			}
			args := append([]string{"fx"}, c.Args().Slice()...)
			return c.App.RunContext(c.Context, append(args, "--help"))
		},
	}
}
