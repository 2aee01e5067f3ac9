package dataset

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"fx/internal/fail"
	"fx/internal/source"
)

// maxArchives bounds the names that a pattern stands for.
const maxArchives = 1 << 20

// patternHint is the hint of errors about a pattern of names.
const patternHint = "Braces are written as in shards-{0000..0099}.tar or {train,val}.tar; * and ? stand for parts of " +
	"names that exist."

// expandPattern returns the paths that a user's path stands for: itself, unless no such file exists and it contains
// braces, as in shards-{0000..0099}.tar, or wildcards. Each of those with braces must exist.
func expandPattern(pattern string) ([]string, error) {
	if !strings.ContainsAny(pattern, "{*?[") || source.IsBucket(pattern) || source.IsAddress(pattern) {
		return []string{pattern}, nil
	}
	if _, err := os.Lstat(pattern); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return []string{pattern}, nil
	}
	expanded, err := braces(pattern)
	if err != nil {
		return nil, fail.Wrap(fail.Usage, err, patternHint, "%s", pattern)
	}
	var paths []string
	for _, name := range expanded {
		if strings.ContainsAny(name, "*?[") {
			found, err := filepath.Glob(name)
			if err != nil {
				return nil, fail.Wrap(fail.Usage, err, patternHint, "%s", pattern)
			}
			if len(found) == 0 {
				found = []string{name} // an error follows where it is opened
			}
			paths = append(paths, found...)
			continue
		}
		if _, err := os.Stat(name); err != nil && len(expanded) > 1 {
			return nil, fail.Wrap(fail.Usage, err, patternHint, "%s stands for %d files", pattern, len(expanded))
		}
		paths = append(paths, name)
	}
	slices.Sort(paths)
	return slices.Compact(paths), nil
}

// expandPatterns is expandPattern for many paths.
func expandPatterns(patterns []string) ([]string, error) {
	var all []string
	for _, p := range patterns {
		paths, err := expandPattern(p)
		if err != nil {
			return nil, err
		}
		all = append(all, paths...)
	}
	return all, nil
}

// braces returns the names that a pattern with braces stands for, in the order of a shell.
func braces(pattern string) ([]string, error) {
	names := []string{""}
	for pattern != "" {
		before, rest, found := strings.Cut(pattern, "{")
		for i := range names {
			names[i] += before
		}
		if !found {
			break
		}
		inside, after, closed := strings.Cut(rest, "}")
		if !closed || strings.Contains(inside, "{") {
			return nil, errors.New("braces that are not closed, or lie in others")
		}
		choices, err := choicesOf(inside)
		if err != nil {
			return nil, err
		}
		if len(names)*len(choices) > maxArchives {
			return nil, fmt.Errorf("it stands for more than %d files", maxArchives)
		}
		var next []string
		for _, name := range names {
			for _, choice := range choices {
				next = append(next, name+choice)
			}
		}
		names, pattern = next, after
	}
	return names, nil
}

// choicesOf returns what {0000..0099} or {a,b} stands for.
func choicesOf(inside string) ([]string, error) {
	low, high, isRange := strings.Cut(inside, "..")
	if !isRange {
		if choices := strings.Split(inside, ","); len(choices) > 1 {
			return choices, nil
		}
		return []string{"{" + inside + "}"}, nil // as a shell does
	}
	first, errFirst := strconv.Atoi(low)
	last, errLast := strconv.Atoi(high)
	if errFirst != nil || errLast != nil || first < 0 || last < first || last-first >= maxArchives {
		return nil, fmt.Errorf("{%s} is no range of numbers", inside)
	}
	width := 0
	if len(low) > 1 && low[0] == '0' || len(high) > 1 && high[0] == '0' {
		width = max(len(low), len(high))
	}
	var all []string
	for n := first; n <= last; n++ {
		all = append(all, fmt.Sprintf("%0*d", width, n))
	}
	return all, nil
}
