package machine

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
)

func TestDescribe(t *testing.T) {
	for _, c := range []struct {
		cpuinfo string
		cores   int
		want    string
	}{
		{"processor\t: 0\nmodel name\t: A CPU @ 2 GHz\nprocessor\t: 1\nmodel name\t: Another\n", 2,
			"A CPU @ 2 GHz, 2 cores"},
		{"", 1, runtime.GOARCH + ", 1 core"},
	} {
		if got := describe(c.cpuinfo, c.cores); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

func ExampleCPU() {
	fmt.Println(strings.Contains(CPU(), " core"))
	// Output: true
}
