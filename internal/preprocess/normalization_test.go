package preprocess_test

import (
	"testing"

	"fx/internal/fail"
	"fx/internal/preprocess"
)

func TestParseNormalization(t *testing.T) {
	half := [3]float32{0.5, 0.5, 0.5}
	for _, c := range []struct {
		mean, std string
		want      preprocess.Normalization
	}{
		{"", "", preprocess.Normalization{}},
		{"half", "", preprocess.Normalization{Mean: half, Std: half}},
		{"", "imagenet", preprocess.ImageNet(1, 1).Normalization()},
		{"none", "raw", preprocess.Normalization{Std: preprocess.Raw().Std}},
		{"0.5, 0.5,0.5", "1,1,1", preprocess.Normalization{Mean: half, Std: preprocess.Unit().Std}},
	} {
		if got, err := preprocess.ParseNormalization(c.mean, c.std); err != nil || got != c.want {
			t.Errorf("--mean %q --std %q: %v, %v", c.mean, c.std, got, err)
		}
	}
	for _, bad := range [][2]string{{"0.5", "half"}, {"1,2,3", ""}, {"", "1,1,1"}, {"half", "1,1,0"},
		{"half", "-1,1,1"}, {"a,b,c", "half"}, {"NaN,0,0", "half"}, {"vague", ""}, {"0,0,0", "1e99,1,1"}} {
		if _, err := preprocess.ParseNormalization(bad[0], bad[1]); fail.KindOf(err) != fail.Usage ||
			fail.HintOf(err) == "" {
			t.Errorf("--mean %q --std %q: %v", bad[0], bad[1], err)
		}
	}
}
