package cli

import (
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"fx/internal/imaging"
	"fx/internal/nativelib"
	"fx/internal/testenv"
)

// The scripts in testdata run the real main. Each says at its head what it guards.

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"fx":     func() { os.Exit(Main(os.Args)) },
		"photos": func() { drawPhotos(os.Args[1:]) },
		// For the guides.
		"sbatch":  func() { standIn(sbatch(os.Args[1:])) },
		"kubectl": func() { standIn(kubectl(os.Args[1:])) },
	})
}

// standIn ends a stand-in for another program.
func standIn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func TestScripts(t *testing.T) {
	library, err := nativelib.Find("")
	decoder, noTurboJPEG := imaging.NewDecoder(imaging.Options{Decoder: "turbojpeg"})
	testscript.Run(t, testscript.Params{
		Dir:  "testdata",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"release": release, "hub": hub},
		Setup: func(e *testscript.Env) error {
			e.Setenv("FX_CACHE_DIR", filepath.Join(e.WorkDir, "cache"))
			if err == nil {
				e.Setenv("FX_ORT_LIB", library.Path)
			}
			if noTurboJPEG == nil { // which may lie in the cache that the scripts don't see
				e.Setenv(imaging.TurboJPEGVariable, decoder.Library())
			}
			return nil
		},
		Condition: func(name string) (bool, error) {
			switch name {
			case "runtime":
				return has(testenv.Runtime, err)
			case "turbojpeg":
				return has(testenv.TurboJPEG, noTurboJPEG)
			case "gpu":
				_, err := os.Stat("/dev/nvidiactl")
				return err == nil, nil
			}
			return false, fmt.Errorf("unknown condition %q", name)
		},
	})
}

// has tells whether a need of a script is met. It is an error, which ends the script,
// where it is not and this machine must meet it.
func has(need testenv.Need, lack error) (bool, error) {
	if lack != nil && testenv.Required(need) {
		return false, fmt.Errorf("%s=%s: %w", testenv.Variable, os.Getenv(testenv.Variable), lack)
	}
	return lack == nil, nil
}

// drawPhotos is the scripts' command `photos DIR...`: six little photos in each
// folder, red ones in folders called red, else blue. Those below val are not
// the same as those below train.
func drawPhotos(dirs []string) {
	for _, dir := range dirs {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			panic(err)
		}
		for n := range 6 {
			picture := image.NewRGBA(image.Rect(0, 0, 48, 40))
			for i := range 48 * 40 {
				c := color.RGBA{uint8(40 + n), uint8(i % 50), uint8(180 + 10*n), 255}
				if strings.Contains(filepath.ToSlash(dir), "val/") {
					c.G += 10
				}
				if filepath.Base(dir) == "red" {
					c.R, c.B = c.B, c.R
				}
				picture.Set(i%48, i/48, c)
			}
			f, err := os.Create(filepath.Join(dir, fmt.Sprintf("%d.jpg", n)))
			if err == nil {
				err = jpeg.Encode(f, picture, nil)
			}
			if err == nil {
				err = f.Close()
			}
			if err != nil {
				panic(err)
			}
		}
	}
}
