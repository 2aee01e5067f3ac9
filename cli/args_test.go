package cli

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFlagsMayFollowArguments(t *testing.T) {
	app := newApp(newOutput(io.Discard, io.Discard))
	for given, want := range map[string]string{
		"fx predict --model m a.jpg":               "fx predict --model m -- a.jpg",
		"fx predict a.jpg --top 2 b.jpg --model m": "fx predict --top 2 --model m -- a.jpg b.jpg",
		"fx predict a.jpg --json --top=2":          "fx predict --json --top=2 -- a.jpg",
		"fx predict --model m -- --odd.jpg":        "fx predict --model m -- --odd.jpg",
		"fx backbones save resnet18 --out w.onnx":  "fx backbones save --out w.onnx -- resnet18",
		"fx backbones":               "fx backbones",
		"fx runtime install --gpu":   "fx runtime install --gpu",
		"fx nonsense --top 2":        "fx nonsense --top 2",
		"fx predict --unknown a.jpg": "fx predict --unknown -- a.jpg",
	} {
		if got := strings.Join(flagsFirst(app, strings.Fields(given)), " "); got != want {
			t.Errorf("%s\n got %s\nwant %s", given, got, want)
		}
	}
}

// What is misspelt gets a suggestion, and --json its one document, though no command reads it.
func TestMisspeltWords(t *testing.T) {
	for given, want := range map[string][2]string{
		"fx extract --epoch 2 --data d":         {"fx extract has no flag --epoch", "`fx extract --help`"},
		"fx finetune --epoch=2":                 {"fx finetune has no flag --epoch", "Did you mean --epochs?"},
		"fx fit-head --feature st --out m":      {"has no flag --feature", "Did you mean --features?"},
		"fx predict a.jpg --modle m":            {"has no flag --modle", "Did you mean --model?"},
		"fx nope":                               {`fx has no command "nope"`, "Commands: "},
		"fx fithead --features st":              {`fx has no command "fithead"`, "Did you mean fit-head?"},
		"fx features exprt":                     {`fx features has no command "exprt"`, "Did you mean export?"},
		"fx features":                           {"", ""},
		"fx features --quiet":                   {"fx features needs one of its commands", "Commands: "},
		"fx --quiet":                            {"fx needs one of its commands", "Commands: "},
		"fx backbones save resnet18 --output x": {"fx backbones save has no flag --output", "--out"},
	} {
		for _, asked := range []string{"", " --json"} {
			if want[0] == "" && asked == "" {
				continue
			}
			says := want[0]
			if says == "" {
				says = "fx features needs one of its commands"
			}
			a := inside(strings.Fields(given + asked)[1:]...)
			if a.code != 2 || !strings.Contains(a.stderr, says) || !strings.Contains(a.stderr, want[1]) {
				t.Errorf("%s%s: exit code %d: %s", given, asked, a.code, a.stderr)
			}
			if document(a.stdout) != (asked != "") {
				t.Errorf("%s%s: printed %q", given, asked, a.stdout)
			}
		}
	}
}

// document tells whether the text is one JSON document.
func document(text string) bool {
	var v any
	return json.Unmarshal([]byte(text), &v) == nil
}

// A refusal says what was given and names the flag that is missing.
func TestRefusalsSayWhatWasGiven(t *testing.T) {
	for given, says := range map[string]string{
		"fx artifacts generate --backbone resnet18 --out o": "fx artifacts generate " +
			"needs --classes",
		"fx artifacts generate --backbone resnet18 --out o --classes 0 --weights seed:1": "a classifier for 0 classes",
		"fx finetune --backbone resnet18 --data d --out " +
			"o": "must be told which parameters learn",
		"fx finetune --backbone resnet18 --data d --out o --all-params --head-only": "is told in 2 ways which " +
			"parameters learn",
		"fx eval --model m":                           "fx eval needs --features STORE or --data DIR",
		"fx eval --model m --data d --features f":     "takes --features or --data, not both",
		"fx lr-find":                                  "must be told what to train",
		"fx lr-find --features f --backbone resnet18": "trains a head or a network, not both",
	} {
		if a := inside(strings.Fields(given)[1:]...); a.code != 2 || !strings.Contains(a.stderr, says) {
			t.Errorf("%s: exit code %d: %s", given, a.code, a.stderr)
		}
	}
}

// A file's ending says what is in it, and - is no file.
func TestOutputsHaveTheirEndings(t *testing.T) {
	dir := outputsDir(t)
	model, store := filepath.Join(dir, "model"), filepath.Join(dir, "store")
	for _, c := range []struct{ args, says string }{
		{"export --model " + model + " --out m.pt", "--out m.pt is no .onnx file"},
		{"export --model " + model + " --out -", "--out - is no .onnx file"},
		{"features export " + store + " --format csv --out rows.parquet", "does not end as the format csv"},
		{"features export " + store + " --format npy --out rows.csv", "does not end as the format npy"},
		{"features export " + store + " --format csv --out -", "standard output"},
		{"features export " + store + " --out m.pt", `unknown export format "pt"`},
		{"fit-head --features " + store + " --out -", "standard output"},
		{"backbones save squeezenet1_1 --weights seed:1 --out m.pt", "has no known format"},
		{"report " + model + " --out m.pdf", "is no .html file"},
		{"lr-find --features " + store + " --out m.jpg", "is no .png file"},
	} {
		if a := inside(strings.Fields(c.args)...); a.code != 2 || !strings.Contains(a.stderr, c.says) {
			t.Errorf("fx %s: exit code %d: %s", c.args, a.code, a.stderr)
		}
	}
	for _, left := range []string{"-", "m.pt", "rows.csv", "rows.parquet"} {
		if _, err := os.Stat(left); err == nil {
			t.Errorf("%s was written", left)
		}
	}
}
