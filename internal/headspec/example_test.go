package headspec_test

import (
	"fmt"

	"fx/internal/headspec"
)

// The head that replaces SqueezeNet's for two classes.
func Example() {
	l := headspec.Layout{Kind: headspec.Conv1x1, Features: 512, Positions: 13 * 13, Dropout: 0.5, Classes: 2}
	fmt.Println(l.Check(), l.Width(), l.WeightShape(), l.ParameterCount())
	// Output: <nil> 86528 [2 512 1 1] 1026
}
