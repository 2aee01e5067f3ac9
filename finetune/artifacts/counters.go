package artifacts

import (
	"encoding/binary"
	"strings"

	"fx/internal/weights"
)

// Suffixes of the names that torch.nn.BatchNorm2d gives its running variance
// and its counter of batches. Only load_state_dict(strict=True) needs the counter.
const (
	varianceSuffix = ".running_var"
	counterSuffix  = ".num_batches_tracked"
)

// countedLayer returns the layer whose running variance has this name.
func countedLayer(variance string) (layer string, ok bool) {
	return strings.CutSuffix(variance, varianceSuffix)
}

// counter returns a count in torch's form: an int64 scalar.
func counter(count uint64) weights.Tensor {
	return weights.Tensor{DType: weights.I64, Shape: []int{}, Data: binary.LittleEndian.AppendUint64(nil, count)}
}

// readCounters reads the counters of the initial weights. Files older than the counters
// have none, which counts as zero, as in torch.
func (n *Network) readCounters(initial *weights.StateDict) {
	n.counted = map[string]uint64{}
	for _, p := range n.Parameters {
		layer, ok := countedLayer(p.Name)
		if !ok {
			continue
		}
		for _, prefix := range []string{"", "module."} { // of torch's DataParallel
			if t, ok := initial.Get(prefix + layer + counterSuffix); ok && t.DType == weights.I64 && len(t.Data) == 8 {
				n.counted[layer] = binary.LittleEndian.Uint64(t.Data)
			}
		}
	}
}
