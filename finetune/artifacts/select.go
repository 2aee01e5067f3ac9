package artifacts

import (
	"regexp"
	"slices"
	"strings"

	"fx/internal/fail"
)

// Select returns the names of the parameters that the patterns match, in the
// graph's order; no patterns match all. * matches any text, dots included.
// Running statistics are never selected. A pattern that matches nothing is an
// error of kind fail.Usage.
func (n *Network) Select(patterns []string) ([]string, error) {
	var names []string
	for _, p := range n.Parameters {
		if !p.Statistic {
			names = append(names, p.Name)
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
			return nil, fail.New(fail.Usage, "Patterns that match: "+examples(names)+".",
				"the pattern %q matches no parameter of %s", pattern, n.Name)
		}
	}
	return slices.DeleteFunc(names, func(name string) bool { return !chosen[name] }), nil
}

// examples lists patterns that match, one for each of the first layers.
func examples(names []string) string {
	const most = 12
	var patterns []string
	for _, name := range names {
		pattern := name
		if layer, _, inside := strings.Cut(name, "."); inside {
			pattern = layer + ".*"
		}
		if !slices.Contains(patterns, pattern) {
			patterns = append(patterns, pattern)
		}
	}
	if len(patterns) > most {
		patterns = append(patterns[:most], "…")
	}
	return strings.Join(patterns, ", ")
}

// Head returns patterns that match only the classifier.
func (n *Network) Head() []string {
	var names []string
	for _, p := range n.Parameters {
		if p.Head {
			names = append(names, p.Name)
		}
	}
	return names
}
