package finetune

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"fx/finetune/artifacts"
	"fx/internal/fail"
	"fx/internal/fakecuda"
	"fx/internal/ort"
	"fx/internal/progress"
	"fx/internal/testenv"
)

const rehearsalData = "FX_FINETUNE_REHEARSAL_DATA" // set in the child of rehearse

// rehearse is fakecuda.Rehearse for a child that trains on photos of two classes.
func rehearse(t *testing.T, environment ...string) (string, []fakecuda.Event) {
	t.Helper()
	return fakecuda.Rehearse(t, append(environment, rehearsalData+"="+drawPhotos(t, t.TempDir(), 5, 3))...)
}

// rehearsed are the options of a child: 10 photos to train on, in batches of 4, 4 and 2; 6 to evaluate, in batches of
// 4 and 2; two epochs.
func rehearsed(t *testing.T) Options {
	o := small(os.Getenv(rehearsalData), filepath.Join(t.TempDir(), "run"))
	o.Device = ort.CUDA
	return o
}

// printer shows notes.
type printer struct{ progress.Reporter }

func (printer) Note(text string) { fmt.Println("note:", text) }

// presser presses Ctrl+C after the first epoch.
type presser struct{ printer }

func (p presser) Note(text string) {
	p.printer.Note(text)
	if strings.HasPrefix(text, "epoch 1 of") {
		_ = testenv.Interrupt() // whether it came the test sees
	}
}

// Each graph is recorded once for each batch size and each of the two copies of the state, then replayed. Between
// replays only the batch and the result are copied. This holds in every precision, and if gradients are accumulated.
func TestRehearsedTraining(t *testing.T) {
	const variable = "FX_FINETUNE_REHEARSAL_CASE"
	if fakecuda.Rehearsing() {
		o := rehearsed(t)
		precision, accumulate, _ := strings.Cut(os.Getenv(variable), " ")
		o.Precision = precision
		o.Accumulate, _ = strconv.Atoi(accumulate)
		result, err := Run(t.Context(), o, printer{progress.Discard})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Printf("%s, train loss %.2f\n", result.Provider, result.Epochs[1].TrainLoss)
		return
	}
	for _, c := range []struct {
		precision  string
		accumulate int
		recordings int // training: batches of 4 and 2, two copies each; evaluation: the same
		updates    int // that are runs of their own
	}{
		{artifacts.Float32, 1, 8, 0},
		{artifacts.Float16, 1, 8, 0},
		{artifacts.BFloat16, 1, 8, 0},
		{artifacts.Float32, 2, 9, 2 * 2},
	} {
		// In each epoch 3 batches to train on and 2 to evaluate. After the last one hasSameLogits evaluates both again,
		// because the substitutes compute nothing: all logits are the same.
		runs := 2*(3+2) + 2 + c.updates
		text, events := rehearse(t, variable+"="+fmt.Sprint(c.precision, " ", c.accumulate))
		if !strings.Contains(text, "CUDAExecutionProvider, train loss 0.50") {
			t.Errorf("%v: %s", c, text)
		}
		for _, problem := range []string{"run on the CPU", "without CUDA graphs"} {
			if strings.Contains(text, problem) {
				t.Errorf("%v: %s", c, text)
			}
		}
		if n := fakecuda.Count(events, "record"); n != fakecuda.Count(events, "recorded") || n < c.recordings {
			t.Errorf("%v: %d recordings begun, %d done, %d expected", c, n, fakecuda.Count(events, "recorded"),
				c.recordings)
		}
		if n := fakecuda.Count(events, "replay"); n != runs {
			t.Errorf("%v: %d replays in %d runs", c, n, runs)
		}
		if n := fakecuda.Count(events, "unsafe"); n != 0 {
			t.Errorf("%v: %d calls that invalidate a recording", c, n)
		}
	}
}

// Ctrl+C ends a training on CUDA as on the CPU, whichever handlers CUDA replaced.
func TestRehearsedInterrupt(t *testing.T) {
	if fakecuda.Rehearsing() {
		o := rehearsed(t)
		o.Epochs = 1000
		ctx, stop := signal.NotifyContext(t.Context(), os.Interrupt)
		defer stop()
		_, err := Run(ctx, o, presser{printer{progress.Discard}})
		fmt.Println("canceled:", errors.Is(err, context.Canceled), "kind", fail.KindOf(err))
		return
	}
	text, _ := rehearse(t)
	if !strings.Contains(text, "canceled: true kind 130") || !strings.Contains(text, "and saved a checkpoint") {
		t.Error(text)
	}
}

// Where recording fails, training goes on kernel by kernel, and says so.
func TestRehearsedTrainingWithoutGraphs(t *testing.T) {
	if fakecuda.Rehearsing() {
		result, err := Run(t.Context(), rehearsed(t), printer{progress.Discard})
		fmt.Println(err, result.Notes)
		return
	}
	text, events := rehearse(t, "FAKECUDA_CAPTURE=refuse")
	if n := strings.Count(text,
		"note: squeezenet1_1 training step: runs without CUDA graphs, kernel by kernel: "); n != 1 ||
		!strings.Contains(text, "<nil> [") {
		t.Errorf("%d notes: %s", n, text)
	}
	if n := fakecuda.Count(events, "replay"); n != 0 {
		t.Errorf("%d replays", n)
	}
}

// Too large a batch is answered with one that fits.
func TestRehearsedOutOfMemory(t *testing.T) {
	if fakecuda.Rehearsing() {
		o := rehearsed(t)
		o.BatchSize = 8
		_, err := Run(t.Context(), o, printer{progress.Discard})
		fmt.Printf("kind %d: %v; %s\n", fail.KindOf(err), err, fail.HintOf(err))
		return
	}
	for memory, want := range map[int]*regexp.Regexp{
		24 << 20: regexp.MustCompile(`kind 7: a batch of 8 photos: out of memory: .*; --batch-size [421] fits: .* ` +
			`With --accumulate [248] `),
		8 << 20: regexp.MustCompile("kind 7: .*Not even a batch of one fits"),
	} {
		text, _ := rehearse(t, "FAKECUDA_MEMORY="+fmt.Sprint(memory))
		if !want.MatchString(text) {
			t.Errorf("%d bytes: %s", memory, text)
		}
	}
}
