package cli

import (
	"fmt"
	"io"
	"slices"

	urfave "github.com/urfave/cli/v2"

	"fx/extract"
	"fx/internal/fail"
)

func extractCommand(out *output) *urfave.Command {
	flags := slices.Concat(photoFlags(), []urfave.Flag{unlabelledFlag()}, networkFlags(), sizeFlags(), deviceFlags())
	return &urfave.Command{
		Name:  "extract",
		Usage: "run a frozen backbone over a folder of photos and cache the embeddings",
		Description: "DIR contains one folder for each class, directly or below train/ and val/ (or other names), or " +
			"is a .csv list with\n" +
			"the header path,label[,split]. After a change, run the command again: it computes only what changed.",
		Flags: append([]urfave.Flag{
			&urfave.StringFlag{Name: "backbone", Required: true,
				Usage: "a `NAME` of `fx backbones list`, or an ONNX file"},
			&urfave.StringFlag{Name: "data", Required: true,
				Usage: "`DIR` of photos, a .csv list, an archive (.tar .zip .parquet .arrow) or a pattern of them"},
			&urfave.StringFlag{Name: "out", Required: true,
				Usage: "`STORE` folder to write; a store of other photos loses no row without --force"}, forceFlag(),
			&urfave.StringFlag{Name: "dtype", Value: "float32", Usage: "type of the cached values: float32 or float16"},
			&urfave.IntFlag{Name: "views",
				Usage: "random views of each training photo to cache, in addition to the centre view"},
			&urfave.Uint64Flag{Name: "seed", Usage: "seed of the random views"},
			&urfave.StringFlag{Name: "train-split", Usage: "split that --views augments (default: train)"},
			exifFlag(), fastDecodeFlag(),
			lockFlag(),
			&urfave.StringFlag{Name: "on-bad-image", Value: "skip", Usage: "skip bad photos, or fail"},
			maxBadFlag(),
			timeoutPerPhotoFlag(),
			&urfave.BoolFlag{Name: "retry-rejected",
				Usage: "try photos again that an earlier run rejected, though their files have not changed"},
			&urfave.StringFlag{Name: "plan",
				Usage: "list the photos, and write what the store lacks as parts to `FILE`; compute nothing"},
			&urfave.IntFlag{Name: "part-photos", Usage: "most photos of a part",
				DefaultText: "10000, or as many as have 256 MiB of features"},
			&urfave.GenericFlag{Name: "part-bytes", Value: new(byteSize),
				Usage: "most bytes of a part's photos, such as 1GiB", DefaultText: "no limit"},
			&urfave.StringFlag{Name: "parts", Usage: "`FILE` that --plan wrote, for --part"},
			&urfave.StringFlag{Name: "part",
				Usage: "compute only this part of --parts: its number, its ID, or auto in an array job"},
			&urfave.StringFlag{Name: "shard",
				Usage: "i/n: compute only this part, 0 ≤ i < n; auto or auto/n takes it from Slurm or Kubernetes"},
			&urfave.DurationFlag{Name: "wait", Usage: "wait this long while another process writes to the store"},
			&urfave.BoolFlag{Name: "verify-content",
				Usage: "hash every photo and every stored row, and not only files with a new size or time"},
		}, flags...),
		Action: func(c *urfave.Context) error {
			if err := noArguments(c); err != nil {
				return err
			}
			embedder, err := embedderOptions(c)
			if err != nil {
				return err
			}
			o := extract.Options{
				Embedder: embedder, Data: c.String("data"), Store: c.String("out"), Force: c.Bool("force"),
				DType: c.String("dtype"), Views: c.Int("views"), Seed: c.Uint64("seed"),
				TrainSplit: c.String("train-split"), EXIF: c.String("exif"),
				FastDecode: c.Bool("fast-decode"), OnBadImage: c.String("on-bad-image"), Photos: photoOptions(c),
				Shard: c.String("shard"), Wait: c.Duration("wait"), VerifyContent: c.Bool("verify-content"),
				MaxBad: maxBad(c), TimeoutPerPhoto: c.Duration("timeout-per-photo"),
				RetryRejected: c.Bool("retry-rejected"), PartsFile: c.String("parts"), Part: c.String("part"),
			}
			if c.IsSet("plan") {
				return planParts(c, out, o)
			}
			if c.IsSet("part-photos") || c.IsSet("part-bytes") {
				return fail.New(fail.Usage, "Name the file to write with --plan.",
					"--part-photos and --part-bytes are for --plan")
			}
			summary, err := extract.Run(c.Context, o, out.progress())
			if err != nil {
				return whileLocked(err)
			}
			return out.result(summary, func(w io.Writer) { printExtract(w, summary) })
		},
	}
}

// planParts is fx extract --plan.
func planParts(c *urfave.Context, out *output, o extract.Options) error {
	bytes, _ := c.Generic("part-bytes").(*byteSize)
	s, err := extract.Plan(c.Context, o, extract.PlanOptions{
		File: c.String("plan"), Photos: c.Int("part-photos"), Bytes: int64(*bytes),
	}, out.progress())
	if err != nil {
		return whileLocked(err)
	}
	return out.result(s, func(w io.Writer) {
		printLeftOut(w, "", s.Rejected, s.Skipped)
		fmt.Fprintf(w, "%d photos: %d missing in %d parts, %d rows cached, %d photos rejected, %d files skipped\n",
			s.Images, s.Missing, s.Parts, s.Cached, len(s.Rejected), len(s.Skipped))
		printNotes(w, s.Notes)
		fmt.Fprintf(w, "plan: %s, for the store %s\n", s.File, s.Store)
	})
}

// whileLocked adds the hint for a store that another process writes.
func whileLocked(err error) error {
	if fail.KindOf(err) != fail.Locked {
		return err
	}
	return fail.Wrap(fail.Locked, err, "Let fx wait for it, as by --wait 10m, or choose another --out.", "")
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
		fmt.Fprintf(w, "%.1f s, %.0f images/s on %s; decoder: %s\n", s.Seconds, s.ImagesPerSecond, s.Provider,
			s.Decoder)
	}
	printNotes(w, s.Notes)
	fmt.Fprintf(w, "store: %s (features %v)\n", s.Store, s.FeatureShape)
}
