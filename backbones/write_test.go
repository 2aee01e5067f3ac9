package backbones

import (
	"flag"
	"path/filepath"
	"testing"

	"fx/internal/onnx"
	"fx/internal/weights"
)

var writeTo = flag.String("write-models", "", "folder for each network's seed:0 weights and feature model, for testdata/make_goldens.py")

// TestWriteModels writes what testdata/make_goldens.py compares with torch.
func TestWriteModels(t *testing.T) {
	if *writeTo == "" {
		t.Skip("no -write-models folder given")
	}
	for _, b := range All() {
		t.Run(b.Name, func(t *testing.T) {
			sd, err := SeedWeights(b, 0)
			if err != nil {
				t.Fatal(err)
			}
			if err := weights.WriteSafetensors(filepath.Join(*writeTo, b.Name+".safetensors"), sd); err != nil {
				t.Fatal(err)
			}
			m, err := Assemble(b, sd)
			if err != nil {
				t.Fatal(err)
			}
			f, err := Features(m, b)
			if err != nil {
				t.Fatal(err)
			}
			if err := onnx.Check(f.Graph); err != nil {
				t.Fatal(err)
			}
			if err := onnx.Save(filepath.Join(*writeTo, b.Name+".features.onnx"), f); err != nil {
				t.Fatal(err)
			}
			if err := onnx.Save(filepath.Join(*writeTo, b.Name+".onnx"), m); err != nil {
				t.Fatal(err)
			}
		})
	}
}
