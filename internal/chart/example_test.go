package chart_test

import (
	"fmt"
	"image/png"
	"os"
	"path/filepath"

	"fx/internal/chart"
	"fx/internal/metrics"
)

func Example() {
	dir, err := os.MkdirTemp("", "chart")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "report.png")
	err = chart.WriteTraining(path, chart.Training{
		Title: "resnet18 on hymenoptera_data",
		Epochs: []metrics.Epoch{
			{Epoch: 1, TrainLoss: 0.6, TrainAccuracy: 0.7, ValLoss: 0.3, ValAccuracy: 0.9},
			{Epoch: 2, TrainLoss: 0.3, TrainAccuracy: 0.9, ValLoss: 0.2, ValAccuracy: 0.95},
		},
		BestEpoch: 2,
		Confusion: [][]int{{65, 5}, {3, 80}},
		Classes:   []string{"ants", "bees"},
		Photos:    "val photos",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	f, err := os.Open(path)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer f.Close()
	config, err := png.DecodeConfig(f)
	fmt.Println(config.Width, "×", config.Height, err)
	// Output: 1800 × 1120 <nil>
}
