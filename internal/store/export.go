package store

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"fx/internal/durable"
	"fx/internal/fail"
	"fx/internal/outpath"
	"fx/internal/progress"
)

// ExportOptions of Export. The zero value exports every row.
type ExportOptions struct {
	Split    *string           // only this split; nil is all
	Force    bool              // replace another file or folder there, see outpath.Prepare
	Progress progress.Reporter // nil is progress.Discard
}

// exporters write rows to the path out, an output of the kind, and return the paths of their files.
var exporters = map[string]struct {
	kind  outpath.Kind
	write func(x *export, out string) ([]string, error)
}{
	"npy":         {outpath.NPY, exportNPY},
	"csv":         {outpath.FeaturesTable, exportCSV},
	"parquet":     {outpath.Parquet, exportParquet},
	"safetensors": {outpath.FeaturesSafetensors, exportSafetensors},
}

// PrepareExport checks, before any work, that Export of the store in dir may write to out.
func PrepareExport(dir, format, out string, options ExportOptions) error {
	m, err := ReadManifest(dir)
	if err != nil {
		return err
	}
	return m.prepareExport(format, out, options)
}

func (m Manifest) prepareExport(format, out string, options ExportOptions) error {
	exporter, known := exporters[strings.ToLower(format)]
	if !known {
		return fail.New(fail.Usage, "Choose one of "+strings.Join(formats(), ", ")+".", "unknown export format %q",
			format)
	}
	ending := strings.ToLower(strings.TrimPrefix(filepath.Ext(out), "."))
	if _, other := exporters[ending]; other && ending != strings.ToLower(format) {
		return fail.New(fail.Usage, "Give --out another ending, or leave --format out.",
			"--out %s does not end as the format %s", out, format)
	}
	return outpath.Prepare(options.Force, outpath.Target{Kind: exporter.kind, Path: out, Photos: m.Made.Data})
}

// formats returns the names that Export takes.
func formats() []string {
	names := make([]string, 0, len(exporters))
	for n := range exporters {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// Export writes the rows in the order of Rows and returns the paths of its files. Each file is written as a whole or
// not at all. Memory does not grow with the store. Formats:
//
//   - csv: a file with columns path, sha256, split, class, label, view, f0, f1, …
//   - parquet: a file with the same columns, the embedding as one list
//   - npy: a folder with features.npy [rows, FeatureShape…], labels.npy (int64), views.npy (int32) and rows.json
//     (classes, and path, split and sha256 of every row)
//   - safetensors: a file with features, labels and views, and the names as JSON in its metadata
func (s *Store) Export(ctx context.Context, format, out string, options ExportOptions) ([]string, error) {
	if err := s.Manifest.prepareExport(format, out, options); err != nil {
		return nil, err
	}
	if options.Progress == nil {
		options.Progress = progress.Discard
	}
	x := &export{ctx: ctx, s: s}
	for i := range s.rows {
		if options.Split == nil || s.rows[i].Split == *options.Split {
			x.rows = append(x.rows, i)
		}
	}
	if len(x.rows) == 0 {
		return nil, fail.New(fail.Usage, fmt.Sprintf("The store has the splits %q.", s.Splits()),
			"no rows of %s to export", s.Dir)
	}
	x.task = options.Progress.Begin("export", int64(len(x.rows)), "rows")
	defer x.task.End()
	return exporters[strings.ToLower(format)].write(x, out)
}

// export is the state of one Export.
type export struct {
	ctx  context.Context
	s    *Store
	rows []int // of the store, in order
	task progress.Task
}

// each calls f for every row until it fails or the context ends.
func (x *export) each(f func(i int, r *Row) error) error {
	for _, i := range x.rows {
		if err := x.ctx.Err(); err != nil {
			return err
		}
		if err := f(i, &x.s.rows[i]); err != nil {
			return err
		}
	}
	return nil
}

// raw returns the stored bytes of the embedding of row i.
func (x *export) raw(i int) []byte {
	r := &x.s.rows[i]
	return x.s.folder.files[r.file].embedding(r.row, x.s.layout.rowBytes)
}

// features writes the embeddings of all rows, and reports progress.
func (x *export) features(w io.Writer) error {
	return x.each(func(i int, _ *Row) error {
		x.task.Add(1)
		_, err := w.Write(x.raw(i))
		return err
	})
}

// labels writes the labels as little-endian int64.
func (x *export) labels(w io.Writer) error {
	return x.each(func(_ int, r *Row) error { return binary.Write(w, binary.LittleEndian, int64(r.Label)) })
}

// views writes the views as little-endian int32.
func (x *export) views(w io.Writer) error {
	return x.each(func(_ int, r *Row) error { return binary.Write(w, binary.LittleEndian, int32(r.View)) })
}

// shape returns the shape of all embeddings together.
func (x *export) shape() []int { return append([]int{len(x.rows)}, x.s.Manifest.FeatureShape...) }

// file writes one file of the export through a buffer.
func (x *export) file(path string, write func(w io.Writer) error) error {
	err := durable.WriteFile(path, func(w io.Writer) error {
		b := bufio.NewWriterSize(w, 1<<16)
		if err := write(b); err != nil {
			return err
		}
		return b.Flush()
	})
	return fail.Wrap(fail.Usage, err, "Name a file in a folder that fx may write with --out.", "cannot write %s", path)
}

// exportNPY writes a folder of numpy files.
func exportNPY(x *export, out string) ([]string, error) {
	if err := os.MkdirAll(out, 0o777); err != nil {
		return nil, fail.Wrap(fail.Usage, err, "Name a folder that fx may make with --out.",
			"cannot make the folder %s", out)
	}
	type part struct {
		name, descr string
		shape       []int
		write       func(io.Writer) error
	}
	// The first file identifies the folder as fx's.
	names := filepath.Join(out, "rows.json")
	if err := x.file(names, x.names); err != nil {
		return nil, err
	}
	descr := map[DType]string{Float32: "<f4", Float16: "<f2"}[x.s.layout.dtype]
	n := []int{len(x.rows)}
	var files []string
	for _, p := range []part{
		{"features.npy", descr, x.shape(), x.features},
		{"labels.npy", "<i8", n, x.labels},
		{"views.npy", "<i4", n, x.views},
	} {
		path := filepath.Join(out, p.name)
		err := x.file(path, func(w io.Writer) error {
			if _, err := w.Write(npyHeader(p.descr, p.shape)); err != nil {
				return err
			}
			return p.write(w)
		})
		if err != nil {
			return files, err
		}
		files = append(files, path)
	}
	return append(files, names), nil
}

// npyHeader returns a header of numpy's format 1.0: magic, version, header length, and a Python dict padded with
// spaces to a multiple of 64 bytes. Source: numpy.lib.format, "Format Version 1.0".
func npyHeader(descr string, shape []int) []byte {
	dims := strings.Trim(strings.ReplaceAll(fmt.Sprint(shape), " ", ", "), "[]")
	if len(shape) == 1 {
		dims += ","
	}
	dict := fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': (%s), }", descr, dims)
	const before = 10 // bytes before the dict
	dict += strings.Repeat(" ", 63-(before+len(dict))%64) + "\n"
	header := append([]byte("\x93NUMPY\x01\x00"), 0, 0)
	binary.LittleEndian.PutUint16(header[8:], uint16(len(dict)))
	return append(header, dict...)
}

// names writes {"classes": […], "path": […], "split": […], "sha256": […]}, each list but the first row by row.
func (x *export) names(w io.Writer) error {
	classes, err := json.Marshal(x.s.Manifest.Classes)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(w, "{\n\"classes\": %s", classes); err != nil {
		return err
	}
	for _, column := range []struct {
		name string
		of   func(r *Row) string
	}{
		{"path", func(r *Row) string { return r.Path }},
		{"split", func(r *Row) string { return r.Split }},
		{"sha256", func(r *Row) string { return r.SHA256.String() }},
	} {
		if _, err := fmt.Fprintf(w, ",\n%q: ", column.name); err != nil {
			return err
		}
		if err := x.list(w, column.of); err != nil {
			return err
		}
	}
	_, err = io.WriteString(w, "\n}\n")
	return err
}

// list writes a text for each row as a JSON list.
func (x *export) list(w io.Writer, of func(r *Row) string) error {
	separator := "["
	err := x.each(func(_ int, r *Row) error {
		text, err := json.Marshal(of(r))
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(w, "%s%s", separator, text)
		separator = ",\n"
		return err
	})
	if err != nil {
		return err
	}
	_, err = io.WriteString(w, "]")
	return err
}
