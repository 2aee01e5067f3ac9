package cli

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"fx/backbones"
	"fx/classify"
)

// The tables of the guide are the registry's, and its lists of networks are quickstart's.
func TestGuideToNetworksIsTheRegistrys(t *testing.T) {
	text, err := os.ReadFile("../docs/guides/choose-network.md")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(classify.QuickstartChoices()) {
		if want := "    " + strings.TrimSpace(line) + "\n"; !strings.Contains(string(text), want) {
			t.Errorf("the guide lacks the line %q", want)
		}
	}
	rows := 0
	for line := range strings.Lines(string(text)) {
		name, _, found := strings.Cut(strings.TrimPrefix(line, "| `"), "` |")
		if !strings.HasPrefix(line, "| `") || !found {
			continue
		}
		rows++
		b, err := backbones.Lookup(name)
		if err != nil {
			t.Error(err)
			continue
		}
		if want := fmt.Sprintf("| `%s` | %s | %s | %s |\n", name, parametersText(b), accuracyText(b.Accuracy),
			licenceText(b)); line != want {
			t.Errorf("the guide says %q, the registry %q", line, want)
		}
	}
	if rows < 20 {
		t.Errorf("%d networks in the guide", rows)
	}
}
