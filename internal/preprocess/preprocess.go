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

// Spec is torchvision's evaluation transform: Resize(Resize) of the shorter
// side, antialiased, on 8-bit values; CenterCrop(Crop); division by 255;
// subtraction of Mean and division by Std for each of the channels R, G, B.
type Spec struct {
	Resize        int           `json:"resize"` // pixels of the shorter side
	Crop          int           `json:"crop"`   // pixels of the square side: the network's input
	Interpolation Interpolation `json:"interpolation"`
	Mean          [3]float32    `json:"mean"` // of values in 0–1
	Std           [3]float32    `json:"std"`
	Mode          string        `json:"mode,omitempty"`
}

// ImageNet returns torchvision's normalisation with bilinear resizing of the
// shorter side to resize and a centre crop of crop pixels.
func ImageNet(resize, crop int) Spec {
	return Spec{
		Resize: resize, Crop: crop, Interpolation: Bilinear,
		Mean: [3]float32{0.485, 0.456, 0.406}, Std: [3]float32{0.229, 0.224, 0.225},
	}
}

// maxSide limits sizes from a file or a flag.
const maxSide = 8192

// Check returns an error if s is unusable.
func (s Spec) Check() error {
	if s.Crop < 1 || s.Crop > maxSide || s.Resize < 1 || s.Resize > maxSide {
		return fmt.Errorf("resize %d and crop %d must be in 1–%d", s.Resize, s.Crop, maxSide)
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
