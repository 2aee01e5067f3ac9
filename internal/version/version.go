package version

import "runtime/debug"

// stamp is the version that `task build` links in with -X: git's tag, or devel and the commit.
var stamp string

// String returns what was linked in, else what the Go tool recorded.
func String() string {
	if stamp != "" {
		return stamp
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	return recordedVersion(info)
}

// recordedVersion returns the module's version, as `go install` and `go build` in a git checkout record it, else devel
// with the commit where it is known.
func recordedVersion(info *debug.BuildInfo) string {
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return "devel-" + s.Value[:12]
		}
	}
	return "devel"
}
