package version

import (
	"runtime/debug"
	"testing"
)

func TestVersion(t *testing.T) {
	commit := []debug.BuildSetting{{Key: "vcs.revision", Value: "924ad36f00d5c0ffee"}}
	for _, c := range []struct {
		built *debug.BuildInfo
		want  string
	}{
		{&debug.BuildInfo{Main: debug.Module{Version: "v1.2.0"}, Settings: commit}, "v1.2.0"},
		{&debug.BuildInfo{Main: debug.Module{Version: "(devel)"}, Settings: commit}, "devel-924ad36f00d5"},
		{&debug.BuildInfo{Main: debug.Module{Version: "(devel)"}}, "devel"},
		{&debug.BuildInfo{}, "devel"},
	} {
		if got := recordedVersion(c.built); got != c.want {
			t.Errorf("%+v: version %q, want %q", c.built, got, c.want)
		}
	}
	stamp = "v1.3.0-4-g924ad36f00d5"
	defer func() { stamp = "" }()
	if got := String(); got != stamp {
		t.Errorf("version %q beside the stamp %q", got, stamp)
	}
}
