package ort

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A library finds the variable in C's environment as it is opened, with the
// value that the user gave it or else 1.
func TestLibrariesFindTelemetrySwitchedOff(t *testing.T) {
	if isChild() {
		t.Log("found <" + probe(Candidate{Path: os.Getenv("FX_ORT_TEST_LIBRARY")}).Version + ">")
		return
	}
	library := compile(t, filepath.Join(t.TempDir(), "libonnxruntime.so"), `
		#include <stdlib.h>
		#include <string.h>
		static char found[32] = "nothing";
		__attribute__((constructor)) static void look(void) {
			const char *value = getenv("ORT_DISABLE_TELEMETRY");
			if (value) strncpy(found, value, sizeof found - 1);
		}
		static const void *api(unsigned v) { return 0; }
		static const char *version(void) { return found; }
		static const struct { const void *(*api)(unsigned); const char *(*version)(void); } base = {api, version};
		const void *OrtGetApiBase(void) { return &base; }`)
	before, was := os.LookupEnv(telemetryVariable)
	if err := os.Unsetenv(telemetryVariable); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if was {
			_ = os.Setenv(telemetryVariable, before) // a value that was there
		}
	})
	for _, c := range []struct {
		environment []string
		want        string
	}{
		{nil, "1"},
		{[]string{telemetryVariable + "="}, "1"},
		{[]string{telemetryVariable + "=0"}, "0"},
	} {
		text, err := rerun(t, append(c.environment, "FX_ORT_TEST_LIBRARY="+library)...)
		if err != nil || !strings.Contains(text, "found <"+c.want+">") {
			t.Errorf("with %q: %v, %s", c.environment, err, text)
		}
	}
}
