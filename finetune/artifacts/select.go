package artifacts

import (
	"regexp"
	"slices"
	"strings"

	"fx/internal/fail"
)

// Select returns the names of the parameters that the patterns match, in the
// graph's order; no patterns match all. * stands for any text, dots included.
// Running statistics are never selected. A pattern that matches nothing is an
// error of kind fail.Usage.
func (n *Network) Select(patterns []string) ([]string, error) {
	var names, layers []string
	for _, p := range n.Parameters {
		if p.Statistic {
			continue
		}
		names = append(names, p.Name)
		layer, _, _ := strings.Cut(p.Name, ".")
		if !slices.Contains(layers, layer) {
			layers = append(layers, layer)
		}
	}
	if len(patterns) == 0 {
		return names, nil
	}
	chosen := map[string]bool{}
	for _, pattern := range patterns {
		expression := regexp.MustCompile("^" + strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, ".*") + "$")
		matched := false
		for _, name := range names {
			if expression.MatchString(name) {
				chosen[name], matched = true, true
			}
		}
		if !matched {
			for i := range layers {
				layers[i] += ".*"
			}
			return nil, fail.New(fail.Usage, "Patterns that match: "+strings.Join(layers, ", ")+".",
				"the pattern %q matches no parameter of %s", pattern, n.Name)
		}
	}
	return slices.DeleteFunc(names, func(name string) bool { return !chosen[name] }), nil
}

// Head returns patterns that match the classifier alone.
func (n *Network) Head() []string {
	var names []string
	for _, p := range n.Parameters {
		if p.Head {
			names = append(names, p.Name)
		}
	}
	return names
}
