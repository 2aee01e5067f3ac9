package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"fx/internal/durable"
)

// report is a Markdown document, which can be committed unchanged. It is rewritten with
// every addition.
type report struct {
	path string
	body strings.Builder
}

func newReport(path string, m machine) (*report, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	driver := ""
	if m.driver != "" {
		driver = ", driver " + m.driver
	}
	r := &report{path: path}
	return r, r.add("# fx on a GPU, %s\n\n- GPU: %s%s\n- CPU: %s\n- %s\n\n", time.Now().Format(time.DateOnly), m.gpu,
		driver, m.cpu, m.library)
}

func (r *report) add(format string, args ...any) error {
	fmt.Fprintf(&r.body, format, args...)
	return durable.WriteBytes(r.path, []byte(r.body.String()))
}

func (r *report) text() string { return r.body.String() }
