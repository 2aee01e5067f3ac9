package imaging_test

import (
	"bytes"
	"fmt"
	"image"
	"image/png"

	"fx/internal/imaging"
	"fx/internal/preprocess"
	"fx/internal/random"
)

func Example() {
	// A picture of 640×480 pixels, as a file's bytes.
	var file bytes.Buffer
	if err := png.Encode(&file, image.NewGray(image.Rect(0, 0, 640, 480))); err != nil {
		fmt.Println(err)
		return
	}

	decoder, err := imaging.NewDecoder(imaging.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	picture, err := decoder.Decode(file.Bytes())
	if err != nil {
		fmt.Println(err)
		return
	}
	spec := preprocess.ImageNet(256, 224)
	pixels := make([]uint8, 3*spec.Crop*spec.Crop)
	if err := picture.CenterView(spec, pixels); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(picture.W, picture.H, len(pixels))

	// A training view: the same stream gives the same region anywhere.
	region := imaging.RandomRegion(picture.W, picture.H, random.New(7, "augment", 0))
	fmt.Printf("%+v\n", region)

	_, err = decoder.Decode([]byte("a text file named photo.jpg"))
	fmt.Println(err)
	// Output:
	// 640 480 150528
	// {Top:43 Left:3 Height:426 Width:372 Flip:true}
	// not an image: the content is none of JPEG, PNG, WebP, BMP, TIFF, GIF, PNM, HEIF, AVIF
}
