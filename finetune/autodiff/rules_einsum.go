package autodiff

import (
	"slices"
	"strings"

	"fx/internal/onnx"
)

// einsumGradient: the gradient of an operand is the product of dy and all other operands,
// summed over the labels that the operand does not have.
func einsumGradient(c *context) {
	operands, result, ok := c.einsumLabels()
	if !ok {
		return
	}
	sizes := map[rune]int64{}
	for i, labels := range operands {
		for k, label := range labels {
			sizes[label] = max(sizes[label], c.shape(c.in(i))[k])
		}
	}
	c.each(func(i int) string {
		inputs, terms := []string{c.dy}, []string{string(result)}
		for k, labels := range operands {
			if k != i {
				inputs, terms = append(inputs, c.in(k)), append(terms, string(labels))
			}
		}
		// A label that only this operand has was summed: all its positions get the same gradient.
		var kept []rune
		var one, full []int64
		for _, label := range operands[i] {
			one, full = append(one, 1), append(full, sizes[label])
			if strings.ContainsRune(strings.Join(terms, ""), label) {
				kept, one[len(one)-1] = append(kept, label), sizes[label]
			}
		}
		equation := strings.Join(terms, ",") + "->" + string(kept)
		gradient := c.With("Einsum", inputs, onnx.String("equation", equation))
		if !slices.Equal(one, full) {
			gradient = c.Op("Expand", c.reshape(gradient, one...), c.Ints(full...))
		}
		return c.sumTo(gradient, full, c.shape(c.in(i)))
	})
}

// einsumLabels returns the labels of each operand and of the result, one for each axis.
func (c *context) einsumLabels() (operands [][]rune, result []rune, ok bool) {
	equation := strings.ReplaceAll(c.text("equation", ""), " ", "")
	left, right, explicit := strings.Cut(equation, "->")
	if strings.Contains(equation, ".") {
		c.fail("the equation %q has an ellipsis, for which there is no rule", equation)
		return nil, nil, false
	}
	count := map[rune]int{}
	for i, term := range strings.Split(left, ",") {
		labels := []rune(term)
		if i >= len(c.node.Input) || len(labels) != len(c.shape(c.in(i))) {
			c.fail("the equation %q does not fit the inputs", equation)
			return nil, nil, false
		}
		for _, label := range labels {
			count[label]++
			if strings.Count(term, string(label)) > 1 {
				c.fail("the equation %q takes a diagonal, for which there is no rule", equation)
				return nil, nil, false
			}
		}
		operands = append(operands, labels)
	}
	result = []rune(right)
	if !explicit { // the labels that occur once, in alphabetical order
		for label, n := range count {
			if n == 1 {
				result = append(result, label)
			}
		}
		slices.Sort(result)
	}
	return operands, result, true
}
