package finetune

import (
	"encoding/binary"
	"strings"

	"fx/finetune/artifacts"
	"fx/internal/weights"
)

// Suffixes of the names that torch.nn.BatchNorm2d gives its running variance
// and its counter of batches.
const (
	varianceSuffix = ".running_var"
	counterSuffix  = ".num_batches_tracked"
)

// counter returns torch's counter of the batches that the running statistics
// beside the variance of this name have seen: int64, of no axis. It is the
// initial weights' own, and one more for each training batch where the step
// follows the batches. Nothing computes with it; load_state_dict(strict=True)
// asks for it.
func (r *run) counter(variance string, batches int) (name string, t weights.Tensor, ok bool) {
	layer, ok := strings.CutSuffix(variance, varianceSuffix)
	if !ok {
		return "", t, false
	}
	count := r.counted[layer]
	if c := r.engine.state.byName[variance]; c != nil && c.Next != "" {
		count += uint64(batches)
	}
	return layer + counterSuffix, weights.Tensor{DType: weights.I64, Shape: []int{}, Data: binary.LittleEndian.AppendUint64(nil, count)}, true
}

// batches is the number of training batches before the position.
func (p plan) batches(at position) int { return at.Epoch*p.steps() + at.Step }

// counted reads the counters that weights hold, by layer. Files that are older
// than the counters have none, which torch reads as zero too.
func counted(n *artifacts.Network, initial *weights.StateDict) map[string]uint64 {
	all := map[string]uint64{}
	for _, p := range n.Parameters {
		layer, ok := strings.CutSuffix(p.Name, varianceSuffix)
		if !ok {
			continue
		}
		for _, prefix := range []string{"", "module."} { // of torch's DataParallel
			if t, ok := initial.Get(prefix + layer + counterSuffix); ok && t.DType == weights.I64 && len(t.Data) == 8 {
				all[layer] = binary.LittleEndian.Uint64(t.Data)
			}
		}
	}
	return all
}
