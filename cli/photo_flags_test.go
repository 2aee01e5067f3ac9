//go:build unix

package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fx/internal/modeldir"
	"fx/internal/ort/orttest"
)

// chosenPhotos draws two classes of six photos a split in dir. Two more photos of a class of
// each split lie behind a link, outside of dir, and one is called .gif.
func chosenPhotos(t *testing.T, dir string) (data string) {
	t.Helper()
	data = twoClasses(filepath.Join(dir, "photos"))
	for _, split := range []string{"train", "val"} {
		outside := filepath.Join(dir, "outside", split)
		if err := os.MkdirAll(outside, 0o700); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"0.jpg", "1.jpg"} {
			photo, err := os.ReadFile(filepath.Join(data, split, "blue", name))
			if err == nil {
				err = os.WriteFile(filepath.Join(outside, name), append(photo, split...), 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Symlink(outside, filepath.Join(data, split, "blue", "linked")); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(data, split, "red", "5.jpg"),
			filepath.Join(data, split, "red", "5.gif")); err != nil {
			t.Fatal(err)
		}
	}
	return data
}

// TestAReportTakesThePhotosOfTheTraining has reports extract the photos again, of trainings
// that were told which files are photos.
func TestAReportTakesThePhotosOfTheTraining(t *testing.T) {
	orttest.Library(t)
	flags := []string{"--extensions", ".gif", "--no-follow-links"}
	for name, train := range map[string]func(t *testing.T, dir, data, model string){
		"finetune": func(t *testing.T, _, data, model string) {
			succeed(t, training(data, model, flags...)...)
		},
		"fit-head": func(t *testing.T, dir, data, model string) {
			store := filepath.Join(dir, "store")
			succeed(t, append([]string{"extract", "--backbone", tinyNetwork, "--data", data, "--out", store,
				"--device", "cpu"}, flags...)...)
			succeed(t, "fit-head", "--features", store, "--out", model, "--epochs", "2")
			if err := os.RemoveAll(store); err != nil {
				t.Fatal(err)
			}
		},
		"quickstart": func(t *testing.T, dir, data, model string) {
			out := filepath.Join(dir, "quick")
			succeed(t, append([]string{"quickstart", "--backbone", tinyNetwork, data, "--out", out, "--device",
				"cpu"}, flags...)...)
			if err := os.Rename(filepath.Join(out, "model"), model); err != nil {
				t.Fatal(err)
			}
			if err := os.RemoveAll(out); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			data, model := chosenPhotos(t, dir), filepath.Join(dir, "model")
			train(t, dir, data, model)
			m, _, err := modeldir.Load(model)
			if err != nil || !m.NoFollowLinks || strings.Join(m.Extensions, " ") != ".gif" {
				t.Fatalf("the model names extensions %q, links left out: %v, %v", m.Extensions, m.NoFollowLinks, err)
			}
			succeed(t, "report", model, "--data", data, "--out", filepath.Join(dir, "report.html"), "--device", "cpu")
			if n := rows(t, filepath.Join(model, "report-features")); n != m.Metrics.ValPhotos || n != 12 {
				t.Errorf("trained with %d val photos, evaluated on %d", m.Metrics.ValPhotos, n)
			}
		})
	}
}

// TestExperimentsTakePhotoFlags runs and plans a matrix with and without the flags.
func TestExperimentsTakePhotoFlags(t *testing.T) {
	orttest.Library(t)
	dir := t.TempDir()
	chosenPhotos(t, dir)
	file := filepath.Join(dir, "little.yaml")
	text := "format: 1\nname: little\ntitle: Little\ndata: photos\nbackbones: [{name: squeezenet1_1, weights: " +
		"\"seed:0\"}]\n" +
		"modes: [feature-extraction, finetune]\nseeds: [4]\nsettings: {epochs: 1, batch-size: 4, resize: 48, crop: " +
		"48, views: 0, lr: 0.00001}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	flags := []string{"--extensions", ".gif", "--no-follow-links"}
	keys := func(args ...string) (keys []string) {
		var plan struct{ Runs []struct{ Key string } }
		if err := json.Unmarshal([]byte(succeed(t, append(args, "--device", "cpu", "--json")...).stdout),
			&plan); err != nil {
			t.Fatal(err)
		}
		for _, run := range plan.Runs {
			keys = append(keys, run.Key)
		}
		return keys
	}
	out := filepath.Join(dir, "out")
	chosen := keys(append([]string{"experiment", "run", file, "--out", out, "--no-report"}, flags...)...)
	planned := keys(append([]string{"experiment", "plan", file, "--out", out}, flags...)...)
	other := keys("experiment", "plan", file, "--out", out)
	if strings.Join(chosen, " ") != strings.Join(planned, " ") || len(chosen) != 2 || chosen[0] == other[0] {
		t.Errorf("keys %v, planned %v, without the flags %v", chosen, planned, other)
	}
	runs, err := filepath.Glob(filepath.Join(out, "runs", "*"))
	if err != nil || len(runs) != 2 {
		t.Fatal(runs, err)
	}
	for _, run := range runs {
		m, _, err := modeldir.Load(run)
		if err != nil || m.Metrics.TrainPhotos != 12 || m.Metrics.ValPhotos != 12 || !m.NoFollowLinks {
			t.Errorf("%s: %d photos to train on, %d to evaluate on, links left out: %v, %v",
				run, m.Metrics.TrainPhotos, m.Metrics.ValPhotos, m.NoFollowLinks, err)
		}
	}
}
