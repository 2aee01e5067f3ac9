package dynlib

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fx/internal/ortapi"
	"fx/internal/testenv"
)

// A library finds the variable in C's environment as it is opened, with the
// value that the user gave it or else 1.
func TestLibrariesFindTelemetrySwitchedOff(t *testing.T) {
	if testenv.IsChild() {
		library, err := Open(os.Getenv("FX_TEST_LIBRARY"), false)
		if err != nil {
			t.Fatal(err)
		}
		t.Log("found <" + ortapi.LibraryVersion(library.Symbol("OrtGetApiBase")) + ">")
		return
	}
	library := testenv.CompileLibrary(t, filepath.Join(t.TempDir(), "libonnxruntime.so"), `
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
		text, err := testenv.Rerun(t, append(c.environment, "FX_TEST_LIBRARY="+library)...)
		if err != nil || !strings.Contains(text, "found <"+c.want+">") {
			t.Errorf("with %q: %v, %s", c.environment, err, text)
		}
	}
}
