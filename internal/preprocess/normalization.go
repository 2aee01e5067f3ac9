package preprocess

import (
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"fx/internal/fail"
)

// Normalization is subtracted from and divides a channel's values in 0–1, in the order
// R, G, B. The zero value means that none is chosen.
type Normalization struct{ Mean, Std [3]float32 }

// The usual normalizations by name.
var normalizations = map[string]Normalization{
	"imagenet": {ImageNet(0, 0).Mean, ImageNet(0, 0).Std},
	"half":     {[3]float32{0.5, 0.5, 0.5}, [3]float32{0.5, 0.5, 0.5}}, // to -1–1
	"clip": {[3]float32{0.48145466, 0.4578275, 0.40821073},
		[3]float32{0.26862954, 0.26130258, 0.27577711}},
	"none": Unit(),
	"raw":  Raw(),
}

// Unit leaves values in 0–1.
func Unit() Normalization { return Normalization{Std: [3]float32{1, 1, 1}} }

// Raw returns to values in 0–255.
func Raw() Normalization {
	return Normalization{Std: [3]float32{1. / 255, 1. / 255, 1. / 255}}
}

// Normalization returns the mean and standard deviation of s.
func (s Spec) Normalization() Normalization { return Normalization{s.Mean, s.Std} }

// ParseNormalization reads the flags --mean and --std: three numbers with commas, or a
// name of a normalization, which serves for both if the other flag is empty. Both empty
// are the zero value. Errors are of kind fail.Usage.
func ParseNormalization(mean, std string) (Normalization, error) {
	if std == "" {
		if n, ok := normalizations[mean]; ok {
			return n, nil
		}
	}
	if mean == "" {
		if n, ok := normalizations[std]; ok {
			return n, nil
		}
	}
	hint := "Give three numbers each, such as --mean 0.5,0.5,0.5 --std 0.25,0.25,0.25, of values in 0–1; or one of " +
		"the names " + strings.Join(slices.Sorted(maps.Keys(normalizations)), ", ") + ", as in --mean clip."
	n := Normalization{}
	switch {
	case mean == "" && std == "":
		return n, nil
	case mean == "" || std == "":
		return n, fail.New(fail.Usage, hint, "--mean and --std go together")
	}
	ok := true
	if named, known := normalizations[mean]; known {
		n.Mean = named.Mean
	} else if n.Mean, ok = threeNumbers(mean); !ok {
		return n, fail.New(fail.Usage, hint, "--mean %s is not three numbers", mean)
	}
	if named, known := normalizations[std]; known {
		n.Std = named.Std
	} else if n.Std, ok = threeNumbers(std); !ok || slices.Min(n.Std[:]) <= 0 {
		return n, fail.New(fail.Usage, hint, "--std %s is not three numbers above 0", std)
	}
	return n, nil
}

func threeNumbers(text string) (v [3]float32, ok bool) {
	parts := strings.Split(text, ",")
	if len(parts) != 3 {
		return v, false
	}
	for i, p := range parts {
		x, err := strconv.ParseFloat(strings.TrimSpace(p), 32)
		if err != nil || math.IsNaN(x) || math.IsInf(x, 0) {
			return v, false
		}
		v[i] = float32(x)
	}
	return v, true
}
