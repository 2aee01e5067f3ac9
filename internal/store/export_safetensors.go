package store

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"fx/internal/fail"
)

// maxHeader is the longest header that the safetensors package reads.
// Source: huggingface/safetensors, MAX_HEADER_SIZE.
const maxHeader = 100_000_000

// exportSafetensors streams one file. internal/weights needs tensors in memory as a whole. Wider types come first, so
// that all are aligned.
func exportSafetensors(x *export, out string) ([]string, error) {
	header, err := x.safetensorsHeader()
	if err != nil {
		return nil, err
	}
	if len(header) > maxHeader {
		return nil, fail.New(fail.Usage, "Choose parquet or npy, or one split.",
			"the paths of %d rows are too long for a safetensors header", len(x.rows))
	}
	return []string{out}, x.file(out, func(w io.Writer) error {
		if err := binary.Write(w, binary.LittleEndian, uint64(len(header))); err != nil {
			return err
		}
		if _, err := w.Write(header); err != nil {
			return err
		}
		for _, write := range []func(io.Writer) error{x.labels, x.views, x.features} {
			if err := write(w); err != nil {
				return err
			}
		}
		return nil
	})
}

// safetensorsHeader returns JSON padded with spaces to a multiple of 8 bytes: the tensors, and under __metadata__
// texts that are JSON themselves.
func (x *export) safetensorsHeader() ([]byte, error) {
	type tensor struct {
		DType   string `json:"dtype"`
		Shape   []int  `json:"shape"`
		Offsets [2]int `json:"data_offsets"`
	}
	n := len(x.rows)
	features := tensor{map[DType]string{Float32: "F32", Float16: "F16"}[x.s.layout.dtype], x.shape(),
		[2]int{12 * n, 12*n + n*x.s.layout.rowBytes}}
	manifest, err := json.Marshal(x.s.Manifest)
	if err != nil {
		return nil, err
	}
	classes, err := json.Marshal(x.s.Manifest.Classes)
	if err != nil {
		return nil, err
	}
	metadata := map[string]string{"classes": string(classes), "manifest": string(manifest)}
	for name, of := range map[string]func(r *Row) string{
		"path":  func(r *Row) string { return r.Path },
		"split": func(r *Row) string { return r.Split },
	} {
		var b strings.Builder
		if err := x.list(&b, of); err != nil {
			return nil, err
		}
		metadata[name] = b.String()
	}
	header, err := json.Marshal(map[string]any{ // package json sorts keys
		"__metadata__": metadata,
		"labels":       tensor{"I64", []int{n}, [2]int{0, 8 * n}},
		"views":        tensor{"I32", []int{n}, [2]int{8 * n, 12 * n}},
		"features":     features,
	})
	if err != nil {
		return nil, fmt.Errorf("safetensors header: %w", err)
	}
	if short := len(header) % 8; short != 0 {
		header = append(header, strings.Repeat(" ", 8-short)...)
	}
	return header, nil
}
