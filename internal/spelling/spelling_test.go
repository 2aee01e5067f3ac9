package spelling_test

import (
	"slices"
	"strings"
	"testing"

	"fx/internal/spelling"
)

func TestNearest(t *testing.T) {
	known := []string{"epochs", "batch-size", "lr", "resnet18", "squeezenet1_1", "squeezenet1_0"}
	for given, want := range map[string]string{
		"epoch": "epochs", "batchsize": "batch-size", "batch_size": "batch-size", "ResNet-18": "resnet18",
		"squeezenet1.1": "squeezenet1_1 squeezenet1_0", "lrr": "lr", "nonsense": "", "": "", "xy": "",
	} {
		if got := spelling.Nearest(known, given); !slices.Equal(got, strings.Fields(want)) {
			t.Errorf("%q: %q, want %s", given, got, want)
		}
	}
}
