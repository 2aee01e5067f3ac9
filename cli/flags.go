package cli

import (
	"cmp"

	urfave "github.com/urfave/cli/v2"

	"fx/backbones"
	"fx/extract"
	"fx/internal/environment"
	"fx/internal/lockfile"
	"fx/internal/ort"
	"fx/internal/preprocess"
	"fx/internal/weights"
)

// Flags that several commands have, and what reads them.

// networkFlags choose a network's weights and features.
func networkFlags() []urfave.Flag {
	return []urfave.Flag{
		&urfave.StringFlag{Name: "weights", Usage: "weights `FILE` (.safetensors, .pth), or seed:N for random weights",
			DefaultText: "those in the ONNX file, or search for the official ones"},
		&urfave.StringFlag{Name: "feature-tensor",
			Usage: "`NAME` of the tensor that the classifier takes, for ONNX files without this information"},
		&urfave.StringFlag{Name: "pool", Usage: "features of a registered transformer: cls, mean, cls+mean or map",
			DefaultText: "what its authors give a linear classifier"},
		&urfave.StringFlag{Name: "mean",
			Usage: "mean `R,G,B` of values in 0–1 for ONNX files, or the name of a normalization: imagenet, half, " +
				"clip, none (values in 0–1) or raw (0–255)", DefaultText: "the file's, else imagenet"},
		&urfave.StringFlag{Name: "std", Usage: "standard deviation `R,G,B` for ONNX files, or a name as for --mean",
			DefaultText: "the file's, else imagenet"},
	}
}

// sizeFlags are the sizes of a frozen network's photos.
func sizeFlags() []urfave.Flag {
	return []urfave.Flag{
		&urfave.IntFlag{Name: "resize", DefaultText: "the network's",
			Usage: "pixels of the shorter side after resizing, or of both if the network squashes"},
		&urfave.IntFlag{Name: "crop", Usage: "pixels of the centre crop", DefaultText: "the network's input size"},
	}
}

// networkOptions reads the flags that name a network and its weights, as far as the command has them.
func networkOptions(c *urfave.Context) (backbones.NetworkOptions, error) {
	from, err := weights.ParseRef(c.String("weights"))
	if err != nil {
		return backbones.NetworkOptions{}, err
	}
	normalization, err := preprocess.ParseNormalization(c.String("mean"), c.String("std"))
	return backbones.NetworkOptions{
		Backbone: c.String("backbone"), Weights: from, FeatureTensor: c.String("feature-tensor"),
		Pool: backbones.Pool(c.String("pool")), Normalization: normalization,
		Resize: c.Int("resize"), Crop: c.Int("crop"), Lock: lockfile.At(c.String("lock")),
	}, err
}

// lockFlag is for commands that search for weights and photos, or fetch them.
func lockFlag() urfave.Flag {
	return &urfave.StringFlag{Name: "lock",
		Usage: "`FILE` with the SHA-256 of what fx fetches and finds; fx accepts only these files, and adds missing " +
			"ones"}
}

// forceFlag is for commands that write to --out.
func forceFlag() urfave.Flag {
	return &urfave.BoolFlag{Name: "force",
		Usage: "write to --out even if it contains something else; files with the names of the results are replaced"}
}

// fastDecodeFlag is for commands that compute features; the MODEL records it.
func fastDecodeFlag() urfave.Flag {
	return &urfave.BoolFlag{Name: "fast-decode",
		Usage: "decode large JPEGs at 1/2, 1/4 or 1/8 of their size: faster, with other pixels"}
}

// exifFlag is for commands whose features go to a store, or beside those of one.
func exifFlag() urfave.Flag {
	return &urfave.StringFlag{Name: "exif", Value: "ignore",
		Usage: "EXIF orientation: ignore (as torchvision does) or apply"}
}

// timeoutPerPhotoFlag is for commands that must not wait for a photo for ever.
func timeoutPerPhotoFlag() urfave.Flag {
	return &urfave.DurationFlag{Name: "timeout-per-photo",
		Usage: "reject a photo whose reading and decoding takes longer, such as 30s"}
}

func libraryFlag() urfave.Flag {
	return &urfave.StringFlag{Name: "ort-lib", Usage: "`FILE` of libonnxruntime", DefaultText: "search for it"}
}

// machineFlags choose the device, the decoder, and how much of the machine is used.
func machineFlags() []urfave.Flag {
	return []urfave.Flag{
		&urfave.StringFlag{Name: "device", Value: "auto", Usage: "auto, cpu, cuda or cuda:N"},
		&urfave.IntFlag{Name: "workers", Usage: "goroutines that decode photos", DefaultText: "one for each CPU"},
		libraryFlag(),
		&urfave.StringFlag{Name: "decoder", Value: "auto", Usage: "JPEG decoder: auto, turbojpeg or go"},
		decodeMemoryFlag(),
	}
}

// environmentOf reads machineFlags, as far as the command has them.
func environmentOf(c *urfave.Context) (environment.Environment, error) {
	device, err := ort.ParseDevice(c.String("device"))
	return environment.Environment{
		Device: device, Workers: c.Int("workers"), Library: c.String("ort-lib"), Decoder: c.String("decoder"),
		DecodeMemory: decodeMemory(c),
	}, err
}

// deviceFlags are machineFlags, and how a frozen network runs.
func deviceFlags() []urfave.Flag {
	return append(machineFlags(),
		&urfave.StringFlag{Name: "precision", Usage: "of weights and activations: float32, or float16 for a GPU",
			DefaultText: "the store's, else float32"},
		&urfave.IntFlag{Name: "batch-size", Usage: "photos in one run of the network",
			DefaultText: "8 on a CPU, 32 for alexnet, 64 on a GPU"})
}

// embedderOptions reads networkFlags and deviceFlags, and checks their ranges before any work.
func embedderOptions(c *urfave.Context) (extract.EmbedderOptions, error) {
	network, err := networkOptions(c)
	if err != nil {
		return extract.EmbedderOptions{}, err
	}
	env, err := environmentOf(c)
	o := extract.EmbedderOptions{
		Environment: env, Network: network, Precision: c.String("precision"), BatchSize: c.Int("batch-size"),
	}
	return o, cmp.Or(err, o.Check())
}
