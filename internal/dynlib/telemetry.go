package dynlib

import "os"

// telemetryVariable disables ONNX Runtime's telemetry if it is 1 when the library creates its environment. Otherwise
// the packages for Linux and macOS send a device id, the program's path and the kind of the machine to Microsoft, and
// store that id and unsent events in the user's cache folder, Microsoft/DeveloperTools/.onnxruntime. The API's
// DisableTelemetryEvents needs an environment, so it comes after the first event.
const telemetryVariable = "ORT_DISABLE_TELEMETRY"

// It is set before main, when no C thread can be reading the environment, and so before Open opens any library, in
// every program and test that imports this package, and in their child processes. With cgo, os.Setenv calls C's
// setenv, so that libraries see it.
func init() { disableTelemetry() }

// disableTelemetry keeps a value that the user has set.
func disableTelemetry() {
	if os.Getenv(telemetryVariable) == "" {
		_ = os.Setenv(telemetryVariable, "1") // fails for malformed names only
	}
}
