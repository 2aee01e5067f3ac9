package backbones

import (
	"slices"
	"strings"

	"fx/internal/fail"
	"fx/internal/headspec"
	"fx/internal/onnx"
	"fx/internal/onnx/pb"
)

// Pool is how one vector of features is made of a transformer's tokens.
type Pool string

// The ways of pooling. Tokens are those after the last normalisation.
const (
	PoolClass     Pool = "cls"      // the class token
	PoolMean      Pool = "mean"     // the mean of the patches' tokens
	PoolClassMean Pool = "cls+mean" // both, one after the other: twice the width
	PoolMap       Pool = "map"      // the network's own attention pooling
)

// tokens describes a transformer's tokens after its last normalisation: float32 [batch, prefix + patches, width].
type tokens struct {
	Tensor    string     `json:"tensor"` // its name in the graph
	Width     int        `json:"width"`
	Prefix    int        `json:"prefix"` // tokens before those of the patches: the class token, registers
	Class     bool       `json:"class"`  // whether the first one is the class token
	Own       Pool       `json:"own"`    // the pooling of the network's own features
	Patch     int        `json:"patch"`  // pixels of a patch's side
	Positions *positions `json:"positions"`
}

// pools returns the choices of --pool, the default first; none for a network without tokens.
func (r *row) pools() []Pool {
	t := r.Tokens
	if t == nil {
		return nil
	}
	all := []Pool{t.Own, PoolMean}
	if t.Class {
		all = append(all, PoolClass, PoolClassMean)
	}
	if r.Pool != "" {
		all = append([]Pool{r.Pool}, all...)
	}
	var once []Pool
	for _, p := range all {
		if !slices.Contains(once, p) {
			once = append(once, p)
		}
	}
	return once
}

// pooled is the name of features that this package makes of tokens.
const pooled = ownPrefix + "pooled"

// WithPool returns the network with another pooling, which is one of b.Pools and a part of its name if it is not the
// first: NAME@mean. A head that was trained on other features is left out. Errors: fail.Usage.
func (b Backbone) WithPool(pool Pool) (Backbone, error) {
	if slices.Contains(b.Pools, pool) {
		b = b.clone()
		b.Name = strings.TrimSuffix(b.Name, "@"+string(b.Pool))
		if pool != b.Pools[0] {
			b.Name += "@" + string(pool)
			b.Accuracy = nil // of other features
		}
		b.setPool(pool)
		return b, nil
	}
	if len(b.Pools) == 0 {
		return b, fail.New(fail.Usage, "Omit --pool.", "--pool %s: %s is no transformer of fx's registry", pool, b.Name)
	}
	var choices []string
	for _, p := range b.Pools {
		choices = append(choices, string(p))
	}
	return b, fail.New(fail.Usage, "Give one of "+strings.Join(choices, ", ")+".", "--pool %q: %s has no such pooling",
		pool, b.Name)
}

// checkPool returns an error if an ONNX file in place of b's weights has not b's pooling: fail.Usage. A file that does
// not say its pooling has the default one.
func (b Backbone) checkPool(file Backbone) error {
	if len(b.Pools) == 0 {
		return nil
	}
	pool := b.Pools[0]
	if made, err := Lookup(file.Name); err == nil {
		pool = made.Pool
	}
	if pool == b.Pool {
		return nil
	}
	return fail.New(fail.Usage, "Name weights without a graph (.safetensors, .pth) with --weights, which suit any "+
		"pooling, or give --pool "+string(pool)+".",
		"%s is %s: the pooling of a graph can't be changed to %s", file.File, file.Name, b.Pool)
}

// weightsName returns the network's name without its pooling: all of them have the same weights.
func (b Backbone) weightsName() string {
	if len(b.Pools) > 0 && b.Pool != b.Pools[0] {
		return strings.TrimSuffix(b.Name, "@"+string(b.Pool))
	}
	return b.Name
}

// setPool sets the features, and the head that fx gives a network whose own head does not take them.
func (b *Backbone) setPool(pool Pool) {
	t := b.row.Tokens
	b.Pool = pool
	width := t.Width
	if pool == PoolClassMean {
		width *= 2
	}
	b.FeatureTensor, b.FeatureShape = pooled, []int{width}
	if pool == t.Own {
		b.FeatureTensor, b.FeatureShape = b.row.Features.Tensor, b.row.Features.Shape
	}
	b.Head = newHeadFor(b.FeatureShape[0])
	if b.row.Head != nil && pool == t.Own {
		b.Head = *b.row.Head
	}
}

// newHeadFor returns the head of a network that has none for its features.
func newHeadFor(in int) Head {
	return Head{Kind: headspec.Linear, In: in, Weight: "head.weight", Bias: "head.bias"}
}

// addPool makes the features of b in a skeleton, and a head on them in place of the network's own, if b has not the
// features and head that the skeleton has. The head's weights have no data, as those of the skeleton.
func addPool(m *pb.ModelProto, b Backbone) error {
	g := m.Graph
	if b.Head.Classes > 0 {
		return nil
	}
	source := b.FeatureTensor
	if source == pooled {
		source = b.row.Tokens.Tensor
	}
	if err := onnx.Cut(g, onnx.TensorInfo(source, pb.TensorProto_FLOAT)); err != nil {
		return err
	}
	build := onnx.NewBuilder(g, ownPrefix)
	if b.FeatureTensor == pooled {
		b.row.Tokens.pool(build, b.Pool)
	}
	g.Initializer = append(g.Initializer,
		&pb.TensorProto{Name: b.Head.Weight, DataType: pb.TensorProto_FLOAT, Dims: []int64{newHead, int64(b.Head.In)}},
		&pb.TensorProto{Name: b.Head.Bias, DataType: pb.TensorProto_FLOAT, Dims: []int64{newHead}})
	build.OpTo(logitsName, "Gemm", []string{b.FeatureTensor, b.Head.Weight, b.Head.Bias}, onnx.Int("transB", 1))
	g.Output = []*pb.ValueInfoProto{onnx.TensorInfo(logitsName, pb.TensorProto_FLOAT, "batch", newHead)}
	return nil
}

// newHead is the number of classes of a head that stands for a missing one until it is replaced.
const newHead = 2

// pool adds the nodes of a pooling of tokens; its value is called pooled.
func (t *tokens) pool(b *onnx.Builder, pool Pool) {
	patches := b.Op("Slice", []string{t.Tensor, b.Int64s("start", int64(t.Prefix)), b.Int64s("end", 1<<62),
		b.Int64s("axis", 1)})
	mean := b.Op("ReduceMean", []string{patches, b.Int64s("axis", 1)}, onnx.Int("keepdims", 0))
	class := b.Op("Gather", []string{t.Tensor, b.Int64("first", 0)}, onnx.Int("axis", 1))
	switch pool {
	case PoolMean:
		b.OpTo(pooled, "Identity", []string{mean})
	case PoolClass:
		b.OpTo(pooled, "Identity", []string{class})
	case PoolClassMean:
		b.OpTo(pooled, "Concat", []string{class, mean}, onnx.Int("axis", 1))
	}
}
