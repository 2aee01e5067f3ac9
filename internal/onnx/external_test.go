package onnx

import (
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"fx/internal/fail"
	"fx/internal/onnx/pb"
)

func TestExternalDataIsReadIn(t *testing.T) {
	folder := t.TempDir()
	path := writeExternal(t, folder, "data.bin", "8", "24")
	m, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	w := m.Graph.Initializer[0]
	values, err := Float32s(w)
	if err != nil || len(values) != 6 || values[5] != 6 {
		t.Errorf("read %v, %v", values, err)
	}
	if w.DataLocation != pb.TensorProto_DEFAULT || len(w.ExternalData) > 0 {
		t.Error("the tensor still points to a file")
	}
}

// writeExternal writes a model whose weight lies in location, and the file
// data.bin with 8 bytes before it, into folder.
func writeExternal(t *testing.T, folder, location, offset, length string) string {
	t.Helper()
	m := tiny()
	w := m.Graph.Initializer[0]
	data := append(make([]byte, 8), w.RawData...)
	w.RawData, w.DataLocation = nil, pb.TensorProto_EXTERNAL
	for key, value := range map[string]string{"location": location, "offset": offset, "length": length} {
		if value != "" {
			w.ExternalData = append(w.ExternalData, &pb.StringStringEntryProto{Key: key, Value: value})
		}
	}
	path := filepath.Join(folder, "m.onnx")
	for file, content := range map[string][]byte{path: mustMarshal(t, m), filepath.Join(folder, "data.bin"): data} {
		if err := os.WriteFile(file, content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

func TestExternalDataOutsideIsRefused(t *testing.T) {
	outside := t.TempDir()
	secret := filepath.Join(outside, "secret")
	if err := os.WriteFile(secret, make([]byte, 64), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ location, offset, length, word string }{
		"absolute":         {secret, "0", "24", "not a plain path"},
		"parent":           {"../" + filepath.Base(outside) + "/secret", "0", "24", "not a plain path"},
		"parent inside":    {"sub/../../x", "0", "24", "not a plain path"},
		"parent and back":  {"sub/../data.bin", "0", "24", "not a plain path"},
		"backslash":        {`..\secret`, "0", "24", "not a plain path"},
		"nul":              {"data.bin\x00x", "0", "24", "not a plain path"},
		"no location":      {"", "0", "24", "no location"},
		"a link":           {"link", "0", "24", "through the link"},
		"a link above":     {"linked/secret", "0", "24", "through the link"},
		"a folder":         {"sub", "0", "24", "not a regular file"},
		"absent":           {"absent", "0", "24", "no such file"},
		"past the end":     {"data.bin", "9", "24", "which has 32"},
		"offset past end":  {"data.bin", "33", "", "which has 32"},
		"wrapping offset":  {"data.bin", strconv.Itoa(math.MaxInt64), "24", "which has 32"},
		"negative offset":  {"data.bin", "-8", "24", "not a byte count"},
		"length too small": {"data.bin", "8", "20", "need 24"},
		"length too large": {"data.bin", "0", "32", "need 24"},
		"no number":        {"data.bin", "8", "0x18", "not a byte count"},
	} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			if err := os.Mkdir(filepath.Join(folder, "sub"), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(secret, filepath.Join(folder, "link")); err != nil {
				t.Skip("no symbolic links here:", err)
			}
			if err := os.Symlink(outside, filepath.Join(folder, "linked")); err != nil {
				t.Fatal(err)
			}
			path := writeExternal(t, folder, c.location, c.offset, c.length)
			_, err := Load(path)
			checkRefused(t, err, path, c.word)
		})
	}
}

// Often the file with the weights was not copied along.
func TestAMissingFileOfWeightsIsNamed(t *testing.T) {
	_, err := Load(writeExternal(t, t.TempDir(), "net.onnx.data", "0", "24"))
	if hint := fail.HintOf(err); fail.KindOf(err) != fail.Model || !strings.HasPrefix(hint, "Copy net.onnx.data ") {
		t.Errorf("%v, hint %q", err, hint)
	}
}

func TestExternalDataCountsAgainstTheTotal(t *testing.T) {
	path := writeExternal(t, t.TempDir(), "data.bin", "8", "24")
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := LoadWith(path, Options{TotalBytes: info.Size() + 24}); err != nil {
		t.Error(err)
	}
	_, err = LoadWith(path, Options{TotalBytes: info.Size() + 23})
	checkRefused(t, err, path, "larger than accepted")
}
