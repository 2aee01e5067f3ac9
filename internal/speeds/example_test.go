package speeds_test

import (
	"fmt"
	"os"

	"fx/internal/speeds"
)

func Example() {
	cache, err := os.MkdirTemp("", "cache")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(cache)
	_ = os.Setenv("FX_CACHE_DIR", cache)
	speeds.Record(speeds.Speed{Network: "resnet18", Device: "cpu", Precision: "float32", ImagesPerSecond: 87})
	for _, s := range speeds.Here() {
		fmt.Printf("%s: %.0f images/s (%s, %s)\n", s.Network, s.ImagesPerSecond, s.Device, s.Precision)
	}
	// Output: resnet18: 87 images/s (cpu, float32)
}
