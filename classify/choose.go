package classify

import (
	"fmt"
	"slices"
	"strings"

	"fx/extract"
	"fx/internal/ort"
)

// choice is a word that Quickstart takes in place of a network's name.
type choice struct {
	name, purpose string
	// networks are tried in turn until the weights of one can be had. They come from different places, so that one
	// that is out of reach stops nobody: torchvision's address, the Hugging Face hub, and a Python package
	// (efficientnet_lite0). onGPU, if not nil, replaces the first ones on a GPU.
	networks, onGPU []string
}

// choices are all of them, the default first. Those of best have the highest published accuracy of a linear classifier
// on frozen features among networks that a CPU, or a GPU, runs in reasonable time and whose licence asks for no
// consent.
var choices = []choice{
	{name: "auto", purpose: "a good middle", networks: []string{"efficientnet_lite0", "resnet18"}},
	{name: "small", purpose: "for phones and slow computers",
		networks: []string{"mobilenet_v3_small", "mobilenetv4_conv_small", "efficientnet_lite0"}},
	{name: "best", purpose: "the most accurate",
		networks: []string{"dinov2_vits14", "convnext_tiny", "efficientnet_lite0"}, onGPU: []string{"dinov2_vitb14"}},
}

// QuickstartChoices describes the words for QuickstartOptions' Network.Backbone, a line each.
func QuickstartChoices() string {
	var lines []string
	for _, c := range choices {
		line := fmt.Sprintf("  %-6s %s: %s", c.name, c.purpose, strings.Join(c.networks, ", else "))
		if c.onGPU != nil {
			line += "; on a GPU first " + strings.Join(c.onGPU, ", else ")
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

// choiceOf returns the choice of that name; "" is the default.
func choiceOf(name string) (c choice, found bool) {
	for _, c := range choices {
		if c.name == name {
			return c, true
		}
	}
	return choices[0], name == ""
}

// goesOn reports whether the choice takes the stored features of a network: the default those of any, another one those
// of its own networks.
func (c choice) goesOn(network string) bool {
	return c.name == choices[0].name || slices.Contains(c.networks, network) || slices.Contains(c.onGPU, network)
}

// prefers reports whether it takes them before all others.
func (c choice) prefers(network string) bool {
	return c.name == choices[0].name || network == c.networks[0] || slices.Contains(c.onGPU, network)
}

// candidates returns the networks to try on the device of o, in turn.
func (c choice) candidates(o extract.EmbedderOptions) ([]string, error) {
	if c.onGPU == nil {
		return c.networks, nil
	}
	device, err := extract.Device(o)
	if err != nil || device == ort.CPU {
		return c.networks, err
	}
	return slices.Concat(c.onGPU, c.networks), nil
}
