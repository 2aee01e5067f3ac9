package profile

import (
	"strings"
	"testing"
)

// trace is a profile of two runs as ONNX Runtime writes it: microseconds, and
// the run's own event after those of its nodes.
const trace = `[
{"cat":"Session","dur":900,"ts":0,"ph":"X","name":"session_initialization","args":{}},
{"cat":"Node","dur":500000,"ts":1010,"ph":"X","name":"a_kernel_time","args":{"op_name":"Conv"}},
{"cat":"Session","dur":600000,"ts":1000,"ph":"X","name":"model_run","args":{}},
{"cat":"Node","dur":1,"ts":700005,"ph":"X","name":"a_fence_before","args":{"op_name":"Conv"}},
{"cat":"Node","dur":6000,"ts":700010,"ph":"X","name":"a_kernel_time","args":{"op_name":"Conv","input_type_shape":[{"float":[8,3,4,4]},{"float":[2,3,1,1]}],"output_type_shape":[{"float":[8,2,4,4]}]}},
{"cat":"Node","dur":2000,"ts":706010,"ph":"X","name":"b_kernel_time","args":{"op_name":"Conv","input_type_shape":[],"output_type_shape":[]}},
{"cat":"Node","dur":1000,"ts":708010,"ph":"X","name":"c_kernel_time","args":{"op_name":"Mul","input_type_shape":[{"float":[2]},{"float":[]}],"output_type_shape":[{"float":[2]}]}},
{"cat":"Node","dur":10,"ts":709010,"ph":"X","name":"d_kernel_time","args":{"op_name":"Neg"}},
{"cat":"Session","dur":10000,"ts":700000,"ph":"X","name":"model_run","args":{}}
]`

func TestWarmUpStaysOutOfABreakdown(t *testing.T) {
	b, err := Parse([]byte(trace), 1)
	if err != nil {
		t.Fatal(err)
	}
	b.Title, b.Unit, b.Step = "resnet18", "step", 20
	text := b.Text(2)
	for _, want := range []string{
		"## resnet18\n", "A step takes 20.0 ms",
		"| Conv | 2 | 8.00 | 40.0 % |", "| Mul | 1 | 1.00 | 5.0 % |", "| the other operators | 1 | 0.01 | 0.1 % |",
		"| between the nodes |  | 0.99 | 5.0 % |", "| outside ONNX Runtime |  | 10.00 | 50.0 % |",
		"| a | Conv | 6.00 | 30.0 % | 8×3×4×4, 2×3×1×1 → 8×2×4×4 |", "| b | Conv | 2.00 | 10.0 % |",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	if strings.Contains(text, "| c |") {
		t.Errorf("more than two of the slowest nodes in\n%s", text)
	}
}

func TestNodesAreMeansOverRuns(t *testing.T) {
	b, err := Parse([]byte(trace), 0)
	if err != nil {
		t.Fatal(err)
	}
	if got := b.Nodes[0]; got.Name != "a" || got.Milliseconds != 253 || got.Calls != 1 || b.Run != 305 {
		t.Errorf("node %+v, runs of %g ms", got, b.Run)
	}
	if got := b.Ops[1]; got.Op != "Mul" || got.Calls != 0.5 || got.Shapes != "" {
		t.Errorf("operator %+v", got)
	}
}

func TestProfileWithoutMeasuredRuns(t *testing.T) {
	for _, text := range []string{trace, `[`} {
		if _, err := Parse([]byte(text), 2); err == nil {
			t.Errorf("%.3s… passes", text)
		}
	}
}
