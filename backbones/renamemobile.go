package backbones

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// mobileNames are the conventions of MobileNetV2, MnasNet and EfficientNet up to B4. Their own names count the blocks
// of the whole network, and in a block the convolutions, each with its normalization: timm counts blocks by stages that
// torchvision does not always know. MobileNetV3, EfficientNet from B5 and EfficientNetV2 are left out: torchvision
// gives their normalizations another epsilon than timm.
var mobileNames = []convention{
	{torchvisionMobile, torchvisionMobileNames},
	{has("conv_stem.weight", "bn1.weight", "bn2.weight", "blocks.0.0.conv_dw.weight"), timmMobileNames},
}

func torchvisionMobile(shapes map[string][]int) bool {
	if has("layers.3.weight", "layers.8.0.layers.0.weight", "classifier.1.weight")(shapes) {
		return true // MnasNet
	}
	classifier, first := shapes["classifier.1.weight"], shapes["features.1.0.block.0.0.weight"]
	return has("features.0.1.running_mean")(shapes) && len(classifier) == 2 &&
		(shapes["features.1.conv.0.0.weight"] != nil || len(first) == 4 && first[1] == 1 && classifier[1] < 2048)
}

var (
	torchvisionBlock = regexp.MustCompile(`^(features\.\d+(?:\.\d+)?\.(?:block|conv))\.(\d+)\.(.*)$`)
	mnasnetBlock     = regexp.MustCompile(`^(layers\.\d+\.\d+)\.layers\.(\d+)\.(.*)$`)
	timmBlock        = regexp.MustCompile(`^(blocks\.\d+\.\d+)\.(.*)$`)
	number           = regexp.MustCompile(`\d+`)
)

func torchvisionMobileNames(shapes map[string][]int) func(string) string {
	blocks := numbered(shapes, torchvisionBlock, mnasnetBlock)
	head, squeeze := 0, map[string]int{} // the last of features; where a block has squeeze and excitation
	for name := range shapes {
		if rest, found := strings.CutPrefix(name, "features."); found {
			first, _, _ := strings.Cut(rest, ".")
			n, _ := strconv.Atoi(first)
			head = max(head, n)
		}
		if m := torchvisionBlock.FindStringSubmatch(name); m != nil && m[3] == "fc1.weight" {
			squeeze[m[1]], _ = strconv.Atoi(m[2])
		}
	}
	simple := rewrite(
		`^features\.0\.0\.`, `stem.conv.`, `^features\.0\.1\.`, `stem.bn.`,
		fmt.Sprintf(`^features\.%d\.0\.`, head), `head.conv.`, fmt.Sprintf(`^features\.%d\.1\.`, head), `head.bn.`,
		`^layers\.0\.`, `stem.conv.`, `^layers\.1\.`, `stem.bn.`, `^layers\.14\.`, `head.conv.`,
		`^layers\.15\.`, `head.bn.`,
		`^layers\.3\.`, `block.0.0.conv.`, `^layers\.4\.`, `block.0.0.bn.`, // MnasNet's first block
		`^layers\.6\.`, `block.0.1.conv.`, `^layers\.7\.`, `block.0.1.bn.`,
		`^classifier\.1\.`, `classifier.`,
	)(shapes)
	return func(name string) string {
		if m := mnasnetBlock.FindStringSubmatch(name); m != nil {
			i, _ := strconv.Atoi(m[2]) // convolution, normalization, activation, …
			return fmt.Sprintf("block.%d.%d.%s.%s", blocks[m[1]]+1, i/3, []string{"conv", "bn", ""}[i%3], m[3])
		}
		m := torchvisionBlock.FindStringSubmatch(name)
		if m == nil {
			return simple(name)
		}
		block, rest := blocks[m[1]], m[3]
		i, _ := strconv.Atoi(m[2])
		switch kind, tensor, nested := strings.Cut(rest, "."); {
		case !nested: // MobileNetV2's last convolution, and then its normalization, are not in a pair
			if shapes[fmt.Sprintf("%s.%d.running_mean", m[1], i)] != nil {
				return fmt.Sprintf("block.%d.%d.bn.%s", block, i-1, rest)
			}
			return fmt.Sprintf("block.%d.%d.conv.%s", block, i, rest)
		case kind == "fc1":
			return fmt.Sprintf("block.%d.se.conv_reduce.%s", block, tensor)
		case kind == "fc2":
			return fmt.Sprintf("block.%d.se.conv_expand.%s", block, tensor)
		default:
			if at, found := squeeze[m[1]]; found && i > at { // which does not count
				i--
			}
			return fmt.Sprintf("block.%d.%d.%s.%s", block, i, map[string]string{"0": "conv", "1": "bn"}[kind], tensor)
		}
	}
}

func timmMobileNames(shapes map[string][]int) func(string) string {
	blocks := numbered(shapes, timmBlock)
	simple := rewrite(
		`^conv_stem\.`, `stem.conv.`, `^bn1\.`, `stem.bn.`,
		`^conv_head\.`, `head.conv.`, `^bn2\.`, `head.bn.`,
	)(shapes)
	return func(name string) string {
		m := timmBlock.FindStringSubmatch(name)
		if m == nil {
			return simple(name)
		}
		layer, tensor, _ := strings.Cut(m[2], ".")
		inverted := shapes[m[1]+".conv_pwl.weight"] != nil // else the depthwise convolution comes first
		place := map[string]string{"conv_dw": "0.conv", "conv_pw": "1.conv"}
		if inverted {
			place = map[string]string{"conv_pw": "0.conv", "conv_dw": "1.conv", "conv_pwl": "2.conv"}
		}
		place["bn1"], place["bn2"], place["bn3"], place["se"] = "0.bn", "1.bn", "2.bn", "se"
		return fmt.Sprintf("block.%d.%s.%s", blocks[m[1]], cmp.Or(place[layer], layer), tensor)
	}
}

// numbered returns the numbers of the blocks, from 0, in the order of the numbers in their names. The first group of a
// pattern is the name of a block.
func numbered(shapes map[string][]int, patterns ...*regexp.Regexp) map[string]int {
	var names []string
	for name := range shapes {
		for _, pattern := range patterns {
			if m := pattern.FindStringSubmatch(name); m != nil {
				names = append(names, m[1])
			}
		}
	}
	slices.SortFunc(names, func(a, b string) int {
		return slices.CompareFunc(number.FindAllString(a, -1), number.FindAllString(b, -1), func(x, y string) int {
			return cmp.Or(cmp.Compare(len(x), len(y)), cmp.Compare(x, y))
		})
	})
	numbers := map[string]int{}
	for _, name := range slices.Compact(names) {
		numbers[name] = len(numbers)
	}
	return numbers
}
