package backbones

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

// operators returns the types of the nodes of a network's skeleton, sorted.
func operators(t testing.TB, b Backbone) string {
	t.Helper()
	m, err := Skeleton(b)
	if err != nil {
		t.Fatal(err)
	}
	types := map[string]bool{}
	for _, n := range m.Graph.Node {
		types[n.OpType] = true
	}
	return strings.Join(slices.Sorted(maps.Keys(types)), " ")
}

// representatives returns the networks on which tests that take seconds for each run: the first eight, and for each
// set of operators the network with the fewest parameters. FX_TEST_NETWORKS=all adds the others.
func representatives(t testing.TB) []Backbone {
	t.Helper()
	all := All()
	if os.Getenv("FX_TEST_NETWORKS") == "all" {
		return all
	}
	smallest := map[string]Backbone{}
	for _, b := range all {
		set := operators(t, b)
		if have, ok := smallest[set]; !ok || b.row.Parameters < have.row.Parameters {
			smallest[set] = b
		}
	}
	return slices.DeleteFunc(all, func(b Backbone) bool {
		first := slices.ContainsFunc(all[:8], func(f Backbone) bool { return f.Name == b.Name })
		return !first && smallest[operators(t, b)].Name != b.Name
	})
}
