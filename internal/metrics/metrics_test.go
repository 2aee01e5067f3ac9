package metrics_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"testing"

	"fx/internal/metrics"
)

// A class that nothing was predicted as, and one without photos, have ratios of 0 instead of NaN.
func TestRatiosOfNothing(t *testing.T) {
	e := metrics.New([][]int{{0, 2, 0}, {0, 2, 0}, {0, 0, 0}}, 0.5)
	if e.Accuracy != 0.5 || e.Classes[0] != (metrics.Class{Support: 2}) || e.Classes[2] != (metrics.Class{}) {
		t.Errorf("%+v", e)
	}
	if of := e.Classes[1]; of.Precision != 0.5 || of.Recall != 1 || of.F1 != 2.0/3 || of.Support != 2 {
		t.Errorf("%+v", of)
	}
	if none := metrics.New(nil, 0); none.Accuracy != 0 || len(none.Classes) != 0 {
		t.Errorf("no classes: %+v", none)
	}
}

// Files and outputs have these keys.
func TestKeys(t *testing.T) {
	e := metrics.New([][]int{{1}}, 0.5)
	e.Predictions = []metrics.Prediction{{Photo: 1}}
	for want, v := range map[string]any{
		`{"epoch":1,"train_loss":2,"train_accuracy":0.5,"val_loss":3,"val_accuracy":0.25}`: metrics.Epoch{
			Epoch: 1, TrainLoss: 2, TrainAccuracy: 0.5, ValLoss: 3, ValAccuracy: 0.25,
		},
		`{"epoch":1,"lr":4,"train_loss":2,"train_accuracy":0.5,"train_images_per_second":5,"val_loss":3,` +
			`"val_accuracy":0.25,"val_images_per_second":6,"seconds":7}`: metrics.Epoch{
			Epoch: 1, LR: 4, TrainLoss: 2, TrainAccuracy: 0.5, TrainImagesPerSecond: 5,
			ValLoss: 3, ValAccuracy: 0.25, ValImagesPerSecond: 6, Seconds: 7,
		},
		`{"accuracy":1,"loss":0.5,"classes":[{"precision":1,"recall":1,"f1":1,"support":1}],"confusion":[[1]]}`: e,
		`{"name":"ants","precision":0,"recall":0,"f1":0,"support":0}`: metrics.Class{
			Name: "ants",
		},
	} {
		if got, err := json.Marshal(v); err != nil || string(got) != want {
			t.Errorf("%s, %v, want %s", got, err, want)
		}
	}
}

func TestMistakesComeMostConfidentFirst(t *testing.T) {
	m := metrics.Evaluation{Predictions: []metrics.Prediction{
		{Photo: 0, Label: 0, Class: 1, Probability: 0.6},
		{Photo: 1, Label: 1, Class: 1, Probability: 0.99},
		{Photo: 2, Label: 1, Class: 0, Probability: 0.9},
		{Photo: 3, Label: 1, Class: 0, Probability: 0.6},
	}}
	var photos []int
	for _, p := range m.Mistakes(10) {
		photos = append(photos, p.Photo)
	}
	if want := []int{2, 0, 3}; !reflect.DeepEqual(photos, want) {
		t.Errorf("mistakes %v, want %v", photos, want)
	}
	if got := m.Mistakes(1); len(got) != 1 || got[0].Photo != 2 {
		t.Errorf("the first mistake is %v", got)
	}
	if len(m.Mistakes(0)) != 0 || len(m.Mistakes(-1)) != 0 {
		t.Error("a limit of 0 gives mistakes")
	}
}

func TestOver(t *testing.T) {
	if got := metrics.Over([]float64{0.5, 0.25, 0.75}); got != (metrics.Stats{Mean: 0.5, SD: 0.25, Low: 0.25,
		High: 0.75, N: 3}) {
		t.Errorf("%+v", got)
	}
	if got := metrics.Over([]float64{0.5}); got != (metrics.Stats{Mean: 0.5, Low: 0.5, High: 0.5, N: 1}) {
		t.Errorf("one value: %+v", got)
	}
	if got := metrics.Over(nil); got != (metrics.Stats{}) {
		t.Errorf("none: %+v", got)
	}
}

func Example() {
	e := metrics.New([][]int{{65, 5}, {3, 80}}, 0.21)
	fmt.Printf("%.3f %.3f %.3f\n", e.Accuracy, e.Classes[0].Precision, e.Classes[0].Recall)
	// Output: 0.948 0.956 0.929
}
