package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"

	urfave "github.com/urfave/cli/v2"

	"fx/backbones"
	"fx/internal/outpath"
)

func backbonesCommand(out *output) *urfave.Command {
	return &urfave.Command{
		Name:  "backbones",
		Usage: "list networks, fetch and save their weights",
		Subcommands: []*urfave.Command{
			backbonesListCommand(out), backbonesShowCommand(out), backbonesPullCommand(out), backbonesSaveCommand(out),
		},
	}
}

func backbonesListCommand(out *output) *urfave.Command {
	return &urfave.Command{
		Name:  "list",
		Usage: "list the registered networks",
		Action: func(c *urfave.Context) error {
			if err := noArguments(c); err != nil {
				return err
			}
			all := backbones.All()
			return out.result(all, func(w io.Writer) {
				for _, b := range all {
					fmt.Fprintf(w, "%-18s %4d px  features %-13s %s\n", b.Name, b.Preprocess.Crop,
						shapeText(b.FeatureShape), b.Title)
				}
			})
		},
	}
}

func shapeText(shape []int) string {
	return strings.ReplaceAll(strings.Trim(fmt.Sprint(shape), "[]"), " ", "×")
}

// shownBackbone is a network with what its skeleton says.
type shownBackbone struct {
	backbones.Backbone
	Parameters     int64                 `json:"parameters"` // numbers that training changes
	ParameterTable []backbones.Parameter `json:"parameter_table"`
}

func backbonesShowCommand(out *output) *urfave.Command {
	return &urfave.Command{
		Name:      "show",
		Usage:     "show a network: preprocessing, features, head, weights, parameters",
		ArgsUsage: "NAME",
		Action: func(c *urfave.Context) error {
			name, err := oneArgument(c, "NAME")
			if err != nil {
				return err
			}
			b, err := backbones.Lookup(name)
			if err != nil {
				return err
			}
			shown := shownBackbone{Backbone: b}
			if shown.ParameterTable, err = backbones.Parameters(b); err != nil {
				return err
			}
			for _, p := range shown.ParameterTable {
				if p.Kind.Trained() {
					shown.Parameters += int64(p.Len())
				}
			}
			return out.result(shown, func(w io.Writer) { printBackbone(w, shown) })
		},
	}
}

func printBackbone(w io.Writer, s shownBackbone) {
	p := s.Preprocess
	fmt.Fprintf(w, "%s (%s)\n", s.Name, s.Title)
	fmt.Fprintf(w, "  licence      %s\n", s.Licence)
	fmt.Fprintf(w, "  input        shorter side to %d (%s), centre crop of %d, mean %v, std %v\n", p.Resize,
		p.Interpolation, p.Crop, p.Mean, p.Std)
	fmt.Fprintf(w, "  features     %s (tensor %s)\n", shapeText(s.FeatureShape), s.FeatureTensor)
	fmt.Fprintf(w, "  head         %s, %s and %s, dropout %g\n", s.Head.Kind, s.Head.Weight, s.Head.Bias,
		s.Head.Dropout)
	known := s.Weights.SHA256
	if known == "" && s.Weights.Hub != "" {
		known = "is what the hub states at first use"
	} else if known == "" {
		known = "begins with " + s.Weights.SHA256Prefix + "; all of it is recorded at first use"
	}
	fmt.Fprintf(w, "  weights      %s, SHA-256 %s\n", s.Weights.FileName(), known)
	if s.Weights.Hub != "" {
		fmt.Fprintf(w, "               in %s on the Hugging Face hub\n", s.Weights.Hub)
	}
	if s.Weights.URL != "" {
		fmt.Fprintf(w, "               %s\n", s.Weights.URL)
	}
	if s.Weights.Package != "" {
		fmt.Fprintf(w, "               in the Python package %s\n", s.Weights.Package)
	}
	fmt.Fprintf(w, "  parameters   %d in %d tensors\n", s.Parameters, len(s.ParameterTable))
}

func backbonesSaveCommand(out *output) *urfave.Command {
	return &urfave.Command{
		Name:  "save",
		Usage: "write a network's weights, for torchvision (.safetensors) or any ONNX runtime (.onnx)",
		Description: "torchvision's network of this name loads the .safetensors file with " +
			"load_state_dict(strict=True).\n" +
			"The .onnx file is the whole network, which `fx extract --backbone FILE.onnx` can use.",
		ArgsUsage: "NAME",
		Flags: append(networkFlags(),
			&urfave.StringFlag{Name: "out", Required: true,
				Usage: "`FILE`.safetensors or FILE.onnx"}, forceFlag(), lockFlag()),
		Action: func(c *urfave.Context) error {
			name, err := oneArgument(c, "NAME")
			if err != nil {
				return err
			}
			path := c.String("out")
			format, err := backbones.FormatOf(path)
			if err != nil {
				return err
			}
			network, err := networkOptions(c)
			if err != nil {
				return err
			}
			network.Backbone = name
			target := outpath.Target{Kind: format, Path: path, Inputs: []string{network.Weights.File}}
			if err := outpath.Prepare(c.Bool("force"), target); err != nil {
				return err
			}
			n, err := backbones.Open(c.Context, network, out.progress())
			if err != nil {
				return err
			}
			target.Inputs = []string{n.Weights.File} // which may have been looked for
			if err := outpath.Prepare(c.Bool("force"), target); err != nil {
				return err
			}
			if err := network.Lock.Hold(c.Context, n.Inputs...); err != nil {
				return err
			}
			state, err := n.State()
			if err != nil {
				return err
			}
			if err := backbones.Save(path, n.Backbone, state); err != nil {
				return err
			}
			saved := struct {
				Path          string   `json:"path"`
				Weights       string   `json:"weights"`
				WeightsSHA256 string   `json:"weights_sha256"`
				Notes         []string `json:"notes"`
			}{path, n.Weights.String(), n.WeightsSHA256, slices.Concat([]string{}, n.Found, n.Notes)}
			return out.result(saved, func(w io.Writer) {
				fmt.Fprintf(w, "%s: %s with the weights of %s\n", path, name, n.Weights)
				printNotes(w, n.Notes)
			})
		},
	}
}
