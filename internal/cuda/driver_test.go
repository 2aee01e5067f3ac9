package cuda

import (
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"testing"
	"time"

	"fx/internal/fail"
	"fx/internal/testenv"
)

// needsNoDriver skips where a real driver would answer instead of the fake one.
func needsNoDriver(t *testing.T) {
	if runtime.GOOS != "linux" || Installed() && !testenv.IsChild() {
		t.Skip("needs Linux without NVIDIA's driver")
	}
}

// Ctrl+C works after NVIDIA's driver has taken its handler. Without KeepSignals
// Go dies: "non-Go code set up signal handler without SA_ONSTACK flag".
func TestCtrlCSurvivesTheDriver(t *testing.T) {
	needsNoDriver(t)
	if testenv.IsChild() {
		interrupted := make(chan os.Signal, 1)
		signal.Notify(interrupted, os.Interrupt)
		driver, err := Ask()
		if err != nil || len(driver.GPUs) != 1 {
			t.Fatal(driver, err)
		}
		for range 3 {
			if err := testenv.Interrupt(); err != nil {
				t.Fatal(err)
			}
			select {
			case <-interrupted:
			case <-time.After(5 * time.Second):
				t.Fatal("Go did not get the signal")
			}
		}
		fmt.Println("three signals arrived;", driver.GPUs[0], driver.GPUs[0].Capability, driver.CUDA())
		return
	}
	text, err := testenv.Rerun(t, "LD_LIBRARY_PATH="+testenv.FakeDriver(t, 13000, 1, 0))
	if err != nil || !strings.Contains(text, "three signals arrived; NVIDIA Test GPU (24 GiB) 8.6 13.0") {
		t.Errorf("%v: %s", err, text)
	}
}

func TestDriverProblemsSayWhatToDo(t *testing.T) {
	needsNoDriver(t)
	if testenv.IsChild() {
		_, err := Ask()
		fmt.Printf("problem: %v %s\n", err, fail.HintOf(err))
		return
	}
	for want, environment := range map[string]string{
		"no NVIDIA driver (libcuda.so.1 not found)":       "",
		"no GPU is visible (is CUDA_VISIBLE_DEVICES set?": "LD_LIBRARY_PATH=" + testenv.FakeDriver(t, 13000, 0, 0),
		"are of different versions (reboot":               "LD_LIBRARY_PATH=" + testenv.FakeDriver(t, 13000, 1, 803),
		"fails with CUDA error 77":                        "LD_LIBRARY_PATH=" + testenv.FakeDriver(t, 13000, 1, 77),
	} {
		text, err := testenv.Rerun(t, environment)
		if err != nil || !strings.Contains(text, want) || !strings.Contains(text, "--device cpu") {
			t.Errorf("want %q: %v: %s", want, err, text)
		}
	}
}
