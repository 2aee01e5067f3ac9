package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"

	urfave "github.com/urfave/cli/v2"

	"fx/backbones"
	"fx/internal/fail"
	"fx/internal/outpath"
	"fx/internal/speeds"
	"fx/internal/store"
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
		Usage: "list the registered networks by family",
		Description: "Accuracies are published ones on ImageNet's val photos: of the network's own classifier, or " +
			"of a linear one on\nfrozen features. With --json, each network is an object with the keys name, title, " +
			"family, aliases, licence, accuracy,\ngated (the repository whose licence you must accept), paper, " +
			"parameters, tags, preprocess, feature_tensor, feature_shape,\npool, pools, head, auxiliary, weights, " +
			"cpu_batch and speeds (measured by this machine's extractions).",
		Flags: []urfave.Flag{&urfave.StringFlag{Name: "search",
			Usage: "only networks with these `WORDS` in name, title, family, aliases, weights or licence"}},
		Action: func(c *urfave.Context) error {
			if err := noArguments(c); err != nil {
				return err
			}
			found := backbones.Search(c.String("search"))
			if len(found) == 0 {
				return fail.New(fail.Usage, "`fx backbones list` without --search shows all; `fx extract --backbone "+
					"FILE.onnx` takes any network that scripts/export_onnx exports.",
					"no registered network has %q", c.String("search"))
			}
			listed := withSpeeds(found)
			return out.result(listed, func(w io.Writer) { printBackbones(w, listed) })
		},
	}
}

// listedBackbone is a network with the speeds that this machine measured.
type listedBackbone struct {
	backbones.Backbone
	Speeds []speeds.Speed `json:"speeds,omitempty"`
}

func withSpeeds(all []backbones.Backbone) []listedBackbone {
	measured := map[string][]speeds.Speed{}
	for _, s := range speeds.Here() {
		measured[s.Network] = append(measured[s.Network], s)
	}
	listed := make([]listedBackbone, len(all))
	for i, b := range all {
		listed[i] = listedBackbone{b, measured[b.Name]}
	}
	return listed
}

// printBackbones prints a table of networks for each family, in the order of the families' first networks. Speeds have
// a column if there are any.
func printBackbones(w io.Writer, all []listedBackbone) {
	families := map[string][]listedBackbone{}
	var order []string
	for _, b := range all {
		if families[b.Family] == nil {
			order = append(order, b.Family)
		}
		families[b.Family] = append(families[b.Family], b)
	}
	columns := []string{"network", "parameters", "input", "features", "accuracy", "licence", "tags"}
	measured := slices.ContainsFunc(all, func(b listedBackbone) bool { return len(b.Speeds) > 0 })
	if measured {
		columns = append(columns, "images/s here")
	}
	rows := [][]string{columns}
	for _, family := range order {
		title := make([]string, len(columns))
		title[0] = family
		rows = append(rows, make([]string, len(columns)), title)
		for _, b := range families[family] {
			row := []string{"  " + b.Name, parametersText(b.Backbone),
				fmt.Sprintf("%d px", b.Preprocess.Crop), shapeText(b.FeatureShape), accuracyText(b.Accuracy),
				licenceText(b.Backbone), strings.Join(b.Tags, " ")}
			if measured {
				row = append(row, speedsText(b.Speeds))
			}
			rows = append(rows, row)
		}
	}
	table(w, rows)
	fmt.Fprintln(w, "\nNAME@TAG takes other weights of a network, and `fx backbones show NAME` says more about it.")
}

func parametersText(b backbones.Backbone) string {
	return fmt.Sprintf("%.1f M", float64(b.Parameters)/1e6)
}

// licenceText is the beginning of the licence, which names it.
func licenceText(b backbones.Backbone) string {
	name := strings.Trim(strings.Fields(b.Licence)[0], ",")
	if b.Gated != "" {
		name += ", to accept"
	}
	return name
}

func speedsText(all []speeds.Speed) string {
	var texts []string
	for _, s := range all {
		text := fmt.Sprintf("%.1f %s", s.ImagesPerSecond, s.Device)
		if s.ImagesPerSecond >= 10 {
			text = fmt.Sprintf("%.0f %s", s.ImagesPerSecond, s.Device)
		}
		if s.Precision != string(store.Float32) {
			text += " " + s.Precision
		}
		texts = append(texts, text)
	}
	return strings.Join(texts, ", ")
}

func accuracyText(a *backbones.Accuracy) string {
	switch {
	case a == nil:
		return "–"
	case a.Linear > 0:
		return fmt.Sprintf("%.1f %% linear", a.Linear)
	}
	return fmt.Sprintf("%.1f %% top-1", a.Top1)
}

func shapeText(shape []int) string {
	return strings.ReplaceAll(strings.Trim(fmt.Sprint(shape), "[]"), " ", "×")
}

// shownBackbone is a network with what its skeleton says.
type shownBackbone struct {
	listedBackbone
	ParameterTable []backbones.Parameter `json:"parameter_table"`
}

func backbonesShowCommand(out *output) *urfave.Command {
	return &urfave.Command{
		Name:      "show",
		Usage:     "show a network: preprocessing, features, head, weights, parameters",
		ArgsUsage: "NAME",
		Description: "With --json the result is the object that `fx backbones list --json` has for the network, with " +
			"parameter_table:\nname, shape and kind of each tensor.",
		Action: func(c *urfave.Context) error {
			name, err := oneArgument(c, "NAME")
			if err != nil {
				return err
			}
			b, err := backbones.Lookup(name)
			if err != nil {
				return err
			}
			shown := shownBackbone{listedBackbone: withSpeeds([]backbones.Backbone{b})[0]}
			if shown.ParameterTable, err = backbones.Parameters(b); err != nil {
				return err
			}
			return out.result(shown, func(w io.Writer) { printBackbone(w, shown) })
		},
	}
}

func printBackbone(w io.Writer, s shownBackbone) {
	fmt.Fprintf(w, "%s (%s)\n", s.Name, s.Title)
	fmt.Fprintf(w, "  licence      %s\n", s.Licence)
	fmt.Fprintf(w, "  input        %v\n", s.Preprocess)
	fmt.Fprintf(w, "  features     %s (tensor %s)\n", shapeText(s.FeatureShape), s.FeatureTensor)
	if len(s.Pools) > 0 {
		fmt.Fprintf(w, "  pooling      %s; --pool takes %s\n", s.Pool,
			strings.Trim(strings.ReplaceAll(fmt.Sprint(s.Pools), " ", ", "), "[]"))
	}
	if s.Accuracy != nil {
		fmt.Fprintf(w, "  accuracy     %s on ImageNet (%s)\n", accuracyText(s.Accuracy), s.Accuracy.Source)
	}
	if len(s.Speeds) > 0 {
		fmt.Fprintf(w, "  speed here   %s images/s\n", speedsText(s.Speeds))
	}
	fmt.Fprintf(w, "  paper        %s\n", s.Paper)
	if len(s.Aliases) > 0 {
		fmt.Fprintf(w, "  also called  %s\n", strings.Join(s.Aliases, ", "))
	}
	fmt.Fprintf(w, "  head         %s, %s and %s, dropout %g\n", s.Head.Kind, s.Head.Weight, s.Head.Bias,
		s.Head.Dropout)
	switch known := s.Weights.SHA256; {
	case s.Gated != "":
		fmt.Fprintf(w, "  weights      accept the licence at https://huggingface.co/%s and give "+
			"model.safetensors with --weights\n", s.Gated)
	case s.Weights.Hub != "":
		fmt.Fprintf(w, "  weights      https://huggingface.co/%s, SHA-256 recorded at first use\n", s.Weights.Hub)
	case known == "":
		fmt.Fprintf(w, "  weights      %s, SHA-256 begins with %s; all of it is recorded at first use\n",
			s.Weights.FileName(), s.Weights.SHA256Prefix)
	default:
		fmt.Fprintf(w, "  weights      %s, SHA-256 %s\n", s.Weights.FileName(), known)
	}
	if s.Weights.URL != "" {
		fmt.Fprintf(w, "               %s\n", s.Weights.URL)
	}
	if s.Weights.Package != "" {
		fmt.Fprintf(w, "               in the Python package %s\n", s.Weights.Package)
	}
	for i, v := range otherWeights(s.Backbone) {
		label := ""
		if i == 0 {
			label = "others"
		}
		facts := []string{licenceText(v)}
		if v.Accuracy != nil {
			facts = append(facts, accuracyText(v.Accuracy))
		}
		if v.Preprocess != s.Preprocess {
			facts = append(facts, fmt.Sprint("input: ", v.Preprocess))
		}
		fmt.Fprintf(w, "  %-12s %s (%s)\n", label, v.Name, strings.Join(facts, "; "))
	}
	fmt.Fprintf(w, "  parameters   %d in %d tensors\n", s.Parameters, len(s.ParameterTable))
}

// otherWeights returns the same network with its other weights.
func otherWeights(b backbones.Backbone) []backbones.Backbone {
	return slices.DeleteFunc(backbones.Variants(b), func(v backbones.Backbone) bool {
		return v.Weights == b.Weights && v.Preprocess == b.Preprocess
	})
}

func backbonesSaveCommand(out *output) *urfave.Command {
	return &urfave.Command{
		Name:  "save",
		Usage: "write a network's weights, for torchvision (.safetensors) or any ONNX runtime (.onnx)",
		Description: "The network's own package loads the .safetensors file with load_state_dict(strict=True), " +
			"swin's with\nstrict=False: tables that are the same for all weights are left out.\n" +
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
			if n.Backbone.Head.Classes == 0 && format == outpath.ONNX {
				saved.Notes = append(saved.Notes, "the logits mean nothing unless fx trained them: "+name+
					" has no classifier of its own for these features")
			}
			return out.result(saved, func(w io.Writer) {
				fmt.Fprintf(w, "%s: %s with the weights of %s\n", path, name, n.Weights)
				printNotes(w, saved.Notes[len(n.Found):])
			})
		},
	}
}
