package pyenv

import (
	"bytes"
	"context"
	"os"
	"path/filepath"

	"fx/bench/internal/command"
	"fx/internal/durable"
)

// stamp is the file that marks a complete environment: its requirements.
const stamp = "installed.txt"

// Python returns the interpreter of a virtual environment in the folder dir with the packages that the file
// requirements lists. It creates the environment from the python3 in PATH, unless dir has one with the same list, and
// logs that.
func Python(ctx context.Context, dir, requirements string, log func(format string, args ...any)) (string, error) {
	wanted, err := os.ReadFile(requirements)
	if err != nil {
		return "", err
	}
	python := filepath.Join(dir, "bin", "python")
	if installed, err := os.ReadFile(filepath.Join(dir, stamp)); err == nil && bytes.Equal(installed, wanted) {
		return python, nil
	}
	log("installing %s", filepath.Base(dir))
	if _, err := command.Output(ctx, "python3", "-I", "-m", "venv", "--clear", dir); err != nil {
		return "", err
	}
	if _, err := command.Output(ctx, python, "-I", "-m", "pip", "install", "--quiet", "-r", requirements); err != nil {
		return "", err
	}
	return python, durable.WriteBytes(filepath.Join(dir, stamp), wanted) // last: the environment is complete
}
