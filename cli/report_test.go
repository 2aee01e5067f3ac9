package cli

import (
	"strings"
	"testing"

	"fx/report"
)

// A training that trained on features has no rate of images, and not one of 0.
func TestARateThatIsNotKnownIsNotZero(t *testing.T) {
	var text strings.Builder
	table := []report.Row{{Network: "a", Runs: 1, Seconds: 2}, {Network: "b", Runs: 1, ImagesPerSecond: 12.4}}
	printReportMade(&text, report.Result{Table: table})
	lines := strings.Split(text.String(), "\n")
	if !strings.HasSuffix(lines[1], " –") || !strings.HasSuffix(lines[2], " 12") {
		t.Errorf("%s", text.String())
	}
}
