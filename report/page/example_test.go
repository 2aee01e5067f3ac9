package page_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"fx/internal/metrics"
	"fx/report/page"
)

func Example() {
	dir, err := os.MkdirTemp("", "page")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	mode := page.Mode{Key: "finetune", Name: "finetune", Colour: 1}
	accuracy := metrics.Stats{Mean: 0.954, Low: 0.954, High: 0.954, N: 1}
	p := page.Page{
		Title:  "One training",
		Groups: []page.Group{{Network: "resnet18", Mode: mode, Accuracy: accuracy, Runs: []int{0}}},
		Runs: []page.Run{{Name: "run", Network: "resnet18", Mode: mode, BestValAccuracy: 0.954,
			Missing: "its photos are gone"}},
	}
	html := filepath.Join(dir, "report.html")
	err = page.HTML(html, p)
	text, _ := os.ReadFile(html)
	fmt.Println(strings.Contains(string(text), "<strong>95.4\u00a0%</strong>"), err)
	// Output: true <nil>
}
