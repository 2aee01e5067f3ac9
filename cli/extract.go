package cli

import (
	"fmt"
	"io"
	"slices"

	urfave "github.com/urfave/cli/v2"

	"fx/extract"
	"fx/internal/ort"
)

// networkFlags choose a network and the device that runs it.
func networkFlags() []urfave.Flag {
	return []urfave.Flag{
		&urfave.StringFlag{Name: "weights", Usage: "weights `FILE` (.safetensors, .pth), or seed:N for random ones; default: look for the official ones"},
		&urfave.StringFlag{Name: "feature-tensor", Usage: "`NAME` of the tensor to cache, for an ONNX file that does not say"},
	}
}

// lockFlag is for commands that fetch or look for weights and photos.
func lockFlag() urfave.Flag {
	return &urfave.StringFlag{Name: "lock", Usage: "`FILE` that names by SHA-256 what fx fetches and finds; obeyed where it is there, extended by what it lacks"}
}

// deviceFlags choose where and how a network runs.
func deviceFlags() []urfave.Flag {
	return []urfave.Flag{
		&urfave.StringFlag{Name: "device", Value: "auto", Usage: "auto, cpu, cuda or cuda:N"},
		&urfave.StringFlag{Name: "precision", Usage: "of weights and activations: float32, or float16 for a GPU", DefaultText: "float32, or as the store began"},
		&urfave.IntFlag{Name: "batch-size", Usage: "photos in one run of the network", DefaultText: "8 on a CPU, 32 for alexnet, 64 on a GPU"},
		&urfave.IntFlag{Name: "workers", Usage: "goroutines that decode and run", DefaultText: "one for each CPU"},
		&urfave.StringFlag{Name: "ort-lib", Usage: "`FILE` of libonnxruntime to use (default: look for it)", EnvVars: []string{}},
		&urfave.StringFlag{Name: "decoder", Value: "auto", Usage: "JPEG decoder: auto, turbojpeg or go"},
		decodeMemoryFlag(),
	}
}

// fastDecodeFlag is for commands that make features; a MODEL remembers it.
func fastDecodeFlag() urfave.Flag {
	return &urfave.BoolFlag{Name: "fast-decode", Usage: "decode large JPEGs at 1/2, 1/4 or 1/8 of their size where that is enough: faster, other pixels"}
}

// forceFlag is for commands that write where --out tells them.
func forceFlag() urfave.Flag {
	return &urfave.BoolFlag{Name: "force",
		Usage: "write to --out whatever lies there; files with the names of the results are replaced"}
}

// embedderOptions reads networkFlags and deviceFlags.
func embedderOptions(c *urfave.Context) (extract.EmbedderOptions, error) {
	network, err := networkOptions(c)
	if err != nil {
		return extract.EmbedderOptions{}, err
	}
	device, err := ort.ParseDevice(c.String("device"))
	return extract.EmbedderOptions{
		DecodeMemory: decodeMemory(c),
		Network:      network, Device: device, Precision: c.String("precision"), BatchSize: c.Int("batch-size"), Workers: c.Int("workers"), Library: c.String("ort-lib"),
	}, err
}

func extractCommand(out *output) *urfave.Command {
	flags := slices.Concat(photoFlags(), networkFlags(), deviceFlags())
	return &urfave.Command{
		Name:  "extract",
		Usage: "run a frozen backbone over a folder of photos and cache the embeddings",
		Description: "DIR holds train/ and val/ (any names) with a folder a class, or a folder a class alone, or is a\n" +
			".csv list with the header path,label[,split]. Run it again after any change: only what changed is computed.",
		Flags: append([]urfave.Flag{
			&urfave.StringFlag{Name: "backbone", Required: true, Usage: "a `NAME` of `fx backbones list`, or an ONNX file"},
			&urfave.StringFlag{Name: "data", Required: true, Usage: "`DIR` of photos"},
			&urfave.StringFlag{Name: "out", Required: true, Usage: "`STORE` folder to fill; one of other photos loses no row without --force"}, forceFlag(),
			&urfave.StringFlag{Name: "dtype", Value: "float32", Usage: "float32 or float16, of the cached values"},
			&urfave.IntFlag{Name: "resize", Usage: "pixels of the shorter side after resizing (default: the network's)"},
			&urfave.IntFlag{Name: "crop", Usage: "pixels of the centre crop (default: the network's input size)"},
			&urfave.IntFlag{Name: "views", Usage: "random augmentations of each training photo to cache besides its centre view"},
			&urfave.Uint64Flag{Name: "seed", Usage: "of the augmentations"},
			&urfave.StringFlag{Name: "train-split", Value: "train", Usage: "the split that --views augments"},
			&urfave.StringFlag{Name: "exif", Value: "ignore", Usage: "orientation tag: ignore (as torchvision does) or apply"},
			fastDecodeFlag(),
			lockFlag(),
			&urfave.StringFlag{Name: "on-bad-image", Value: "skip", Usage: "skip or fail"},
			&urfave.StringFlag{Name: "shard", Usage: "i/n: compute only this part, 0 ≤ i < n; auto or auto/n reads the array task of Slurm or Kubernetes"},
			&urfave.DurationFlag{Name: "wait", Usage: "wait this long for a store that another process holds"},
			&urfave.BoolFlag{Name: "verify-content", Usage: "hash every photo and every stored row, not only the files whose size or time changed"},
		}, flags...),
		Action: func(c *urfave.Context) error {
			if err := noArguments(c); err != nil {
				return err
			}
			embedder, err := embedderOptions(c)
			if err != nil {
				return err
			}
			summary, err := extract.Run(c.Context, extract.Options{
				Embedder: embedder, Data: c.String("data"), Store: c.String("out"), Force: c.Bool("force"), DType: c.String("dtype"),
				Views: c.Int("views"), Seed: c.Uint64("seed"), TrainSplit: c.String("train-split"),
				EXIF: c.String("exif"), Decoder: c.String("decoder"), FastDecode: c.Bool("fast-decode"), OnBadImage: c.String("on-bad-image"),
				Extensions: c.StringSlice("extensions"), NoFollowLinks: c.Bool("no-follow-links"),
				Shard: c.String("shard"), Wait: c.Duration("wait"), VerifyContent: c.Bool("verify-content"), FxVersion: version(),
			}, out.progress())
			if err != nil {
				return err
			}
			return out.result(summary, func(w io.Writer) { printExtract(w, summary) })
		},
	}
}

func printExtract(w io.Writer, s extract.Summary) {
	printLeftOut(w, "", s.Rejected, s.Skipped)
	fmt.Fprintf(w, "%d photos: %d rows computed, %d cached, %d photos rejected, %d files skipped\n",
		s.Images, s.Computed, s.Cached, len(s.Rejected), len(s.Skipped))
	if s.Dropped > 0 {
		fmt.Fprintf(w, "%d rows of photos or views that are gone or changed were dropped\n", s.Dropped)
	}
	if s.Damaged > 0 {
		fmt.Fprintf(w, "%d damaged rows computed anew\n", s.Damaged)
	}
	if s.Computed > 0 {
		fmt.Fprintf(w, "%.1f s, %.0f images/s on %s; decoder: %s\n", s.Seconds, s.ImagesPerSecond, s.Provider, s.Decoder)
	}
	for _, note := range s.Notes {
		fmt.Fprintf(w, "note: %s\n", note)
	}
	fmt.Fprintf(w, "store: %s (features %v)\n", s.Store, s.FeatureShape)
}
