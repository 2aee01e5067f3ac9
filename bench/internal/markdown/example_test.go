package markdown_test

import (
	"fmt"
	"testing"

	"fx/bench/internal/markdown"
)

func ExampleTable() {
	fmt.Print(markdown.Table([]string{"network", "images/s", "fx / PyTorch", "setup"}, [][]string{
		{"resnet18", markdown.Summary([]float64{87.06, 82, 90.21}, 3), "× 2.24", "batch 8"},
		{"alexnet", "—"},
	}))
	// Output:
	// | network | images/s | fx / PyTorch | setup |
	// |---|---:|---:|---|
	// | resnet18 | 87.1 (82.0–90.2) | × 2.24 | batch 8 |
	// | alexnet | — |  |  |
}

func TestFigure(t *testing.T) {
	for x, want := range map[float64]string{
		0: "0", 0.00123: "0.00123", 0.01: "0.0100", 0.1234: "0.123", 0.99996: "1.00", 9.996: "10.0", 99.96: "100",
		1234.5: "1234", -2: "-2.00",
	} {
		if got := markdown.Figure(x, 3); got != want {
			t.Errorf("%v: %s, want %s", x, got, want)
		}
	}
	if got := markdown.Figure(0.023587694, 7); got != "0.02358769" {
		t.Errorf("seven digits: %s", got)
	}
}
