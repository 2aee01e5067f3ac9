package dynlib

import "os"

// telemetryVariable makes ONNX Runtime send and keep nothing where it is 1 as
// the library makes its environment. Without it the packages for Linux and
// macOS post a device id, the program's path and the kind of the machine to
// their maker, and keep that id and what was not sent yet in the user's cache
// folder, Microsoft/DeveloperTools/.onnxruntime. The API's DisableTelemetryEvents
// takes an environment, so it comes after the first event.
const telemetryVariable = "ORT_DISABLE_TELEMETRY"

// It is set before main, when no thread of C's can be reading the environment,
// and so before any library is opened by Open, in every program and test that
// imports this package, and for every program that these start. With cgo, os.Setenv
// calls C's setenv, so that libraries see it.
func init() { disableTelemetry() }

// disableTelemetry leaves a value that the user chose.
func disableTelemetry() {
	if os.Getenv(telemetryVariable) == "" {
		_ = os.Setenv(telemetryVariable, "1") // fails for malformed names only
	}
}
