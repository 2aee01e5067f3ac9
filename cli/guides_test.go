package cli

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"fx/internal/ort/orttest"
)

// The guides of docs/guides are run as they stand: each in a folder of its own
// that holds photos/, holiday/ and the repository's scripts/, one block after
// the other. ```sh blocks are bash's, ```python blocks python3's: that of
// FX_PYTHON where it is set. fx is the test's own binary.
//
// What stands after the language says what a block needs:
//
//	needs=torch,timm   these Python packages; without them it is skipped
//	gpu                without a GPU it is rehearsed, see rehearsals
//	download           it fetches much: only run as it stands with FX_GUIDES_DOWNLOAD=1,
//	                   else rehearsed where that leaves out the download, or skipped
//
// A python block also needs what it imports. Weights are those of a seed, in
// FX_WEIGHTS_DIR under the names that a guide's networks have there, so that no
// command is changed for them. sbatch and kubectl are stand-ins, which run the
// array task by task.
func TestGuides(t *testing.T) {
	orttest.Library(t)
	guides, err := filepath.Glob("../docs/guides/*.md")
	if err != nil || len(guides) < 5 {
		t.Fatalf("%d guides, %v", len(guides), err)
	}
	weights := t.TempDir()
	for _, name := range []string{"efficientnet_lite0", "resnet18", "squeezenet1_1", "mobilenet_v3_small",
		"dinov2_vits14"} {
		succeed(t, "backbones", "save", name, "--weights", "seed:0", "--out",
			filepath.Join(weights, name+".safetensors"))
	}
	for _, path := range guides {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".md"), func(t *testing.T) {
			t.Parallel() // each in a folder of its own
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			blocks, err := blocksOf(string(text))
			if err != nil || len(blocks) == 0 {
				t.Fatalf("%d blocks, %v", len(blocks), err)
			}
			g := newGuide(t, weights)
			for _, b := range blocks {
				if !g.run(t, b) {
					return // the next blocks build on this one
				}
			}
		})
	}
}

// block is a fenced block of a guide.
type block struct {
	line     int // of its first command
	language string
	needs    []string // Python packages
	gpu      bool
	download bool
	text     string
}

// blocksOf reads the fenced blocks that have a language. An unknown one, or an
// unknown word after it, is an error: it would never be run.
func blocksOf(guide string) ([]block, error) {
	var blocks []block
	var open *block
	for i, line := range strings.Split(guide, "\n") {
		info, fence := strings.CutPrefix(line, "```")
		switch {
		case open != nil && fence:
			blocks = append(blocks, *open)
			open = nil
		case open != nil:
			open.text += line + "\n"
		case fence:
			words := strings.Fields(info)
			if len(words) == 0 || words[0] != "sh" && words[0] != "python" {
				return nil, fmt.Errorf("line %d: a block of %q is none that a test runs", i+1, info)
			}
			open = &block{line: i + 2, language: words[0]}
			for _, word := range words[1:] {
				packages, needs := strings.CutPrefix(word, "needs=")
				switch {
				case needs:
					open.needs = strings.Split(packages, ",")
				case word == "gpu":
					open.gpu = true
				case word == "download":
					open.download = true
				default:
					return nil, fmt.Errorf("line %d: what does %q mean?", i+1, word)
				}
			}
		}
	}
	if open != nil {
		return nil, fmt.Errorf("line %d: the block does not end", open.line)
	}
	return blocks, nil
}

var imports = regexp.MustCompile(`(?m)^(?:import|from) (\w+)`)

// packages are the Python packages that the block needs.
func (b block) packages() []string {
	all := b.needs
	if b.language == "python" {
		for _, found := range imports.FindAllStringSubmatch(b.text, -1) {
			all = append(all, found[1])
		}
	}
	return all
}

// rehearsals are what a block's commands lose where what they need is not there.
var rehearsals = struct{ gpu, download *strings.Replacer }{
	// A batch is always full, and what a CPU computes is no different for a smaller network.
	gpu: strings.NewReplacer("--device cuda", "--device cpu", "--batch-size 256", "--batch-size 8", "resnet18",
		"squeezenet1_1"),
	download: strings.NewReplacer(" --weights DEFAULT", "", " --pretrained", ""), // random weights
}

// guide is the folder in which one guide is followed.
type guide struct {
	dir string
	env []string
}

func newGuide(t *testing.T, weights string) *guide {
	t.Helper()
	g := &guide{dir: t.TempDir()}
	drawPhotos([]string{filepath.Join(g.dir, "holiday")})
	for _, split := range []string{"train", "val"} {
		drawPhotos([]string{filepath.Join(g.dir, "photos", split, "red"),
			filepath.Join(g.dir, "photos", split, "blue")})
	}
	scripts, err := filepath.Abs("../scripts")
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	python := os.Getenv("FX_PYTHON")
	if python != "" {
		wrapper := fmt.Sprintf("#!/bin/sh\nexec '%s' \"$@\"\n", python)
		if err := os.WriteFile(filepath.Join(bin, "python3"), []byte(wrapper), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(scripts, filepath.Join(g.dir, "scripts")); err != nil {
		t.Fatal(err)
	}
	g.env = append(os.Environ(), "FX_WEIGHTS_DIR="+weights, "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"),
		"PYTHONDONTWRITEBYTECODE=1")
	return g
}

// run runs a block and tells whether the guide can go on.
func (g *guide) run(t *testing.T, b block) bool {
	t.Helper()
	if lacking := g.lacking(b.packages()); len(lacking) > 0 {
		t.Logf("line %d: skipped: %s not installed in python3; FX_PYTHON names another Python", b.line,
			strings.Join(lacking, ", "))
		return true
	}
	if b.gpu {
		if _, err := os.Stat("/dev/nvidiactl"); err != nil {
			t.Logf("line %d: no GPU here: rehearsed on the CPU", b.line)
			b.text = rehearsals.gpu.Replace(b.text)
		}
	}
	if b.download && os.Getenv("FX_GUIDES_DOWNLOAD") != "1" {
		without := rehearsals.download.Replace(b.text)
		if without == b.text {
			t.Logf("line %d: skipped: it downloads; FX_GUIDES_DOWNLOAD=1 runs it", b.line)
			return true
		}
		t.Logf("line %d: rehearsed without the download; FX_GUIDES_DOWNLOAD=1 runs it as it stands", b.line)
		b.text = without
	}
	command := exec.Command("bash", "-euo", "pipefail", "-c", b.text)
	if b.language == "python" {
		command = exec.Command("python3", "-c", b.text)
		command.Path = g.python()
	}
	command.Dir, command.Env = g.dir, g.env
	if said, err := command.CombinedOutput(); err != nil {
		t.Errorf("line %d: %v\n%s\nsaid:\n%s", b.line, err, b.text, said)
		return false
	}
	return true
}

// python is the python3 of the guide's PATH, "" where there is none.
func (g *guide) python() string {
	which := exec.Command("bash", "-c", "command -v python3")
	which.Env = g.env
	out, _ := which.Output() // an error is no python3
	return strings.TrimSpace(string(out))
}

// lacking returns those of the packages that python3 can't import.
func (g *guide) lacking(packages []string) []string {
	if len(packages) > 0 && g.python() == "" {
		return []string{"python3"}
	}
	var lacking []string
	for _, name := range packages {
		c := exec.Command(g.python(), "-c", "import "+name)
		c.Env = g.env
		if c.Run() != nil {
			lacking = append(lacking, name)
		}
	}
	return lacking
}

func TestBlocksOfGuides(t *testing.T) {
	blocks, err := blocksOf("text\n```sh gpu needs=torch,timm\nfx a\nfx b\n```\n    indented\n" +
		"```python\nimport numpy as np\nfrom PIL import Image\n```\n")
	if err != nil || len(blocks) != 2 {
		t.Fatalf("%+v, %v", blocks, err)
	}
	if b := blocks[0]; b.line != 3 || b.text != "fx a\nfx b\n" || !b.gpu || b.download ||
		fmt.Sprint(b.packages()) != "[torch timm]" {
		t.Errorf("%+v", b)
	}
	if got := fmt.Sprint(blocks[1].packages()); got != "[numpy PIL]" {
		t.Errorf("packages %s", got)
	}
	for _, bad := range []string{"```bash\nx\n```\n", "```\nx\n```\n", "```sh gpus\nx\n```\n", "```sh\nx\n"} {
		if _, err := blocksOf(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

// A command in a guide that fails fails the test.
func TestGuidesNoticeAWrongCommand(t *testing.T) {
	g := &guide{dir: t.TempDir(), env: os.Environ()}
	for text, works := range map[string]bool{"fx backbones list": true, "fx backbone list": false,
		"fx frobnicate | cat": false, "fx frobnicate\ntrue": false} {
		inner := &testing.T{}
		if got := g.run(inner, block{language: "sh", text: text}); got != works || inner.Failed() == works {
			t.Errorf("%q: %v", text, got)
		}
	}
}

// sbatch is the stand-in for Slurm's: it runs the script once for each task of its array.
func sbatch(args []string) error {
	script := args[len(args)-1]
	text, err := os.ReadFile(script)
	if err != nil {
		return err
	}
	array := regexp.MustCompile(`(?m)^#SBATCH --array=(\d+)-(\d+)$`).FindStringSubmatch(string(text))
	if array == nil {
		return fmt.Errorf("%s asks for no array", script)
	}
	first, _ := strconv.Atoi(array[1]) // digits
	last, _ := strconv.Atoi(array[2])
	for i := first; i <= last; i++ {
		c := exec.Command("bash", script)
		c.Env = append(os.Environ(), fmt.Sprint("SLURM_ARRAY_TASK_ID=", i),
			fmt.Sprint("SLURM_ARRAY_TASK_MIN=", first), fmt.Sprint("SLURM_ARRAY_TASK_COUNT=", last-first+1))
		c.Stdout, c.Stderr = os.Stdout, os.Stderr
		if err := c.Run(); err != nil {
			return err
		}
	}
	return nil
}

// kubectl is the stand-in for Kubernetes': `apply -f` runs an indexed job's
// command once for each completion. Other commands do nothing.
func kubectl(args []string) error {
	if args[0] != "apply" {
		return nil
	}
	text, err := os.ReadFile(args[len(args)-1])
	if err != nil {
		return err
	}
	field := func(name string) string {
		found := regexp.MustCompile(`(?m)^ *` + name + `: (.*)$`).FindSubmatch(text)
		if found == nil {
			return ""
		}
		return string(found[1])
	}
	completions, err := strconv.Atoi(field("completions"))
	if err != nil || field("kind") != "Job" || field("completionMode") != "Indexed" {
		return fmt.Errorf("no indexed job: %s", text)
	}
	var command []string
	if err := json.Unmarshal([]byte(field("command")), &command); err != nil {
		return fmt.Errorf("command: %w", err)
	}
	for i := range completions {
		c := exec.Command(command[0], command[1:]...)
		c.Env = append(os.Environ(), fmt.Sprint("JOB_COMPLETION_INDEX=", i))
		c.Stdout, c.Stderr = os.Stdout, os.Stderr
		if err := c.Run(); err != nil {
			return err
		}
	}
	return nil
}
