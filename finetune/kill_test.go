package finetune

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"fx/finetune/artifacts"
	"fx/internal/ort/orttest"
	"fx/internal/progress"
	"fx/internal/random"
	"fx/internal/training"
)

var kills = flag.Int("kills", 40, "how often TestKilledRunsEndInTheSameBits kills each of its five runs")

// killable are the runs that are killed: every kind of state that a checkpoint
// can hold, saved after each batch.
var killable = map[string]func(*Options){
	"sgd":        func(*Options) {},
	"accumulate": func(o *Options) { o.Accumulate = 3 },
	"ema": func(o *Options) {
		o.EMA, o.Schedule, o.WarmupEpochs = 0.9, training.Cosine, 0.5
	},
	"adamw": func(o *Options) {
		o.Optimizer = training.AdamW
		o.Schedule, o.StepEpochs, o.ClipGradNorm = training.Step, 1, 1
	},
	"everything": func(o *Options) {
		o.Optimizer = training.AdamW
		o.Accumulate, o.EMA, o.ClipGradNorm, o.LabelSmoothing, o.ClassWeights = 4, 0.8, 1, 0.1, "auto"
		o.Schedule, o.WarmupEpochs, o.HeadMultiplier = training.Cosine, 1, 10
	},
}

func killableRun(name, data, out string) Options {
	o := tiny(data, out)
	o.Resume, o.Epochs, o.BatchSize, o.CheckpointSteps = true, 3, 2, 1
	killable[name](&o)
	return o
}

// What TestMain is told through the environment, and its answer.
const (
	killName, killData, killOut = "FX_KILL_NAME", "FX_KILL_DATA", "FX_KILL_OUT"

	learning = "learning"
)

// TestMain runs a training instead of the tests where a test asks for one.
func TestMain(m *testing.M) {
	if name := os.Getenv(killName); name != "" {
		o := killableRun(name, os.Getenv(killData), os.Getenv(killOut))
		if _, err := Run(context.Background(), o, signOfLife{progress.Discard, o.Out}); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// signOfLife tells on stdout that the run has tidied up and begins to learn.
type signOfLife struct {
	progress.Reporter
	out string
}

func (s signOfLife) Note(line string) {
	if line == "parameters to train:" {
		if left := temporary(s.out); left != nil {
			fmt.Fprintln(os.Stderr, "left behind:", left)
			os.Exit(1)
		}
		fmt.Println(learning)
	}
}

// temporary lists the temporary files and folders in a RUN.
func temporary(out string) []string {
	var found []string
	_ = filepath.WalkDir(out, func(path string, d fs.DirEntry, err error) error {
		if err == nil && strings.Contains(d.Name(), ".fx-tmp-") {
			found = append(found, path)
			if d.IsDir() {
				return fs.SkipDir
			}
		}
		return nil // a folder that vanished holds nothing
	})
	return found
}

// However often and whenever a run is killed, its newest checkpoint loads, it goes
// on from there, leaves no temporary file and ends in the bits of a run that
// never stopped.
func TestKilledRunsEndInTheSameBits(t *testing.T) {
	orttest.Library(t)
	often := *kills
	if testing.Short() {
		often = min(often, 2)
	}
	data := drawPhotos(t, t.TempDir(), 10, 2) // ten batches in an epoch
	var killed, saving, finished atomic.Int64
	t.Run("runs", func(t *testing.T) {
		for name := range killable {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				k := &killer{name: name, data: data, undisturbed: filepath.Join(t.TempDir(), "undisturbed"),
					out: filepath.Join(t.TempDir(), "killed"), random: random.New(0, name)}
				if _, err := Run(t.Context(), killableRun(name, data, k.undisturbed), progress.Discard); err != nil {
					t.Fatal(err)
				}
				for k.killed < often {
					k.life(t, true)
				}
				for done := k.finished; k.finished == done; {
					k.life(t, false)
				}
				killed.Add(int64(k.killed))
				saving.Add(int64(k.saving))
				finished.Add(int64(k.finished))
			})
		}
	})
	t.Logf("%d kills, %d of them in the middle of a save; %d runs ended and had the same bits", killed.Load(),
		saving.Load(), finished.Load())
	if saving.Load() == 0 {
		t.Error("no kill fell into a save: nothing was shown")
	}
}

// killer starts a run over and over.
type killer struct {
	name, data, undisturbed, out string
	random                       *random.Stream
	reached                      position // by the newest checkpoint
	killed, saving, finished     int
}

// life starts the run, kills it at some moment where it is to, and looks at what is left.
func (k *killer) life(t *testing.T, kill bool) {
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), killName+"="+k.name, killData+"="+k.data, killOut+"="+k.out)
	var stderr strings.Builder
	c.Stderr = &stderr
	stdout, err := c.StdoutPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	if kill {
		if k.random.IntN(8) > 0 { // else before it learns: while it starts and tidies up
			_, _ = bufio.NewReader(stdout).ReadString('\n')
		}
		time.Sleep(time.Duration(k.random.IntN(200_000)) * time.Microsecond)
		_ = c.Process.Kill()
	}
	err = c.Wait()
	var exit *exec.ExitError
	switch {
	case err == nil:
		k.finished++
		same(t, k.undisturbed, k.out)
		if left := temporary(k.out); left != nil {
			t.Fatalf("a finished run leaves %v", left)
		}
		if err := os.RemoveAll(k.out); err != nil {
			t.Fatal(err)
		}
		k.reached = position{}
	case errors.As(err, &exit) && !exit.Exited():
		k.killed++
		k.look(t)
	default:
		t.Fatalf("%v: %s", err, stderr.String())
	}
}

// look loads what the kill has left.
func (k *killer) look(t *testing.T) {
	left := temporary(k.out)
	if len(left) > 1 {
		t.Errorf("the kills leave %v: more than one of them can have left", left)
	}
	for _, path := range left {
		if strings.Contains(path, checkpointDir) {
			k.saving++
		}
	}
	for _, name := range []string{bestName, lastName} {
		dir := filepath.Join(k.out, checkpointDir, name)
		if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) &&
			(name == bestName && k.reached.Epoch == 0 || k.reached == position{}) {
			continue
		}
		c, err := artifacts.ReadCheckpoint(dir)
		if err != nil {
			t.Fatalf("after %d kills: %v", k.killed, err)
		}
		var s saved
		if err := json.Unmarshal(c.Caller, &s); err != nil {
			t.Fatal(err)
		}
		if name == lastName {
			if p := s.Position; p.Epoch < k.reached.Epoch || p.Epoch == k.reached.Epoch && p.Step < k.reached.Step {
				t.Fatalf("the newest checkpoint went back from %+v to %+v", k.reached, p)
			}
			k.reached = s.Position
		}
	}
}
