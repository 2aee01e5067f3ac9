package backbones

import "fx/internal/weights"

// withRegisters returns the weights of DINOv2 with registers from its authors as timm has them: there the class token
// has its position added, and the table of positions is that of the patches alone. Other weights are returned as they
// are. Source: timm, vision_transformer.py, _convert_dinov2.
func withRegisters(ours map[string][]int, sd *weights.StateDict) *weights.StateDict {
	registers, found := sd.Get("register_tokens")
	token, _ := sd.Get("cls_token")
	table, _ := sd.Get("pos_embed")
	if ours["reg_token"] == nil || !found || len(token.Shape) != 3 || len(table.Shape) != 3 ||
		token.Shape[0] != 1 || token.Shape[1] != 1 || table.Shape[0] != 1 || table.Shape[1] < 2 ||
		token.Shape[2] != table.Shape[2] {
		return sd
	}
	class, err := token.Float32s()
	positions, tableErr := table.Float32s()
	if err != nil || tableErr != nil { // whoever uses them reports it
		return sd
	}
	width := table.Shape[2]
	sum := make([]float32, width)
	for i := range sum {
		sum[i] = class[i] + positions[i]
	}
	out := weights.NewStateDict()
	out.Metadata = sd.Metadata
	for _, name := range sd.Names() {
		t, _ := sd.Get(name)
		switch name {
		case "register_tokens":
			out.Set("reg_token", registers)
		case "cls_token":
			out.Set(name, weights.FromFloat32(token.Shape, sum))
		case "pos_embed":
			out.Set(name, weights.FromFloat32([]int{1, table.Shape[1] - 1, width}, positions[width:]))
		default:
			out.Set(name, t)
		}
	}
	return out
}
