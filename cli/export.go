package cli

import (
	"fmt"
	"io"
	"strings"

	urfave "github.com/urfave/cli/v2"

	"fx/classify"
	"fx/extract"
	"fx/internal/printable"
)

func exportCommand(out *output) *urfave.Command {
	return &urfave.Command{
		Name:  "export",
		Usage: "write backbone and head to one ONNX file",
		Flags: []urfave.Flag{
			&urfave.StringFlag{Name: "model", Required: true, Usage: "`MODEL` folder"},
			&urfave.StringFlag{Name: "out", Required: true, Usage: "`FILE`.onnx to write"}, forceFlag(),
			&urfave.BoolFlag{Name: "with-preprocessing",
				Usage: "the graph takes one uint8 photo of any size, and resizes and crops it"},
			&urfave.StringFlag{Name: "weights", Usage: "`FILE` of the backbone's weights, if it was moved"},
		},
		Action: func(c *urfave.Context) error {
			if err := noArguments(c); err != nil {
				return err
			}
			network, err := networkOptions(c)
			if err != nil {
				return err
			}
			options := classify.Options{
				Model:    c.String("model"),
				Embedder: extract.EmbedderOptions{Network: network},
				Force:    c.Bool("force"),
			}
			r, err := classify.Export(c.Context, options, c.String("out"), c.Bool("with-preprocessing"), out.progress())
			if err != nil {
				return err
			}
			return out.result(r, func(w io.Writer) {
				fmt.Fprintf(w, "%s: %.1f MB, classes %s\n", r.Path, float64(r.Bytes)/1e6,
					strings.Join(printable.Names(r.Classes), ", "))
				fmt.Fprintf(w, "input: %s; outputs: logits and probabilities\n", r.Input)
				if r.EXIF == "apply" {
					fmt.Fprintln(w, "photos: turn them upright by their EXIF orientation first, as Pillow's "+
						"ImageOps.exif_transpose does (metadata fx.exif: apply)")
				} else {
					fmt.Fprintln(w, "photos: as they are stored, without regard to EXIF's orientation (metadata "+
						"fx.exif: ignore)")
				}
				if r.FastDecode {
					fmt.Fprintln(w, "note: trained on photos that --fast-decode read; photos decoded at their full "+
						"size differ a little")
				}
				printNotes(w, r.Notes)
			})
		},
	}
}
