//go:build unix

package imaging

import (
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"fx/internal/preprocess"
	"fx/internal/random"
	"fx/internal/testenv"
)

// benchmarkPhotos returns the bytes of every eighth photo of FX_DATA_DIR.
func benchmarkPhotos(b *testing.B) (files [][]byte) {
	root, names := photos(b)
	for i := 0; i < len(names); i += 8 {
		data, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(names[i])))
		if err != nil {
			b.Fatal(err)
		}
		files = append(files, data)
	}
	return files
}

func benchmarkImages(b *testing.B) (images []*Image) {
	files := benchmarkPhotos(b)
	d, err := NewDecoder(Options{})
	if err != nil {
		b.Fatal(err)
	}
	for _, data := range files {
		im, err := d.Decode(data)
		if err != nil {
			b.Fatal(err)
		}
		images = append(images, im)
	}
	return images
}

// cpu reports the processor time of an operation besides its wall time, which
// other work on the machine lengthens.
func cpu(b *testing.B) (report func()) {
	used := func() float64 {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e6
	}
	start := used()
	return func() { b.ReportMetric((used()-start)/float64(b.N), "cpu-ms/op") }
}

// One operation of each benchmark is one photo.

func BenchmarkDecode(b *testing.B) {
	for _, kind := range []string{"turbojpeg", "go"} {
		b.Run(kind, func(b *testing.B) {
			d, err := NewDecoder(Options{Decoder: kind})
			if err != nil {
				testenv.Lacks(b, testenv.TurboJPEG, "%v", err)
			}
			files := benchmarkPhotos(b)
			var im Image
			b.ReportAllocs()
			defer cpu(b)()
			for i := 0; b.Loop(); i++ {
				if err := d.DecodeInto(&im, files[i%len(files)]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkCenterView(b *testing.B) {
	images := benchmarkImages(b)
	for _, s := range []preprocess.Spec{spec(224, 224, preprocess.Bilinear), spec(256, 224, preprocess.Bilinear),
		spec(256, 224, preprocess.Bicubic)} {
		b.Run(string(s.Interpolation)+"-"+strconv.Itoa(s.Resize), func(b *testing.B) {
			dst := make([]uint8, 3*s.Crop*s.Crop)
			b.ReportAllocs()
			defer cpu(b)()
			for i := 0; b.Loop(); i++ {
				if err := images[i%len(images)].CenterView(s, dst); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkRandomView(b *testing.B) {
	images := benchmarkImages(b)
	s := spec(224, 224, preprocess.Bilinear)
	dst := make([]uint8, 3*s.Crop*s.Crop)
	b.ReportAllocs()
	defer cpu(b)()
	for i := 0; b.Loop(); i++ {
		if err := images[i%len(images)].RandomView(s, random.New(0, "bench", uint64(i)), dst); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkPhoto is the whole way of a photo: bytes to the centre view.
func BenchmarkPhoto(b *testing.B) {
	files := benchmarkPhotos(b)
	d, err := NewDecoder(Options{})
	if err != nil {
		b.Fatal(err)
	}
	s := spec(224, 224, preprocess.Bilinear)
	b.ReportAllocs()
	defer cpu(b)()
	b.RunParallel(func(p *testing.PB) {
		var im Image
		dst := make([]uint8, 3*s.Crop*s.Crop)
		for i := 0; p.Next(); i++ {
			if err := d.DecodeInto(&im, files[i%len(files)]); err != nil {
				b.Error(err)
				return
			}
			if err := im.CenterView(s, dst); err != nil {
				b.Error(err)
				return
			}
		}
	})
}
