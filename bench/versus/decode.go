package main

import (
	"context"
	"path/filepath"
)

var (
	pillowSide      = side{"pillow", "Pillow"}
	torchvisionSide = side{"torchvision", "torchvision, decode_jpeg"}
)

// decodeComparisons returns one comparison: each program reports the median of its own
// rounds, of decoding, of resizing and of both.
func decodeComparisons(w *environment) []comparison {
	return []comparison{{
		section: "decode", name: "one-core", title: "one core, photos in memory", sides: []side{fxSide, pillowSide,
			torchvisionSide}, rounds: w.rounds,
		prepare: func(ctx context.Context, o *outcome) (map[string]job, error) {
			program, err := w.goProgram(ctx, "decode", "bench", "decode")
			if err != nil {
				return nil, err
			}
			common := []string{"--data", w.photos.dir, "--rounds", "3"}
			peer := func(library string) job {
				script := []string{w.python, filepath.Join("bench", "decode", "peers", "decode_peers.py"),
					"--library", library}
				return job{commands: always(append(script, common...))}
			}
			return map[string]job{
				"fx": {commands: always(append([]string{program},
					common...))}, "pillow": peer("pillow"), "torchvision": peer("torchvision"),
			}, nil
		},
	}}
}
