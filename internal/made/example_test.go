package made_test

import (
	"fmt"
	"os"
	"path/filepath"

	"fx/internal/made"
)

func ExampleBy() {
	dir, err := os.MkdirTemp("", "made")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	for name, text := range map[string]string{
		"photos/1.jpg":           "",
		"photos/state.json":      `{"format_version": 1}`, // somebody else's
		"photos/model.json":      `torn`,
		"features/manifest.json": `{"format_version": 1, "backbone": "resnet18", "graph_sha256": "12"}`,
	} {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			panic(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			panic(err)
		}
	}
	for _, name := range []string{"photos", "features", "."} {
		entries, err := os.ReadDir(filepath.Join(dir, name))
		if err != nil {
			panic(err)
		}
		what, err := made.By(filepath.Join(dir, name), entries)
		fmt.Printf("%s: %q %v\n", name, what, err)
	}
	// Output:
	// photos: "" <nil>
	// features: "an embedding store" <nil>
	// .: "what `fx quickstart` made" <nil>
}
