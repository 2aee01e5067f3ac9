package photoio_test

import (
	"context"
	"errors"
	"fmt"
	"image"
	"image/png"
	"os"
	"path/filepath"

	"fx/internal/imaging"
	"fx/internal/photoio"
	"fx/internal/source"
)

// draw makes a folder with a photo, a file that is none, and one that is empty.
func draw(dir string) error {
	f, err := os.Create(filepath.Join(dir, "a.png"))
	if err != nil {
		return err
	}
	return errors.Join(png.Encode(f, image.NewGray(image.Rect(0, 0, 40, 30))), f.Close(),
		os.WriteFile(filepath.Join(dir, "b.png"), []byte("no photo"),
			0o644), os.WriteFile(filepath.Join(dir, "c.png"), nil, 0o644))
}

func Example() {
	dir, err := os.MkdirTemp("", "photos")
	if err == nil {
		defer os.RemoveAll(dir)
		err = draw(dir)
	}
	decoder, decoderErr := imaging.NewDecoder(imaging.Options{})
	if err := errors.Join(err, decoderErr); err != nil {
		fmt.Println(err)
		return
	}
	reader := photoio.NewReader(decoder, photoio.Options{})
	for _, name := range []string{"a.png", "b.png", "c.png"} {
		photo, err := reader.Read(context.Background(), source.File(filepath.Join(dir, name)))
		var bad *photoio.Unusable
		switch {
		case err == nil:
			fmt.Printf("%s: %d×%d pixels\n", name, photo.W, photo.H)
			photo.Release()
		case errors.As(err, &bad):
			fmt.Printf("%s is left out: %v\n", name, bad)
		default:
			fmt.Println(err) // the run ends
			return
		}
	}
	// Output:
	// a.png: 40×30 pixels
	// b.png is left out: not an image: the content is none of JPEG, PNG, WebP, BMP, TIFF, GIF, PNM, HEIF, AVIF
	// c.png is left out: empty file
}
