package preprocess

import (
	"errors"
	"fmt"
)

// Interpolation names Pillow's resampling filter.
type Interpolation string

// The filters of torchvision's and timm's networks.
const (
	Bilinear Interpolation = "bilinear"
	Bicubic  Interpolation = "bicubic"
)

// Mode says what Spec.Resize is the size of.
type Mode string

// The modes of torchvision's Resize. Crop is the zero value, which JSON leaves out: files of an older fx have no mode.
const (
	Crop   Mode = ""       // Resize(R): the shorter side has R pixels, the longer one follows in proportion
	Squash Mode = "squash" // Resize((R, R)): both sides have R pixels, whatever the photo's proportions
)

// cropName is Crop in words, and in files that state it.
const cropName = "crop"

// String returns crop or squash.
func (m Mode) String() string {
	if m == Crop {
		return cropName
	}
	return string(m)
}

// UnmarshalText reads crop, squash or "", and refuses another text.
func (m *Mode) UnmarshalText(text []byte) error {
	*m = Mode(text)
	if *m == cropName {
		*m = Crop
	}
	return m.check()
}

func (m Mode) check() error {
	if m != Crop && m != Squash {
		return fmt.Errorf("unknown preprocessing mode %q: this fx knows %s and %s, a newer one may know more",
			string(m), cropName, Squash)
	}
	return nil
}

// Spec is torchvision's evaluation transform: Resize(Resize) of the side or
// sides of Mode, antialiased, on 8-bit values; CenterCrop(Crop); division by 255;
// subtraction of Mean and division by Std for each of the channels R, G, B.
type Spec struct {
	Mode          Mode          `json:"mode,omitempty"`
	Resize        int           `json:"resize"` // pixels of the shorter side, or of both
	Crop          int           `json:"crop"`   // pixels of the square side: the network's input
	Interpolation Interpolation `json:"interpolation"`
	Mean          [3]float32    `json:"mean"` // of values in 0–1
	Std           [3]float32    `json:"std"`
}

// ImageNet returns torchvision's normalisation with bilinear resizing of the
// shorter side to resize and a centre crop of crop pixels.
func ImageNet(resize, crop int) Spec {
	return Spec{
		Resize: resize, Crop: crop, Interpolation: Bilinear,
		Mean: [3]float32{0.485, 0.456, 0.406}, Std: [3]float32{0.229, 0.224, 0.225},
	}
}

// String describes s in words: View, mean and standard deviation.
func (s Spec) String() string { return fmt.Sprintf("%s, mean %v, std %v", s.View(), s.Mean, s.Std) }

// View describes the pixels that the network sees, such as "shorter side to 256 (bilinear), centre crop of 224".
func (s Spec) View() string {
	sides := "shorter side"
	if s.Mode == Squash {
		sides = "both sides"
	}
	return fmt.Sprintf("%s to %d (%s), centre crop of %d", sides, s.Resize, s.Interpolation, s.Crop)
}

// maxSide limits sizes from a file or a flag.
const maxSide = 8192

// Check returns an error if s is unusable.
func (s Spec) Check() error {
	if s.Crop < 1 || s.Crop > maxSide || s.Resize < 1 || s.Resize > maxSide {
		return fmt.Errorf("resize %d and crop %d must be in 1–%d", s.Resize, s.Crop, maxSide)
	}
	if err := s.Mode.check(); err != nil {
		return err
	}
	if s.Interpolation != Bilinear && s.Interpolation != Bicubic {
		return fmt.Errorf("interpolation %q is neither %q nor %q", s.Interpolation, Bilinear, Bicubic)
	}
	for _, v := range s.Std {
		if !(v > 0) {
			return errors.New("every std must be above 0")
		}
	}
	return nil
}
