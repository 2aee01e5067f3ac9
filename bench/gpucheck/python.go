package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// installed is the first line of a script: the versions that it found.
type installed struct {
	Torch       string  `json:"torch"`
	Torchvision string  `json:"torchvision"`
	Timm        *string `json:"timm"`
	Workers     int     `json:"workers"`
}

func (i installed) String() string {
	text := fmt.Sprintf("%s, torchvision %s", i.Torch, i.Torchvision)
	if i.Timm != nil {
		text += ", timm " + *i.Timm
	}
	return text
}

// runPython runs one of gpucheck's scripts, which print a JSON object a line, and
// passes each line after the first to line. The first has the installed versions, or the
// reason why the script can't run, which is returned as the error.
func (o options) runPython(ctx context.Context, name string, script []byte, args []string,
	line func([]byte)) (installed, error) {
	var about installed
	if o.python == "" {
		return about, fmt.Errorf("no Python was named")
	}
	path := filepath.Join(o.scratch, name)
	if err := os.WriteFile(path, script, 0o644); err != nil {
		return about, err
	}
	command := exec.CommandContext(ctx, o.python, append([]string{path}, args...)...)
	var stderr bytes.Buffer
	command.Stderr = &stderr
	stdout, err := command.StdoutPipe()
	if err == nil {
		err = command.Start()
	}
	if err != nil {
		return about, fmt.Errorf("%s does not start: %w", o.python, err)
	}
	problem := ""
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		var first struct {
			installed
			Network string `json:"network"`
			Problem string `json:"problem"`
		}
		switch {
		case json.Unmarshal(lines.Bytes(), &first) != nil: // whatever else a library prints
		case first.Torch != "":
			about = first.installed
		case first.Network == "":
			problem = first.Problem
		default:
			line(lines.Bytes())
		}
	}
	waited := command.Wait()
	switch {
	case problem != "":
		return about, fmt.Errorf("%s", problem)
	case about.Torch == "":
		said := strings.TrimSpace(stderr.String())
		return about, fmt.Errorf("%s has no torch with torchvision (%v: %s)", o.python, waited,
			said[strings.LastIndexByte(said, '\n')+1:])
	}
	return about, nil
}
