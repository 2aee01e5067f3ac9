package cli

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"

	urfave "github.com/urfave/cli/v2"

	"fx/internal/printable"
	"fx/internal/store"
)

func featuresCommand(out *output) *urfave.Command {
	return &urfave.Command{
		Name:  "features",
		Usage: "describe, check or convert a store of embeddings",
		Subcommands: []*urfave.Command{featuresInfoCommand(out), featuresVerifyCommand(out),
			featuresExportCommand(out)},
	}
}

func featuresInfoCommand(out *output) *urfave.Command {
	return &urfave.Command{
		Name:      "info",
		Usage:     "show what a store contains and how it was made",
		ArgsUsage: "STORE",
		Flags: []urfave.Flag{&urfave.BoolFlag{Name: "rejected",
			Usage: "list the photos that can't be used, with the reasons"}},
		Action: func(c *urfave.Context) error {
			dir, err := oneArgument(c, "STORE")
			if err != nil {
				return err
			}
			info, err := store.ReadInfo(dir)
			if err != nil {
				return err
			}
			if !c.Bool("rejected") {
				info.RejectedPhotos = nil
			}
			return out.result(info, func(w io.Writer) { printInfo(w, dir, info) })
		},
	}
}

func printInfo(w io.Writer, dir string, i store.Info) {
	m := i.Manifest
	fmt.Fprintf(w, "%s\n", dir)
	fmt.Fprintf(w, "  backbone    %s, weights %s (SHA-256 %.12s…)\n", m.Backbone, m.Weights, m.WeightsSHA256)
	fmt.Fprintf(w, "  photos      %d, %d rows in %d shards, %.1f MB\n", i.Photos, i.Rows, i.Shards,
		float64(i.Bytes)/1e6)
	for _, c := range i.Classes {
		split := c.Split
		if split != "" {
			split += "/"
		}
		fmt.Fprintf(w, "              %5d  %s%s\n", c.Photos, printable.Name(split), printable.Name(c.Class))
	}
	fmt.Fprintf(w, "  embedding   %s of %s\n", shapeText(m.FeatureShape), m.DType)
	decoder := m.Decoder
	if m.FastDecode {
		decoder += " at a fraction of the size where that is enough (--fast-decode)"
	}
	fmt.Fprintf(w, "  pixels      %s, EXIF %s, decoder %s\n", m.Preprocess.View(), m.EXIF, decoder)
	fmt.Fprintf(w, "  made by     fx %s, ONNX Runtime %s, %s\n", m.Made.FX, m.Made.ONNXRuntime, m.Provider)
	if m.Views > 0 {
		fmt.Fprintf(w, "  views       up to %d random ones a photo, seed %d\n", m.Views, m.Seed)
	}
	if i.Rejected > 0 && i.RejectedPhotos == nil {
		fmt.Fprintf(w, "  rejected    %d photos (--rejected lists them)\n", i.Rejected)
	} else if i.Rejected > 0 {
		fmt.Fprintf(w, "  rejected    %d photos\n", i.Rejected)
	}
	for _, r := range i.RejectedPhotos {
		fmt.Fprintf(w, "              %s: %s\n", printable.Name(r.Path), printable.Name(r.Reason))
	}
	if i.Lacking != "" {
		fmt.Fprintf(w, "  incomplete  %s; run it again\n", i.Lacking)
	}
	printNotes(w, m.Made.Notes)
}

func featuresVerifyCommand(out *output) *urfave.Command {
	return &urfave.Command{
		Name:      "verify",
		Usage:     "check every byte of a store against its checksums",
		ArgsUsage: "STORE",
		Action: func(c *urfave.Context) error {
			dir, err := oneArgument(c, "STORE")
			if err != nil {
				return err
			}
			r, err := store.Verify(c.Context, dir, out.progress())
			if r.Shards == 0 && err != nil { // no report to print
				return err
			}
			if printErr := out.result(r, func(w io.Writer) { printVerify(w, dir, r) }); printErr != nil {
				return printErr
			}
			return err
		},
	}
}

func printVerify(w io.Writer, dir string, r store.Report) {
	for _, p := range r.Problems {
		fmt.Fprintf(w, "%s: %s\n  %s\n", p.File, p.What, p.Fix)
	}
	printNotes(w, r.Notes)
	fmt.Fprintf(w, "%s: %d rows in %d shards, %.1f MB, %d problems\n", dir, r.Rows, r.Shards, float64(r.Bytes)/1e6,
		len(r.Problems))
}

func featuresExportCommand(out *output) *urfave.Command {
	return &urfave.Command{
		Name:        "export",
		Usage:       "write the features of a store for other tools",
		Description: "npy writes a folder with .npy files and the paths; parquet, csv and safetensors write one file.",
		ArgsUsage:   "STORE",
		Flags: []urfave.Flag{
			&urfave.StringFlag{Name: "format", Usage: "npy, parquet, csv or safetensors",
				DefaultText: "by the extension of --out"},
			&urfave.StringFlag{Name: "out", Required: true, Usage: "`PATH` to write"}, forceFlag(),
		},
		Action: func(c *urfave.Context) error {
			dir, err := oneArgument(c, "STORE")
			if err != nil {
				return err
			}
			watch := out.progress()
			options := store.ExportOptions{Force: c.Bool("force"), Progress: watch}
			if err := store.PrepareExport(dir, exportFormat(c), c.String("out"), options); err != nil {
				return err
			}
			s, err := store.Open(c.Context, dir, watch)
			if err != nil {
				return err
			}
			defer func() { _ = s.Close() }() // only read
			if lacking := s.Incomplete(); lacking != "" {
				watch.Note("the store may lack rows: " + lacking)
			}
			written, err := s.Export(c.Context, exportFormat(c), c.String("out"), options)
			if err != nil {
				return err
			}
			exported := struct {
				Files []string `json:"files"`
				Rows  int      `json:"rows"`
			}{written, len(s.Rows())}
			return out.result(exported, func(w io.Writer) {
				for _, file := range written {
					fmt.Fprintln(w, file)
				}
				fmt.Fprintf(w, "%d rows\n", exported.Rows)
			})
		},
	}
}

// exportFormat is --format, else what the ending of --out says.
func exportFormat(c *urfave.Context) string {
	if format := c.String("format"); format != "" {
		return format
	}
	if ending := strings.TrimPrefix(filepath.Ext(c.String("out")), "."); ending != "" {
		return ending
	}
	return "npy"
}
