package cli

import (
	"encoding/json"
	"strings"
	"testing"
)

// The help of `fx backbones list` names every key of its JSON.
func TestBackbonesKeysAreDocumented(t *testing.T) {
	var listed []map[string]any
	if err := json.Unmarshal([]byte(succeed(t, "backbones", "list", "--json").stdout), &listed); err != nil {
		t.Fatal(err)
	}
	help := succeed(t, "backbones", "list", "--help").stdout
	documented := strings.FieldsFunc(help, func(r rune) bool { return r != '_' && (r < 'a' || r > 'z') })
	known := map[string]bool{}
	for _, word := range documented {
		known[word] = true
	}
	for _, network := range listed {
		for key := range network {
			if !known[key] {
				t.Errorf("%v has the key %s, which the help does not name", network["name"], key)
				known[key] = true // once
			}
		}
	}
}
