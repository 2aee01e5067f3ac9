package backbones

import (
	"slices"
	"strings"
	"testing"

	"fx/internal/fail"
	"fx/internal/onnx"
	"fx/internal/progress"
	"fx/internal/weights"
)

// A row of the registry and a graph are all that a new network takes: weights,
// initial weights, features and names follow from them.
func TestANewNetworkIsARowAndAGraph(t *testing.T) {
	like, err := Lookup("resnet18")
	if err != nil {
		t.Fatal(err)
	}
	graph, err := Skeleton(like)
	if err != nil {
		t.Fatal(err)
	}
	row := *like.row
	row.Name, row.Title = "newnet", "A new network"
	row.Weights = row.Weights[:1]
	onnx.SetMetadata(graph, MetaBackbone, row.Name)
	table := registry()
	before := slices.Clone(table.Networks)
	table.Networks = append(slices.Clone(before), row)
	parsed.models[row.Name] = graph // as if it lay in graphs/
	t.Cleanup(func() {
		table.Networks = before
		delete(parsed.models, "newnet")
		if err := table.index(); err != nil {
			t.Fatal(err)
		}
	})
	if err := table.index(); err != nil {
		t.Fatal(err)
	}

	all := All()
	if last := all[len(all)-1]; last.Name != "newnet" {
		t.Errorf("the last network is %s", last.Name)
	}
	if _, err := Lookup("newnets"); !strings.Contains(fail.HintOf(err), "Did you mean newnet?") {
		t.Errorf("near newnets lies: %s", fail.HintOf(err))
	}
	n, err := Open(t.Context(), NetworkOptions{Backbone: "newnet", Weights: weights.Seed(0)}, progress.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.Features(); err != nil {
		t.Error(err)
	}
	for name, open := range map[string]func(network string) (*Network, error){
		"seeded": func(name string) (*Network, error) {
			return Open(t.Context(), NetworkOptions{Backbone: name, Weights: weights.Seed(0)}, progress.Discard)
		},
		"initial": func(name string) (*Network, error) { return OpenInitial(NetworkOptions{Backbone: name}, 0) },
	} {
		same, err := open("resnet18")
		if err != nil {
			t.Fatal(err)
		}
		own, err := open("newnet")
		if err != nil {
			t.Fatal(err)
		}
		if own.WeightsSHA256 != same.WeightsSHA256 {
			t.Errorf("%s weights are not drawn by the rules of the row", name)
		}
	}
}
