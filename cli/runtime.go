package cli

import (
	"cmp"
	"fmt"
	"io"
	"strings"

	urfave "github.com/urfave/cli/v2"

	"fx/internal/doctor"
	"fx/internal/fail"
	"fx/internal/imaging"
	"fx/internal/kernels"
	"fx/internal/lockfile"
	"fx/internal/nativelib"
	"fx/internal/version"
)

func runtimeCommand(out *output) *urfave.Command {
	return &urfave.Command{
		Name:        "runtime",
		Usage:       "install ONNX Runtime, and show what is in use",
		Subcommands: []*urfave.Command{runtimeInstallCommand(out), runtimeDoctorCommand(out)},
	}
}

func runtimeInstallCommand(out *output) *urfave.Command {
	return &urfave.Command{
		Name:  "install",
		Usage: "install ONNX Runtime to fx's cache: its Python package, by pip or uv, or else its release archive",
		Flags: []urfave.Flag{
			&urfave.BoolFlag{Name: "gpu", Usage: "install the CUDA provider and NVIDIA's libraries, several GB"},
			&urfave.BoolFlag{Name: "force", Usage: "install again"},
			&urfave.StringFlag{Name: "sha256",
				Usage: "`HASH` of the main library, if it is not the build that fx pins"},
			&urfave.StringFlag{Name: "from",
				Usage: "install this `FILE|URL`: a .tgz, .zip or .whl of ONNX Runtime, or the library itself"},
			&urfave.StringFlag{Name: "lock",
				Usage: "`FILE` with the SHA-256 of the library; fx installs only this one, and adds it if it is " +
					"missing"},
		},
		Action: func(c *urfave.Context) error {
			if err := noArguments(c); err != nil {
				return err
			}
			library, err := nativelib.Install(c.Context,
				nativelib.InstallOptions{GPU: c.Bool("gpu"), Force: c.Bool("force"),
					SHA256: c.String("sha256"), From: c.String("from"), Lock: lockfile.At(c.String("lock"))},
				out.progress())
			if err != nil {
				return err
			}
			return out.result(library, func(w io.Writer) {
				fmt.Fprintf(w, "ONNX Runtime %s: %s\n", library.Version, library.Path)
			})
		},
	}
}

// diagnosis is what the doctor says.
type diagnosis struct {
	doctor.Report
	Decoder      string `json:"decoder"`
	ExactDecoder bool   `json:"exact_decoder"`
	DecoderHint  string `json:"decoder_hint,omitempty"`
	HEIF         string `json:"heif"`    // libheif with its version, or "" if it is missing
	Kernels      string `json:"kernels"` // instructions of fx's own training kernels
}

func runtimeDoctorCommand(out *output) *urfave.Command {
	return &urfave.Command{
		Name:  "doctor",
		Usage: "show which library, devices and decoder are in use, and what is missing",
		Flags: []urfave.Flag{&urfave.StringFlag{Name: "ort-lib", Usage: "`FILE` of libonnxruntime to examine"}},
		Action: func(c *urfave.Context) error {
			if err := noArguments(c); err != nil {
				return err
			}
			d := diagnosis{Report: doctor.Examine(c.Context, c.String("ort-lib"))}
			decoder, err := imaging.NewDecoder(imaging.Options{})
			if err != nil {
				return err
			}
			d.Kernels = kernels.InstructionSet()
			d.Decoder, d.ExactDecoder, d.HEIF = decoder.Name(), decoder.Exact(), imaging.HEIF()
			if !d.ExactDecoder {
				_, missing := imaging.NewDecoder(imaging.Options{Decoder: "turbojpeg"})
				d.DecoderHint = fail.HintOf(missing)
			}
			if err := out.result(d, func(w io.Writer) { printDiagnosis(w, d) }); err != nil {
				return err
			}
			if d.Library == nil {
				return fail.New(fail.Device, "Run `fx runtime install`.", "there is no ONNX Runtime that fx can use")
			}
			return nil
		},
	}
}

func printDiagnosis(w io.Writer, d diagnosis) {
	fmt.Fprintf(w, "fx            %s, %s\n", version.String(), originText(d.Origin))
	fmt.Fprintf(w, "system        %s\n", d.System)
	if d.Library != nil {
		fmt.Fprintf(w, "ONNX Runtime  %s, %s (%s)\n", d.Library.Version, d.Library.Path, d.Library.Source)
		fmt.Fprintf(w, "  SHA-256     %s (%s)\n", d.SHA256, trustText(d.Trust, d.Library.Source))
	} else {
		fmt.Fprintln(w, "ONNX Runtime  none that fx can use; run `fx runtime install`")
	}
	for _, c := range d.Candidates {
		if c.Problem != "" && c.Source != nativelib.FromSystem { // the loader's places are empty on most machines
			fmt.Fprintf(w, "  passed over %s (%s): %s\n", c.Path, c.Source, c.Problem)
		}
	}
	printCheck(w, "cpu", d.CPU)
	printCheck(w, "cuda", d.CUDA.Check)
	for _, g := range d.CUDA.GPUs {
		fmt.Fprintf(w, "  gpu %d       %s\n", g.ID, g)
	}
	exact := "pixels equal to Pillow's"
	if !d.ExactDecoder {
		exact = "pixels within a level or two of Pillow's"
	}
	fmt.Fprintf(w, "kernels       %s (fx's own, on the CPU)\n", d.Kernels)
	if d.Kernels == "generic" {
		fmt.Fprintln(w, "  A processor with AVX2 computes several times as fast.")
	}
	fmt.Fprintf(w, "JPEG decoder  %s (%s)\n", d.Decoder, exact)
	if d.DecoderHint != "" {
		fmt.Fprintf(w, "  %s\n", d.DecoderHint)
	}
	fmt.Fprintf(w, "HEIC and AVIF %s\n", cmp.Or(d.HEIF, "not read: libheif (Debian: libheif1) is missing"))
}

// originText says how fx came onto this machine.
func originText(o doctor.Origin) string {
	how := map[doctor.How]string{
		doctor.ByWheel: "from a Python package", doctor.ByArchive: "from a release's archive",
		doctor.BySource: "built from source",
	}[o.How]
	return strings.TrimSuffix(how+": "+o.Program, ": ")
}

// trustText says what the library's SHA-256 was compared with.
func trustText(trust nativelib.Trust, source string) string {
	switch trust {
	case nativelib.TrustPinned:
		return "the one that fx pins"
	case nativelib.TrustGiven:
		return "the one given with --sha256"
	case nativelib.TrustRecorded:
		return "as it was installed; not the one that fx pins"
	}
	switch source {
	case nativelib.FromFlag, nativelib.FromEnvironment:
		return "not checked: your own library, named by " + source
	case nativelib.FromCache:
		return "not checked: its installation has no record of it"
	}
	return "not checked: fx did not install it"
}

func printCheck(w io.Writer, name string, c doctor.Check) {
	switch {
	case c.Works:
		fmt.Fprintf(w, "%-13s works\n", name)
	default:
		fmt.Fprintf(w, "%-13s not available: %s\n", name, c.Problem)
		if c.Fix != "" {
			fmt.Fprintf(w, "  %s\n", c.Fix)
		}
	}
}
