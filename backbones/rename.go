package backbones

import (
	"slices"
	"strings"

	"fx/internal/onnx/pb"
	"fx/internal/weights"
)

// convention is how one package names the tensors of a family of networks.
type convention struct {
	// whether tensors of these names and shapes are named by it
	applies func(shapes map[string][]int) bool
	// returns the family's own name of each tensor, "" for one that is no weight
	own func(shapes map[string][]int) func(name string) string
}

// families lists the conventions of networks that differ in nothing but the names of their tensors, and in axes of
// length 1. testdata/make_renamed.py shows it for each family: with the same weights the logits are the same.
var families = [][]convention{vitNames, convnextNames, swinNames, regnetNames, vggNames, mobileNames}

// wrappers are the names of modules around a network in files of its whole trainer: DataParallel, torch.compile and
// common training loops.
var wrappers = []string{"module.", "_orig_mod.", "model."}

// underNamesOf returns the weights sd under the names, and with the shapes, of the graph's initializers, if sd has them
// under the names of another package for the same network, or with the name of a wrapper before all of them. Otherwise
// it returns sd. The data is shared.
func underNamesOf(g *pb.GraphProto, sd *weights.StateDict) *weights.StateDict {
	ours := map[string][]int{}
	for _, t := range g.Initializer {
		shape := []int{}
		for _, d := range t.Dims {
			shape = append(shape, int(d))
		}
		ours[t.Name] = shape
	}
	sd = withRegisters(ours, sd)
	prefix := wrapper(ours, sd.Names())
	theirs := map[string][]int{}
	for _, name := range sd.Names() {
		t, _ := sd.Get(name)
		theirs[name[len(prefix):]] = t.Shape
	}
	rename := renaming(ours, theirs)
	if prefix == "" && rename == nil {
		return sd
	}
	if rename == nil {
		rename = func(name string) string { return name }
	}
	times := map[string]int{}
	for name := range theirs {
		times[rename(name)]++
	}
	out := weights.NewStateDict()
	out.Metadata = sd.Metadata
	for _, name := range sd.Names() {
		t, _ := sd.Get(name)
		name = name[len(prefix):]
		switch renamed := rename(name); {
		case renamed == "" && name != "":
			continue
		case renamed != name && times[renamed] == 1: // else the file has a tensor twice: matchNames reports this one
			name, t.Shape = renamed, reshape(t.Shape, ours[renamed])
		}
		out.Set(name, t)
	}
	return out
}

// wrapper returns the names of modules before all names that the network's own names do not have.
func wrapper(ours map[string][]int, names []string) string {
	prefix := ""
	for len(names) > 0 {
		i := slices.IndexFunc(wrappers, func(w string) bool {
			for name := range ours {
				if strings.HasPrefix(name, w) {
					return false
				}
			}
			return !slices.ContainsFunc(names, func(name string) bool { return !strings.HasPrefix(name, prefix+w) })
		})
		if i < 0 {
			break
		}
		prefix += wrappers[i]
	}
	return prefix
}

// renaming returns the function from theirs to ours, or nil if both have one convention, or none that is known. A name
// that ours lack is kept.
func renaming(ours, theirs map[string][]int) func(name string) string {
	for _, family := range families {
		a := slices.IndexFunc(family, func(c convention) bool { return c.applies(ours) })
		b := slices.IndexFunc(family, func(c convention) bool { return c.applies(theirs) })
		if a < 0 || b < 0 || a == b {
			continue
		}
		back, own := map[string]string{}, family[a].own(ours)
		for name := range ours {
			back[own(name)] = name
		}
		own = family[b].own(theirs)
		return func(name string) string {
			layer, tensor := "", name
			if counter, found := strings.CutSuffix(name, "num_batches_tracked"); found { // no parameter
				layer, tensor = "num_batches_tracked", counter+"running_var"
			}
			common := own(tensor)
			known, found := back[common]
			switch {
			case common == "":
				return ""
			case !found:
				return name
			case layer != "":
				return strings.TrimSuffix(known, "running_var") + layer
			}
			return known
		}
	}
	return nil
}

// reshape returns the shape of a tensor in the other package: want, if the two differ only in axes of length 1 or in
// how the axes after the first are counted, or else shape. The first axis may be that of another number of classes.
func reshape(shape, want []int) []int {
	if len(shape) == 0 || len(want) == 0 || len(shape) == len(want) {
		return shape
	}
	rest := func(axes []int) int {
		n := 1
		for _, d := range axes[1:] {
			n *= d
		}
		return n
	}
	if rest(shape) != rest(want) {
		return shape
	}
	return append([]int{shape[0]}, want[1:]...)
}
