package wheel

import (
	"fmt"
	"slices"
	"strings"
)

// Reason is why a package could not be fetched.
type Reason int

// The reasons.
const (
	Failed      Reason = iota // any other reason
	NoTool                    // neither pip nor uv works here
	NoAnswer                  // the package index cannot be reached
	NothingFits               // the index answered, but has no such wheel for the target
	DiskFull                  // no space left
)

// Error is a failure of pip or uv.
type Error struct {
	Reason      Reason
	Tool        string // "pip" or "uv"; "" for NoTool
	Requirement string
	Said        string // its last lines, joined by " / "
	Err         error  // how the process ended, nil for NoTool
}

func (e *Error) Error() string {
	switch e.Reason {
	case NoTool:
		return "neither pip nor uv found"
	case NoAnswer:
		return fmt.Sprintf("%s got no answer from its package index about %s: %s", e.Tool, e.Requirement, e.Said)
	case NothingFits:
		return fmt.Sprintf("%s found no package %s for this system: %s", e.Tool, e.Requirement, e.Said)
	}
	return fmt.Sprintf("%s failed to fetch %s (%v): %s", e.Tool, e.Requirement, e.Err, e.Said)
}

// Unwrap returns how the process ended.
func (e *Error) Unwrap() error { return e.Err }

func newError(tool string, err error, output string) *Error {
	var lines []string
	for _, line := range strings.Split(output, "\n") {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "WARNING: You are using pip") {
			lines = append(lines, line)
		}
	}
	said := strings.Join(lines[max(0, len(lines)-3):], " / ")
	text := strings.ToLower(output)
	mentions := func(words ...string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(text, w) })
	}
	reason := Failed
	switch {
	case mentions("no space left"):
		reason = DiskFull
	case mentions("newconnectionerror", "name resolution", "max retries exceeded", "connection refused",
		"network is unreachable", "timed out", "proxyerror", "dns error", "failed to fetch", "error sending request",
		"(from versions: none)"): // pip's last message if it got no answer at all
		reason = NoAnswer
	case mentions("no matching distribution", "could not find a version", "no solution found", "has no wheels"):
		reason = NothingFits
	}
	return &Error{Reason: reason, Tool: tool, Said: said, Err: err}
}
