// Decode measures how many photos a second one core decodes and resizes, from
// JPEG bytes in memory to the square that a network takes:
//
//	go -C bench run ./decode --data ../photos [--size 224] [--rounds 5] [--photos 0]
//
// prints one JSON document. Its peers print the same one of the same photos:
//
//	python bench/decode/peers/decode_peers.py --library pillow      --data photos [--size 224] [--rounds 5] …
//	python bench/decode/peers/decode_peers.py --library torchvision --data photos [--size 224] [--rounds 5] …
//
//	{"program": "fx", "versions": {"decoder": "libjpeg-turbo 2.1.5 (…)", "instructions": "avx512"},
//	 "photos": 397, "pixels": 72650240, "size": 224, "rounds": 5,
//	 "images_per_second": {"decode": …, "resize": …, "both": …, "fast_decode": …, "fast_both": …}}
//
// decode is bytes to RGB pixels; resize is torchvision's Resize(size) and
// CenterCrop(size) of decoded pixels, bilinear with antialiasing; both is one after the
// other. The fast ones use JPEG's scaled decoding (fx's --fast-decode, Pillow's draft), null
// where the program has none. A rate is that of the round which is the median of all;
// the rounds of the five jobs alternate. --photos limits how many photos are read, 0 reads all.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"io"
	"os"
	"runtime"

	"fx/bench/internal/program"
	"fx/internal/fail"
)

func main() {
	runtime.GOMAXPROCS(1) // one core, garbage collection included
	program.Main("decode", run)
}

// options are the command line.
type options struct {
	data                 string
	size, rounds, photos int
}

func run(_ context.Context, args []string, stdout, stderr io.Writer) error {
	var o options
	flags := flag.NewFlagSet("decode", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.data, "data", os.Getenv("FX_DATA_DIR"),
		"`FOLDER` whose JPEGs are read, subfolders included; $FX_DATA_DIR where it is left out")
	flags.IntVar(&o.size, "size", 224, "side in pixels that photos are resized and cropped to")
	flags.IntVar(&o.rounds, "rounds", 5, "how often each job is timed")
	flags.IntVar(&o.photos, "photos", 0, "how many photos to read at most; 0 for all")
	if err := program.Parse(flags, args); err != nil {
		return err
	}
	if o.data == "" || o.size < 1 || o.rounds < 1 || o.photos < 0 {
		return fail.New(fail.Usage, "Give --data FOLDER, and --size and --rounds of 1 or more.", "nothing to measure")
	}
	m, err := measure(o)
	if err != nil {
		return err
	}
	return json.NewEncoder(stdout).Encode(m)
}
