package testenv_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"fx/internal/testenv"
)

// A machine that must have something fails the test that does not find it, and no other.
func TestLacksFailsWhatIsRequired(t *testing.T) {
	if testenv.IsChild() {
		testenv.Lacks(t, testenv.Runtime, "nothing in %s", "/nowhere")
	}
	for required, want := range map[string]string{
		"": "--- SKIP", "photos": "--- SKIP", "runtimes": "--- SKIP",
		"runtime": "--- FAIL", "photos,runtime": "--- FAIL",
	} {
		text, err := testenv.Rerun(t, testenv.Variable+"="+required)
		if !strings.Contains(text, want) || !strings.Contains(text, "nothing in /nowhere") ||
			(err != nil) != (want == "--- FAIL") {
			t.Errorf("with %q: %v: %s", required, err, text)
		}
	}
}

func Example() {
	os.Setenv(testenv.Variable, "runtime,photos")
	defer os.Unsetenv(testenv.Variable)
	fmt.Println("tests fail for want of", strings.ReplaceAll(os.Getenv(testenv.Variable), ",", " and "))
	// Output: tests fail for want of runtime and photos
}
