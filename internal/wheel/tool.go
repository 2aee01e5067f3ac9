package wheel

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"time"
)

// tool is a program that fetches wheels.
type tool struct {
	name    string   // "pip" or "uv"
	command []string // the program and its first arguments
}

// tools in the order of preference. "python" may be Python 2, which has no -I and fails.
var tools = []tool{
	{"pip", []string{"python3", "-I", "-m", "pip"}},
	{"pip", []string{"python", "-I", "-m", "pip"}},
	{"pip", []string{"pip3"}},
	{"pip", []string{"pip"}},
	{"uv", []string{"uv", "--no-config"}},
}

// findTool returns the first tool that prints its version.
func findTool(ctx context.Context, work string) (tool, error) {
	for _, t := range tools {
		path, err := exec.LookPath(t.command[0])
		if err != nil {
			continue // also exec.ErrDot: PATH names the current folder
		}
		t.command = append([]string{path}, t.command[1:]...)
		if t.run(ctx, work, []string{"--version"}) == nil {
			return t, nil
		}
		if ctx.Err() != nil {
			return tool{}, context.Cause(ctx)
		}
	}
	return tool{}, &Error{Reason: NoTool}
}

// arguments returns the arguments that fetch the package into target.
func (t tool) arguments(r Request, target string) []string {
	if t.name == "uv" {
		args := []string{"pip", "install", "--quiet", "--system", "--only-binary", ":all:", "--target", target}
		if !r.Dependencies {
			args = append(args, "--no-deps")
		}
		if r.Target.Python != "" {
			args = append(args, "--python-version", r.Target.Python)
		}
		return append(args, r.Requirement)
	}
	args := []string{"download", "--disable-pip-version-check", "--no-input", "--progress-bar", "off",
		"--only-binary=:all:", "--dest", target}
	if !r.Dependencies {
		args = append(args, "--no-deps")
	}
	if r.Brief {
		args = append(args, "--retries", "1", "--timeout", "10")
	}
	if r.Target.Python != "" {
		args = append(args, "--python-version", r.Target.Python, "--implementation", "cp")
	}
	for _, abi := range r.Target.ABIs {
		args = append(args, "--abi", abi)
	}
	for _, platform := range r.Target.Platforms {
		args = append(args, "--platform", platform)
	}
	return append(args, r.Requirement)
}

// run is the only function that starts the tools: in an empty folder, without the variables that make Python import
// other code. The error is ctx's or an *Error.
func (t tool) run(ctx context.Context, work string, args []string) error {
	cmd := exec.CommandContext(ctx, t.command[0], append(t.command[1:len(t.command):len(t.command)], args...)...)
	cmd.Dir, cmd.Env = work, environment(os.Environ())
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // so that it removes its temporary files
	cmd.WaitDelay = 5 * time.Second
	var output tail
	cmd.Stdout, cmd.Stderr = &output, &output
	err := cmd.Run()
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		return newError(t.name, err, string(output.last))
	}
	return nil
}

// tail is a Writer that keeps the end of its input.
type tail struct{ last []byte }

func (t *tail) Write(b []byte) (int, error) {
	t.last = append(t.last, b...)
	if extra := len(t.last) - 64<<10; extra > 0 {
		t.last = t.last[extra:]
	}
	return len(b), nil
}

// environment returns all without the variables that make Python import other code (PYTHONPATH, PYTHONHOME,
// PYTHONSTARTUP, …), and without those that move uv to another folder. It keeps the folder of the user's packages,
// where pip3 may find pip.
func environment(all []string) []string {
	var kept []string
	for _, entry := range all {
		name, _, _ := strings.Cut(entry, "=")
		moved := name == "UV_WORKING_DIR" || name == "UV_PROJECT"
		if moved || strings.HasPrefix(strings.ToUpper(name), "PYTHON") && name != "PYTHONUSERBASE" {
			continue
		}
		kept = append(kept, entry)
	}
	return append(kept, "PYTHONSAFEPATH=1", // for pip3, which does not accept -I
		"UV_PYTHON_DOWNLOADS=never") // uv needs no Python of its own to unpack wheels
}
