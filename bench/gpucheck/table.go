package main

import (
	"fmt"
	"strings"
	"time"
)

// table is written as Markdown, so that it can be committed as it is.
type table struct {
	machine machine
	options options
	rows    []result
}

func newTable(m machine, o options) *table { return &table{machine: m, options: o} }

func (t *table) add(r result) { t.rows = append(t.rows, r) }

func (t *table) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# fx on a GPU, %s\n\n", time.Now().Format(time.DateOnly))
	fmt.Fprintf(&b, "- GPU: %s", t.machine.gpu)
	if t.machine.driver != "" {
		fmt.Fprintf(&b, ", driver %s", t.machine.driver)
	}
	fmt.Fprintf(&b, "\n- CPU: %s\n- %s, weights seed:0, batch %d, %d photos\n\n", t.machine.cpu, t.machine.library, t.options.batch, t.photos())
	b.WriteString("Images/s of `fx extract` (decoding included) on the device and on the CPU, and of the network alone on the device. " +
		"Distance: relative L2 of a photo's features to the CPU's.\n\n")
	fmt.Fprintf(&b, "| backbone | extract, %s | extract, cpu | network alone, %s | mean distance | worst | worst without TF32 | within %.0e |\n",
		t.options.device, t.options.device, t.options.tolerance)
	b.WriteString("|---|---:|---:|---:|---:|---:|---:|---|\n")
	for _, r := range t.rows {
		verdict := "yes"
		if !r.within(t.options.tolerance) {
			verdict = "**no**"
		}
		fmt.Fprintf(&b, "| %s | %.0f | %.0f | %.0f | %.1e | %.1e | %.1e | %s |\n",
			r.name, r.onDevice, r.onCPU, r.alone, r.distance.mean, r.distance.worst, r.exact.worst, verdict)
	}
	return b.String()
}

func (t *table) photos() int {
	if len(t.rows) == 0 {
		return 0
	}
	return t.rows[0].photos
}
