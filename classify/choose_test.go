package classify

import (
	"slices"
	"testing"

	"fx/backbones"
	"fx/extract"
	"fx/internal/environment"
	"fx/internal/ort"
	"fx/internal/ort/orttest"
)

// A choice leads to registered networks whose weights need no consent, and the default is what an fx without choices
// took.
func TestChoices(t *testing.T) {
	for _, c := range choices {
		for _, name := range slices.Concat(c.networks, c.onGPU) {
			b, err := backbones.Lookup(name)
			if err != nil || b.Gated != "" {
				t.Errorf("%s: %s: gated by %q, %v", c.name, name, b.Gated, err)
			}
		}
		if _, err := backbones.Lookup(c.name); err == nil {
			t.Errorf("%s is the name of a network", c.name)
		}
	}
	c, chosen := choiceOf("")
	if !chosen || c.name != "auto" || !slices.Equal(c.networks, []string{"efficientnet_lite0", "resnet18"}) {
		t.Errorf("the default is %+v", c)
	}
	if _, chosen := choiceOf("resnet18"); chosen {
		t.Error("resnet18 is a choice")
	}
}

func TestBestDependsOnTheDevice(t *testing.T) {
	o := extract.EmbedderOptions{Environment: environment.Environment{Device: ort.CPU,
		Library: orttest.Library(t).Path}}
	best, _ := choiceOf("best")
	if got, err := best.candidates(o); err != nil || got[0] != "dinov2_vits14" {
		t.Errorf("on a CPU: %v, %v", got, err)
	}
	if !best.goesOn("dinov2_vitb14") || !best.prefers("dinov2_vitb14") || best.prefers("convnext_tiny") ||
		best.goesOn("resnet18") {
		t.Error("best goes on with other features than those of its networks")
	}
	if auto, _ := choiceOf("auto"); !auto.goesOn("alexnet") || !auto.prefers("alexnet") {
		t.Error("auto does not go on with the features that there are")
	}
}
