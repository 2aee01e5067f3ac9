//go:build linux

package faults

import "fmt"

// A file that gets its name before it is synced may be empty after a power cut.
func Example() {
	events := []event{
		{call: "write", path: "/store/manifest.json.fx-tmp-1", successful: true},
		{call: "renameat", path: "/store/manifest.json.fx-tmp-1", to: "/store/manifest.json", successful: true},
		{call: "fsync", path: "/store", successful: true},
	}
	for _, problem := range tornByPowerCut(events) {
		fmt.Println(problem)
	}
	// Output: manifest.json.fx-tmp-1 gets its name before its content is synced
}
