package backbones

import (
	"fmt"
	"regexp"
	"strconv"
)

// has is a convention's mark: tensors that it alone has.
func has(names ...string) func(map[string][]int) bool {
	return func(shapes map[string][]int) bool {
		for _, name := range names {
			if _, found := shapes[name]; !found {
				return false
			}
		}
		return true
	}
}

// rewrite returns a convention whose names become the family's by these replacements, in this order: pairs of a regular
// expression and a template as regexp.ReplaceAllString takes them. What becomes "" is no weight.
func rewrite(pairs ...string) func(map[string][]int) func(string) string {
	return func(map[string][]int) func(string) string {
		var patterns []*regexp.Regexp
		for i := 0; i < len(pairs); i += 2 {
			patterns = append(patterns, regexp.MustCompile(pairs[i]))
		}
		return func(name string) string {
			for i, pattern := range patterns {
				name = pattern.ReplaceAllString(name, pairs[2*i+1])
			}
			return name
		}
	}
}

// The family's own names are timm's, here and below.
var asTheyAre = rewrite()

var vitNames = []convention{
	{has("encoder.pos_embedding"), rewrite( // torchvision
		`^class_token$`, `cls_token`,
		`^encoder\.pos_embedding$`, `pos_embed`,
		`^conv_proj\.`, `patch_embed.proj.`,
		`^encoder\.layers\.encoder_layer_(\d+)\.`, `blocks.$1.`,
		`\.ln_([12])\.`, `.norm$1.`,
		`\.self_attention\.in_proj_`, `.attn.qkv.`,
		`\.self_attention\.out_proj\.`, `.attn.proj.`,
		`\.mlp\.0\.`, `.mlp.fc1.`,
		`\.mlp\.3\.`, `.mlp.fc2.`,
		`\.mlp\.linear_([12])\.`, `.mlp.fc$1.`, // files of torchvision before 0.13
		`^encoder\.ln\.`, `norm.`,
		`^heads\.head\.`, `head.`,
	)},
	{has("mask_token", "blocks.0.attn.qkv.weight"), rewrite(`^mask_token$`, ``)}, // DINOv2's own files
	{has("pos_embed", "blocks.0.attn.qkv.weight"), asTheyAre},                    // timm
}

var convnextNames = []convention{
	{has("features.1.0.layer_scale"), rewrite( // torchvision
		`^features\.0\.`, `stem.`,
		`^features\.2\.`, `stages.1.downsample.`,
		`^features\.4\.`, `stages.2.downsample.`,
		`^features\.6\.`, `stages.3.downsample.`,
		`^features\.1\.`, `stages.0.blocks.`,
		`^features\.3\.`, `stages.1.blocks.`,
		`^features\.5\.`, `stages.2.blocks.`,
		`^features\.7\.`, `stages.3.blocks.`,
		`\.layer_scale$`, `.gamma`,
		`\.block\.0\.`, `.conv_dw.`,
		`\.block\.2\.`, `.norm.`,
		`\.block\.3\.`, `.mlp.fc1.`,
		`\.block\.5\.`, `.mlp.fc2.`,
		`^classifier\.0\.`, `head.norm.`,
		`^classifier\.2\.`, `head.fc.`,
	)},
	{has("downsample_layers.0.0.weight"), rewrite( // Meta's own files
		`^downsample_layers\.0\.`, `stem.`,
		`^downsample_layers\.(\d)\.`, `stages.$1.downsample.`,
		`^stages\.(\d)\.(\d+)\.`, `stages.$1.blocks.$2.`,
		`\.dwconv\.`, `.conv_dw.`,
		`\.pwconv([12])\.`, `.mlp.fc$1.`,
		`^norm\.`, `head.norm.`,
		`^head\.(weight|bias)$`, `head.fc.$1`,
	)},
	{has("stages.0.blocks.0.conv_dw.weight"), asTheyAre}, // timm
}

var swinNames = []convention{
	{has("features.1.0.attn.relative_position_bias_table"), rewrite( // torchvision
		`^.*\.relative_position_index$`, ``,
		`^features\.0\.0\.`, `patch_embed.proj.`,
		`^features\.0\.2\.`, `patch_embed.norm.`,
		`^features\.2\.`, `layers.1.downsample.`,
		`^features\.4\.`, `layers.2.downsample.`,
		`^features\.6\.`, `layers.3.downsample.`,
		`^features\.1\.`, `layers.0.blocks.`,
		`^features\.3\.`, `layers.1.blocks.`,
		`^features\.5\.`, `layers.2.blocks.`,
		`^features\.7\.`, `layers.3.blocks.`,
		`\.mlp\.0\.`, `.mlp.fc1.`,
		`\.mlp\.3\.`, `.mlp.fc2.`,
		`^head\.`, `head.fc.`,
	)},
	{has("layers.0.downsample.reduction.weight", "layers.0.blocks.0.attn.relative_position_bias_table"),
		rewrite( // Microsoft's own files, and timm's before 0.9
			`^.*\.(relative_position_index|attn_mask)$`, ``,
			`^layers\.2\.downsample\.`, `layers.3.downsample.`,
			`^layers\.1\.downsample\.`, `layers.2.downsample.`,
			`^layers\.0\.downsample\.`, `layers.1.downsample.`,
			`^head\.(weight|bias)$`, `head.fc.$1`,
		)},
	{has("layers.1.downsample.reduction.weight", "layers.0.blocks.0.attn.relative_position_bias_table"),
		rewrite(`^.*\.(relative_position_index|attn_mask)$`, ``)}, // timm
}

var regnetNames = []convention{
	{has("trunk_output.block1.block1-0.f.a.0.weight"), func(shapes map[string][]int) func(string) string {
		rest := rewrite(
			`^stem\.0\.`, `stem.conv.`,
			`^stem\.1\.`, `stem.bn.`,
			`\.proj\.0\.`, `.downsample.conv.`,
			`\.proj\.1\.`, `.downsample.bn.`,
			`\.f\.se\.`, `.se.`,
			`\.f\.a\.`, `.conv1.`,
			`\.f\.b\.`, `.conv2.`,
			`\.f\.c\.`, `.conv3.`,
			`(\.conv[123])\.0\.`, `$1.conv.`,
			`(\.conv[123])\.1\.`, `$1.bn.`,
			`^fc\.`, `head.fc.`,
		)(shapes)
		return func(name string) string {
			if m := regnetBlock.FindStringSubmatch(name); m != nil { // torchvision counts blocks from 0, timm from 1
				n, _ := strconv.Atoi(m[2])
				name = fmt.Sprintf("s%s.b%d.%s", m[1], n+1, m[3])
			}
			return rest(name)
		}
	}},
	{has("s1.b1.conv1.conv.weight"), asTheyAre}, // timm
}

var regnetBlock = regexp.MustCompile(`^trunk_output\.block(\d)\.block\d-(\d+)\.(.*)$`)

var vggNames = []convention{
	{has("features.0.weight", "classifier.6.weight"), rewrite( // torchvision
		`^classifier\.0\.`, `pre_logits.fc1.`,
		`^classifier\.3\.`, `pre_logits.fc2.`,
		`^classifier\.6\.`, `head.fc.`,
	)},
	{has("features.0.weight", "pre_logits.fc1.weight"), asTheyAre}, // timm
}
