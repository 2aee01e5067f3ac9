package main

import (
	"fmt"
	"slices"
	"strings"
)

// writeEmbeddings writes rates, ratios, memory, the check of the outputs, and
// how far each side is from the limit.
func writeEmbeddings(p *page, all []outcome) {
	all = inOrder(all)
	photos := all[0].Setting.Photos
	steady, whole := printed("images_per_second"), per(photos, wall)
	p.text("%s photos on disk become a store (fx) or a file (peers) of float32 embeddings on disk: `fx extract` beside\n", count(photos))
	p.text("PyTorch (torchvision's ImageFolder, DataLoader, channels_last, inference_mode), timm (its own network and preprocessing, the\n")
	p.text("same loop) and ONNX Runtime from Python (fx's own ONNX file; Pillow and numpy in a pool of threads). PyTorch and timm run with\n")
	p.text("the fastest of DataLoader workers {0, 1, 2} × batch {8, 32} × threads {1, all}, found beforehand for each network.\n")
	p.weights(all)

	p.text("\nImages a second from the first photo to the last byte on disk, without imports and loading of the network:\n")
	p.rates(all, steady)
	p.text("Images a second of the whole command, imports and loading included:\n")
	p.rates(all, whole)
	p.text("fx's rate as a multiple of a peer's; the aim is for the steady rate beside PyTorch:\n")
	var rows [][]string
	for i := range all {
		o := &all[i]
		rows = append(rows, []string{
			o.Title, timesCell(o, "torch", steady, higher), p.aim(atLeast(o.Title+", images a second beside PyTorch", times(o, "torch", steady, higher), aimOf(o.Contest))),
			timesCell(o, "timm", steady, higher), timesCell(o, "onnxruntime", steady, higher),
			timesCell(o, "torch", whole, higher), timesCell(o, "timm", whole, higher), timesCell(o, "onnxruntime", whole, higher),
		})
	}
	p.table([]string{"network", "PyTorch", "aim", "timm", "ONNX Runtime", "PyTorch, whole command", "timm, whole", "ONNX Runtime, whole"}, rows)

	p.text("Peak memory in MB, all processes of a side together (a page that several share counts once), and processor seconds a photo:\n")
	rows = nil
	for i := range all {
		o := &all[i]
		row := []string{o.Title}
		for _, name := range embeddingSides {
			row = append(row, cell(o.side(name), peak))
		}
		for _, name := range embeddingSides {
			row = append(row, cell(o.side(name), func(t turn) (float64, bool) { return t.CPUSeconds / float64(photos), true }))
		}
		rows = append(rows, row)
	}
	p.table([]string{"network", "fx, MB", "PyTorch", "timm", "ONNX Runtime", "fx, s", "PyTorch", "timm", "ONNX Runtime"}, rows)

	p.text("Before anything was timed every side ran once, and the embeddings were compared: the L2 distance between fx's and a peer's,\n")
	p.text("relative to the length, of the photo where it is largest. More than %.0e voids a comparison. timm resizes and crops in its own way.\n", farthest)
	rows = nil
	for i := range all {
		var known map[string]agreement
		var tuned setup
		all[i].fact("agreement", &known)
		setupText := ""
		if all[i].fact("tuned", &tuned) {
			setupText = tuned.String()
		}
		rows = append(rows, []string{all[i].Title, far(known, "torch"), far(known, "onnxruntime"), setupText})
	}
	p.table([]string{"network", "from PyTorch", "from ONNX Runtime", "PyTorch's best setup"}, rows)
	p.limits(all)
}

var embeddingSides = []string{"fx", "torch", "timm", "onnxruntime"}

func far(known map[string]agreement, peer string) string {
	a, ok := known[peer]
	if !ok {
		return ""
	}
	return fmt.Sprintf("%.1e", a.Worst)
}

func (p *page) rates(all []outcome, m metric) {
	var rows [][]string
	for i := range all {
		row := []string{all[i].Title}
		for _, name := range embeddingSides {
			row = append(row, cell(all[i].side(name), m))
		}
		rows = append(rows, row)
	}
	p.table([]string{"network", "fx", "PyTorch", "timm", "ONNX Runtime, Python"}, rows)
}

func aimOf(network string) float64 {
	i := slices.IndexFunc(families, func(f family) bool { return f.name == network })
	if i < 0 {
		return 0
	}
	return families[i].aim
}

// inOrder sorts outcomes as the section lists its contests.
func inOrder(all []outcome) []outcome {
	place := func(o outcome) int {
		return slices.IndexFunc(families, func(f family) bool { return f.name == o.Contest })
	}
	return slices.SortedFunc(slices.Values(all), func(a, b outcome) int {
		if d := place(a) - place(b); d != 0 {
			return d
		}
		return strings.Compare(a.Contest, b.Contest)
	})
}
