package dynlib

import "os"

// telemetryVariable disables ONNX Runtime's telemetry if it is 1 when the library creates its environment. Otherwise
// the packages for Linux and macOS send a device id, the program's path and the kind of the machine to Microsoft, and
// store that id and unsent events in the user's cache folder, Microsoft/DeveloperTools/.onnxruntime. The API's
// DisableTelemetryEvents needs an environment, so it comes after the first event.
const telemetryVariable = "ORT_DISABLE_TELEMETRY"

// init runs before main, so before Open opens a library, and while no C thread reads the environment. It affects every
// program and test that imports this package, and their child processes. Libraries see the variable in C's environment.
func init() { disableTelemetry() }

// disableTelemetry sets the variable unless the user has set it.
func disableTelemetry() {
	if os.Getenv(telemetryVariable) == "" {
		_ = os.Setenv(telemetryVariable, "1") // fails for malformed names only
		setForC(telemetryVariable, "1")
	}
}
