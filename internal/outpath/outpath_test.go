//go:build unix

package outpath_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"fx/internal/fail"
	"fx/internal/outpath"
)

const (
	storeMark      = `{"format_version": 1, "backbone": "tiny", "graph_sha256": "00", "classes": []}`
	modelMark      = `{"format_version": 1, "backbone": {}, "preprocess": {}, "head": {}}`
	runMark        = `{"format_version": 2, "id": "0", "status": "finished", "settings": {}}`
	experimentMark = `{"format_version": 1, "name": "n", "title": "t", "runs": []}`
	artifactsMark  = `{"format_version": 2, "network": "tiny", "classes": 2, "options": {}, "parameters": []}`
	summaryMark    = `{"format_version": 1, "inputs_sha256": "", "unchanged": false, "files": {}}`
	checkpointMark = `{"format_version": 2, "network": "tiny", "training": null}`
	rowsMark       = `{"classes": [], "path": []}`
)

// write makes a folder of the files, each NAME or NAME=CONTENT; a name with a
// slash at its end is a folder, NAME->TARGET a link.
func write(t *testing.T, dir string, files ...string) string {
	t.Helper()
	for _, file := range append([]string{"/"}, files...) {
		name, content, _ := strings.Cut(file, "=")
		name, target, link := strings.Cut(name, "->")
		path := filepath.Join(dir, name)
		err := os.MkdirAll(filepath.Dir(path), 0o777)
		switch {
		case link:
			err = errors.Join(err, os.Symlink(target, path))
		case strings.HasSuffix(name, "/"):
			err = errors.Join(err, os.MkdirAll(path, 0o777))
		default:
			err = errors.Join(err, os.WriteFile(path, []byte(content), 0o666))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestFolders(t *testing.T) {
	for _, c := range []struct {
		name    string
		kind    outpath.Kind
		files   []string
		refused string // part of the message, "" for none
	}{
		{"empty", outpath.Store, nil, ""},
		{"hidden files and a disk's own folder", outpath.Model, []string{".git/config", ".DS_Store", "lost+found/"},
			""},
		{"what an ended process left", outpath.Run, []string{"run.json.fx-tmp-12345"}, ""},

		{"a store", outpath.Store, []string{"manifest.json=" + storeMark, "shard-00000.arrow", "notes.txt"}, ""},
		{"an unfinished store", outpath.Store,
			[]string{"lock", "shard-0-of-4.lock", "maintenance.lock", "statcache-0-of-4"}, ""},
		{"a store whose manifest is torn", outpath.Store,
			[]string{"manifest.json=" + storeMark[:30], "shard-00000.arrow"}, ""},
		{"a model with reports, exports and logs", outpath.Model,
			[]string{"model.json=" + modelMark, "head.safetensors", "report.html", "net.onnx",
				"events.out.tfevents.0000000001.fx"}, ""},
		{"what a killed fit-head left", outpath.Model, []string{"head.safetensors", "metrics.csv"}, ""},
		{"a finished run", outpath.Run,
			[]string{"run.json=" + runMark, "model.json=" + modelMark, "checkpoint/best/state.json=" +
				checkpointMark}, ""},
		{"an unfinished run", outpath.Run, []string{"lock", "checkpoint/"}, ""},
		{"an experiment", outpath.Experiment, []string{"experiment.json=" + experimentMark, "results.csv", "runs/x/"},
			""},
		{"artifacts", outpath.Artifacts, []string{"artifacts.json=" + artifactsMark, "notes.txt"}, ""},
		{"unfinished artifacts", outpath.Artifacts,
			[]string{"step_model.onnx", "checkpoint/state.json=" + checkpointMark}, ""},
		{"a quickstart's", outpath.Quickstart,
			[]string{"summary.json=" + summaryMark, "features/manifest.json=" + storeMark, "notes.txt"}, ""},
		{"an interrupted quickstart's", outpath.Quickstart,
			[]string{"features/manifest.json=" + storeMark, "model/model.json=" + modelMark, "notes.txt"}, ""},
		{"a quickstart's that just began", outpath.Quickstart, []string{"features/lock"}, ""},
		{"a demo's", outpath.Demo,
			[]string{"features-tiny/manifest.json=" + storeMark, "model/model.json=" + modelMark, "report.png",
				"notes.txt"}, ""},
		{"exported features", outpath.NPY, []string{"rows.json=" + rowsMark, "features.npy", "notes.txt"}, ""},

		{"another's features", outpath.NPY, []string{"features.npy"},
			"is not features exported to numpy's files: it holds features.npy"},
		{"photos", outpath.Store, []string{"train/red/0.jpg"}, "is not an embedding store: it holds train"},
		{"another program's manifest", outpath.Store,
			[]string{`manifest.json={"name": "An app", "manifest_version": 3}`}, "holds manifest.json"},
		{"another program's model", outpath.Model,
			[]string{`model.json={"format": "layers-model", "modelTopology": {}}`,
				"group1-shard1of1.bin"}, "is not a model"},
		{"a list", outpath.Model, []string{`model.json=["format_version", "backbone", "head"]`}, "is not a model"},
		{"a run for a model", outpath.Model,
			[]string{"run.json=" + runMark, "model.json=" + modelMark}, "holds a run of `fx finetune`"},
		{"a run for artifacts", outpath.Artifacts,
			[]string{"run.json=" + runMark, "checkpoint/best/state.json=" + checkpointMark}, "holds a run"},
		{"a run into which artifacts were written once", outpath.Artifacts,
			[]string{"run.json=" + runMark, "artifacts.json=" + artifactsMark}, "holds a run"},
		{"a model for a run", outpath.Run, []string{"model.json=" + modelMark, "head.safetensors"}, "holds a model"},
		{"artifacts for a run", outpath.Run,

			[]string{"artifacts.json=" + artifactsMark, "checkpoint/state.json=" +
				checkpointMark}, "holds the training graphs"},
		{"a store for a run", outpath.Run, []string{"manifest.json=" + storeMark}, "holds an embedding store"},
		{"a checkpoint for artifacts", outpath.Artifacts,
			[]string{"state.json=" + checkpointMark, "model.safetensors"}, "holds a checkpoint"},
		{"checkpoints without their run", outpath.Run,
			[]string{"checkpoint/last/state.json=" + checkpointMark}, "it holds checkpoint/last"},
		{"another training's checkpoints", outpath.Artifacts,
			[]string{"checkpoint/epoch1.pt"}, "it holds checkpoint/epoch1.pt"},
		{"artifacts whose checkpoint holds more", outpath.Artifacts,

			[]string{"artifacts.json=" + artifactsMark, "checkpoint/state.json=" + checkpointMark,
				"checkpoint/epoch5.pt"}, "epoch5.pt would be lost"},
		{"an experiment for a quickstart", outpath.Quickstart,
			[]string{"experiment.json=" + experimentMark}, "holds an experiment"},
		{"a model folder beside others", outpath.Demo, []string{"features-tiny/lock", "thesis.tex"},
			"it holds thesis.tex"},
		{"a model for exported features", outpath.NPY, []string{"model.json=" + modelMark}, "holds a model"},
	} {
		dir := filepath.Join(t.TempDir(), "out")
		write(t, dir, c.files...)
		err := outpath.Prepare(false, outpath.Target{Kind: c.kind, Path: dir})
		switch {
		case c.refused == "" && err != nil:
			t.Errorf("%s: %v", c.name, err)
		case c.refused != "" && (err == nil || fail.KindOf(err) != fail.Usage || !strings.Contains(err.Error(),
			c.refused)):
			t.Errorf("%s: %v, and not a usage error with %q", c.name, err, c.refused)
		}
		if err := outpath.Prepare(true, outpath.Target{Kind: c.kind, Path: dir}); err != nil {
			t.Errorf("%s, with --force: %v", c.name, err)
		}
	}
}

func TestFiles(t *testing.T) {
	const header = "\x10\x00\x00\x00\x00\x00\x00\x00"
	onnx, table := "\x08\x09\x12\x02fx:rest", "path,sha256,split,class,label,view,f0\n"
	for _, c := range []struct {
		name    string
		kind    outpath.Kind
		file    string
		content string
		refused string
	}{
		{"its own", outpath.ONNX, "a.onnx", onnx, ""},
		{"its own under another ending", outpath.ONNX, "a.bin", onnx, ""},
		{"an empty one, as of mktemp", outpath.ONNX, "a", "", ""},
		{"a classifier on a network of another program", outpath.ONNX, "a.onnx",
			"\x08\x09\x12\x07pytorch:rest\x0a\x0dfx.provenance", ""},
		{"weights", outpath.Weights, "a.safetensors", header + `{"__metadata__":{"fx.backbone":"resnet18"}}`, ""},
		{"features", outpath.FeaturesSafetensors, "a.safetensors", header +
			`{"__metadata__":{"classes":"[]","manifest":"{\"format_version\":1}"}}`, ""},
		{"features as a table", outpath.Parquet, "a.parquet", "PAR1 fx.feature_shape PAR1", ""},
		{"a picture", outpath.PNG, "a.png", "\x89PNG\r\n\x1a\n tEXtSoftware\x00fx", ""},
		{"a table of features", outpath.FeaturesTable, "a.csv", table, ""},
		{"a page", outpath.HTML, "a.html", "\n<!DOCTYPE HTML><meta name=\"generator\" content=\"fx\"><title>", ""},

		{"another's network", outpath.ONNX, "a.onnx", "\x08\x09\x12\x07pytorch:rest", "not an ONNX file that fx wrote"},
		{"another's weights", outpath.Weights, "a.safetensors", header + "{}",
			"not a safetensors file of weights that fx wrote"},
		{"weights for features", outpath.FeaturesSafetensors, "a.safetensors", header +
			`{"__metadata__":{"fx.backbone":"resnet18"}}`, "not a safetensors file of features"},
		{"another's table", outpath.Parquet, "a.parquet", "PAR1 PAR1", "not a Parquet file that fx wrote"},
		{"another's picture", outpath.PNG, "a.png", "\x89PNG\r\n\x1a\n", "not a PNG picture that fx wrote"},
		{"another's page", outpath.HTML, "a.html", "\n<!DOCTYPE HTML><title>", "not an HTML page that fx wrote"},

		{"a photo", outpath.ONNX, "photo.jpg", "\xff\xd8\xff\xe0", "not an ONNX file"},
		{"text under the ending", outpath.ONNX, "notes.onnx", "remember", "not an ONNX file"},
		{"a list of photos", outpath.FeaturesTable, "photos.csv", "path,label\n", "not a table of features"},
		{"a table for another", outpath.LRTable, "features.csv", table, "not a table of learning rates"},
		{"text for a page", outpath.HTML, "a.html", "notes", "not an HTML page"},
		{"a photo for a picture", outpath.PNG, "a.png", "\xff\xd8\xff\xe0", "not a PNG picture"},
	} {
		path := filepath.Join(write(t, t.TempDir(), c.file+"="+c.content), c.file)
		err := outpath.Prepare(false, outpath.Target{Kind: c.kind, Path: path})
		switch {
		case c.refused == "" && err != nil:
			t.Errorf("%s: %v", c.name, err)
		case c.refused != "" && (fail.KindOf(err) != fail.Usage || !strings.Contains(err.Error(), c.refused)):
			t.Errorf("%s: %v, and not %q", c.name, err, c.refused)
		}
		if err := outpath.Prepare(true, outpath.Target{Kind: c.kind, Path: path}); err != nil {
			t.Errorf("%s, with --force: %v", c.name, err)
		}
		if err := outpath.Prepare(false, outpath.Target{Kind: c.kind, Path: path + "-new"}); err != nil {
			t.Errorf("%s: a new file: %v", c.name, err)
		}
	}
}

// What other commands made is not replaced file by file.
func TestPartsOfFoldersStay(t *testing.T) {
	const onnx = "\x08\x09\x12\x02fx"
	const safetensors = "\x02\x00\x00\x00\x00\x00\x00\x00" + `{"__metadata__":{"fx.backbone":"resnet18"}}`
	for _, c := range []struct {
		mark, part string
		kind       outpath.Kind
	}{
		{"model.json=" + modelMark, "head.safetensors=" + safetensors, outpath.Weights},
		{"run.json=" + runMark, "network.onnx=" + onnx, outpath.ONNX},
		{"state.json=" + checkpointMark, "model.safetensors=" + safetensors, outpath.Weights},
		{"artifacts.json=" + artifactsMark, "step_model.onnx=" + onnx, outpath.ONNX},
	} {
		name, _, _ := strings.Cut(c.part, "=")
		alone := write(t, t.TempDir(), c.part)
		if err := outpath.Prepare(false, outpath.Target{Kind: c.kind, Path: filepath.Join(alone, name)}); err != nil {
			t.Errorf("%s alone: %v", name, err)
		}
		part := filepath.Join(write(t, t.TempDir(), c.mark, c.part), name)
		if err := outpath.Prepare(false, outpath.Target{Kind: c.kind, Path: part}); fail.KindOf(err) != fail.Usage {
			t.Errorf("%s beside its format file: %v", name, err)
		}
	}
	dir := write(t, t.TempDir(), "net.onnx="+onnx, "other->net.onnx")
	net := filepath.Join(dir, "net.onnx")
	over := outpath.Target{Kind: outpath.ONNX, Path: filepath.Join(dir, "other"), Inputs: []string{net}}
	if err := outpath.Prepare(false, over); fail.KindOf(err) != fail.Usage {
		t.Errorf("what the command reads: %v", err)
	}
}

func TestNothingIsWrittenAmongPhotos(t *testing.T) {
	dir := write(t, t.TempDir(), "photos/train/red/0.jpg", "disk/blue/0.jpg", "photos/train/blue->../../disk/blue",
		"elsewhere/", "photos/green->../disk/blue", "same->photos", "bad.csv", "pictures/0.jpg", "lists/",
		"lists/list.csv=label,path\nred,../photos/train/red/0.jpg\nblue,../pictures/0.jpg\n")
	in := func(name string) string { return filepath.Join(dir, name) }
	for _, c := range []struct {
		out, photos string
		refused     bool
	}{
		{"photos/run", "photos", true},
		{"photos/run/deeper", "photos", true},
		{"photos/train/red/run", "photos", true},
		{"same/run", "photos", true},
		{"photos/run", "same", true},
		{"disk/blue/run", "photos", true}, // a class of the photos by a link
		{"disk/run", "photos", false},
		{"elsewhere/run", "photos", false},
		{"photos-fx", "photos", false},
		{"photos/train/red/run", "lists/list.csv", true},
		{"same/train/red/run", "lists/list.csv", true},
		{"pictures/run", "lists/list.csv", true},
		{"photos/run", "lists/list.csv", true}, // which the list names on the way to its photos
		{"photos/train/run", "lists/list.csv", true},
		{"lists/run", "lists/list.csv", false},
		{"run", "lists/list.csv", false},
		{"run", "bad.csv", false},
		{"run", "missing", false},
	} {
		for kind, path := range map[outpath.Kind]string{outpath.Model: in(c.out), outpath.PNG: in(c.out + ".png")} {
			target := outpath.Target{Kind: kind, Path: path, Photos: in(c.photos), MakesFolder: true}
			if err := outpath.Prepare(false, target); (err != nil) != c.refused || err != nil &&
				fail.KindOf(err) != fail.Usage {
				t.Errorf("%s beside %s: %v", path, c.photos, err)
			}
			if err := outpath.Prepare(true, target); err != nil {
				t.Errorf("%s with --force: %v", path, err)
			}
		}
	}
	if err := outpath.Prepare(false, outpath.Target{Kind: outpath.Model, Path: in("photos"),
		Photos: in("photos")}); err == nil {
		t.Error("the photos' folder itself is taken")
	}
}

// A command that knows no photos sees them by their folders.
func TestClassesAreSeenWithoutKnowingThem(t *testing.T) {
	dir := write(t, t.TempDir(),
		"splits/LICENSE", "splits/train/red/0.jpg", "splits/train/blue/0.JPG", "splits/val/red/1.png",
		"splits/val/blue/1.png", "classes/red/0.jpg", "classes/red/.DS_Store", "classes/blue/0.jpg",
		"home/pictures/0.jpg", "home/screenshots/0.png", "home/models/net.onnx", "home/empty/", "home/plots/loss.png",
		"one/pictures/0.jpg")
	for out, refused := range map[string]bool{
		"splits/new": true, "splits/train/new": true, "splits/train/red/new": true, "splits/train/red/deeper/new": true,
		"classes/new": true, "classes/red/new": true, "classes": true,
		"new": false, "home/new": false, "home/pictures/new": false, "home/plots/new": false, "one/new": false,
		"one/pictures/new": false,
	} {
		target := outpath.Target{Kind: outpath.Artifacts, Path: filepath.Join(dir, out)}
		if err := outpath.Prepare(false, target); (err != nil) != refused {
			t.Errorf("a folder %s: %v", out, err)
		}
		target = outpath.Target{Kind: outpath.ONNX, Path: filepath.Join(dir, out+".onnx"), MakesFolder: true}
		if err := outpath.Prepare(false, target); (err != nil) != (refused && out != "classes") {
			t.Errorf("a file %s.onnx: %v", out, err)
		}
		if err := outpath.Prepare(true, target); err != nil {
			t.Errorf("%s with --force: %v", out, err)
		}
	}
}

// A file goes into a folder that is there, unless the command makes it; --force makes none.
func TestAFileNeedsItsFolder(t *testing.T) {
	dir := t.TempDir()
	target := outpath.Target{Kind: outpath.PNG, Path: filepath.Join(dir, "missing", "plot.png")}
	for _, force := range []bool{false, true} {
		err := outpath.Prepare(force, target)
		if fail.KindOf(err) != fail.Usage || !strings.Contains(fail.HintOf(err), "--out") {
			t.Errorf("force %v: %v", force, err)
		}
	}
	target.MakesFolder = true
	if err := outpath.Prepare(false, target); err != nil {
		t.Error(err)
	}
}

// These are refused with --force too.
func TestWhatIsNoPlaceForAnOutput(t *testing.T) {
	dir := write(t, t.TempDir(), "folder/", "file=text", "real/", "link->real", "dangling->missing")
	in := func(name string) string { return filepath.Join(dir, name) }
	if err := errors.Join(syscall.Mkfifo(in("pipe"), 0o600), syscall.Mkfifo(in("real/lock"), 0o600)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		target outpath.Target
		ok     bool
	}{
		{"a folder for a file", outpath.Target{Kind: outpath.ONNX, Path: in("folder")}, false},
		{"a file for a folder", outpath.Target{Kind: outpath.Store, Path: in("file")}, false},
		{"a pipe for a file", outpath.Target{Kind: outpath.ONNX, Path: in("pipe")}, false},
		{"a device for a file", outpath.Target{Kind: outpath.ONNX, Path: os.DevNull}, false},
		{"a pipe among a store's files", outpath.Target{Kind: outpath.Store, Path: in("link")}, false},
		{"a folder by a link", outpath.Target{Kind: outpath.Model, Path: in("link")}, true},
		{"a folder by a link within an output", outpath.Target{Kind: outpath.Model, Path: in("link"), Nested: true},
			false},
		{"a link to nothing for a folder", outpath.Target{Kind: outpath.Model, Path: in("dangling")}, false},
		{"a link to nothing for a file, which is replaced", outpath.Target{Kind: outpath.ONNX, Path: in("dangling")},
			true},
	} {
		if err := outpath.Prepare(true, c.target); (err == nil) != c.ok || err != nil &&
			fail.KindOf(err) != fail.Usage {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestPrepareRemovesWhatEndedProcessesLeft(t *testing.T) {
	dir := write(t, t.TempDir(), "net.onnx.fx-tmp-1", "other.onnx.fx-tmp-1",
		"model/model.json="+modelMark, "model/report.html.fx-tmp-1")
	in := func(name string) string { return filepath.Join(dir, name) }
	file, folder := outpath.Target{Kind: outpath.ONNX, Path: in("net.onnx")}, outpath.Target{Kind: outpath.Model,
		Path: in("model")}
	if err := outpath.Prepare(false, file, folder); err != nil {
		t.Fatal(err)
	}
	for name, stays := range map[string]bool{
		"net.onnx.fx-tmp-1": false, "other.onnx.fx-tmp-1": true, "model/report.html.fx-tmp-1": false,
	} {
		if _, err := os.Lstat(in(name)); (err == nil) != stays {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestAFolderMadeMeanwhileIsNoLink: another process may make or remove the folder
// between two looks at it.
func TestAFolderMadeMeanwhileIsNoLink(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 20_000 {
			_ = os.Mkdir(dir, 0o777) // either may be too late
			_ = os.Remove(dir)
		}
	}()
	for {
		select {
		case <-done:
			return
		default:
			if err := outpath.Prepare(false, outpath.Target{Kind: outpath.Artifacts, Path: dir}); err != nil {
				t.Fatal(err)
			}
		}
	}
}
