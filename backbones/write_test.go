package backbones

import (
	"flag"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fx/internal/onnx"
	"fx/internal/onnx/pb"
	"fx/internal/preprocess"
	"fx/internal/weights"
)

var writeTo = flag.String("write-models", "",
	"folder for each network's seed:0 weights and feature model, for testdata/make_goldens.py")
var writeNames = flag.String("write-names", "", "networks of -write-models, with spaces between; all without it")

// TestWriteModels writes what testdata/make_goldens.py compares with torch.
func TestWriteModels(t *testing.T) {
	if *writeTo == "" {
		t.Skip("no -write-models folder given")
	}
	wanted := strings.Fields(*writeNames)
	for _, b := range All() {
		t.Run(b.Name, func(t *testing.T) {
			if len(wanted) > 0 && !slices.Contains(wanted, b.Name) {
				t.Skip("not in -write-names")
			}
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
			f, err := features(m, b)
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

// fitModel is fitImage alone: "image" in, "images" [1, crop, crop, 3] out.
func fitModel(spec preprocess.Spec) *pb.ModelProto {
	g := &pb.GraphProto{Name: "fit"}
	b := onnx.NewBuilder(g, ownPrefix)
	b.Input(onnx.TensorInfo(imageName, pb.TensorProto_UINT8, "height", "width", 3))
	b.OpTo(ImagesName, "Identity", []string{fitImage(b, imageName, spec)})
	g.Output = []*pb.ValueInfoProto{onnx.TensorInfo(ImagesName, pb.TensorProto_UINT8, 1, spec.Crop, spec.Crop, 3)}
	m := &pb.ModelProto{IrVersion: 9, Graph: g}
	onnx.SetOpset(m, "", 20)
	return m
}

// fitSpecs are the preprocessings that testdata/check_pixels.py compares with torchvision's.
func fitSpecs() map[string]preprocess.Spec {
	bicubic := preprocess.ImageNet(256, 224)
	bicubic.Interpolation = preprocess.Bicubic
	squash := func(resize, crop int, filter preprocess.Interpolation) preprocess.Spec {
		s := preprocess.ImageNet(resize, crop)
		s.Mode, s.Interpolation = preprocess.Squash, filter
		return s
	}
	return map[string]preprocess.Spec{
		"bilinear_224_224": preprocess.ImageNet(224, 224),
		"bilinear_299_299": preprocess.ImageNet(299, 299),
		"bilinear_256_224": preprocess.ImageNet(256, 224),
		"bilinear_150_225": preprocess.ImageNet(150, 225),
		"bicubic_256_224":  bicubic,

		"squash_bilinear_256_256": squash(256, 256, preprocess.Bilinear),
		"squash_bilinear_150_225": squash(150, 225, preprocess.Bilinear),
		"squash_bicubic_256_224":  squash(256, 224, preprocess.Bicubic),
		"squash_bicubic_384_384":  squash(384, 384, preprocess.Bicubic),
	}
}

func TestWriteFitModels(t *testing.T) {
	if *writeTo == "" {
		t.Skip("no -write-models folder given")
	}
	for name, spec := range fitSpecs() {
		m := fitModel(spec)
		if err := onnx.Check(m.Graph); err != nil {
			t.Fatal(err)
		}
		if err := onnx.Save(filepath.Join(*writeTo, "fit_"+name+".onnx"), m); err != nil {
			t.Fatal(err)
		}
	}
}
