package weights

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"maps"
	"slices"
	"unicode/utf8"

	"fx/internal/durable"
	"fx/internal/fail"
)

// WriteSafetensors writes the tensors to path, completely or not at all. The bytes are those of the Python package,
// and do not depend on the order in which tensors and metadata were set.
func WriteSafetensors(path string, state *StateDict) error {
	_, err := writeSafetensors(path, state, nil)
	return err
}

// WriteSafetensorsSum is WriteSafetensors, and returns the SHA-256 of the file in lower-case hex. It hashes the bytes
// while it writes them.
func WriteSafetensorsSum(path string, state *StateDict) (sum string, err error) {
	return writeSafetensors(path, state, sha256.New())
}

// writeSafetensors writes the file, and to hash if it is not nil.
func writeSafetensors(path string, state *StateDict, hash hash.Hash) (sum string, err error) {
	names := state.Names()
	slices.SortFunc(names, func(a, b string) int {
		x, y := slices.Index(writeOrder, state.tensors[a].DType), slices.Index(writeOrder, state.tensors[b].DType)
		return cmp.Or(cmp.Compare(x, y), cmp.Compare(a, b))
	})
	header, err := encodeHeader(state, names)
	if err != nil {
		return "", fail.Wrap(fail.Model, err, "", "%s cannot be written", path)
	}
	err = durable.WriteFile(path, func(w io.Writer) error {
		if hash != nil {
			w = io.MultiWriter(w, hash)
		}
		if err := binary.Write(w, binary.LittleEndian, uint64(len(header))); err != nil {
			return err
		}
		if _, err := w.Write(header); err != nil {
			return err
		}
		for _, name := range names {
			if _, err := w.Write(state.tensors[name].Data); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil && hash != nil {
		sum = hex.EncodeToString(hash.Sum(nil))
	}
	return sum, fail.Wrap(fail.Usage, err, "Check that the folder exists and is writable.", "writing %s", path)
}

// writeOrder is the order in which the Python package sorts tensors, before their names: wide elements first, so that
// each tensor begins at a multiple of its element size.
var writeOrder = []DType{I64, F64, F32, I32, BF16, F16, I16, I8, U8, Bool}

// encodeHeader returns the JSON header, padded with spaces so that the tensors
// begin at a multiple of eight bytes.
func encodeHeader(state *StateDict, names []string) ([]byte, error) {
	var b bytes.Buffer
	separator := "{"
	if len(state.Metadata) > 0 {
		fmt.Fprintf(&b, "{%s:", quote(metadataKey))
		for i, key := range slices.Sorted(maps.Keys(state.Metadata)) {
			fmt.Fprintf(&b, "%c%s:%s", "{,"[min(i, 1)], quote(key), quote(state.Metadata[key]))
		}
		b.WriteString("}")
		separator = ","
	}
	offset := 0
	for _, name := range names {
		t := state.tensors[name]
		if err := t.check(); err != nil {
			return nil, fmt.Errorf("tensor %.100q: %w", name, err)
		}
		if name == metadataKey || !utf8.ValidString(name) {
			return nil, fmt.Errorf("%.100q is not a name for a tensor", name)
		}
		fmt.Fprintf(&b, "%s%s:{\"dtype\":%q,\"shape\":[", separator, quote(name), t.DType)
		for i, d := range t.Shape {
			fmt.Fprintf(&b, "%s%d", []string{"", ","}[min(i, 1)], d)
		}
		fmt.Fprintf(&b, "],\"data_offsets\":[%d,%d]}", offset, offset+len(t.Data))
		offset += len(t.Data)
		separator = ","
	}
	if b.Len() == 0 {
		b.WriteString("{")
	}
	b.WriteString("}")
	for b.Len()%8 != 0 {
		b.WriteByte(' ')
	}
	if b.Len() > maxHeader {
		return nil, fmt.Errorf("a header of %d bytes, more than the format's limit of %d", b.Len(), maxHeader)
	}
	return b.Bytes(), nil
}

// quote returns s as a JSON string, without the escapes that only HTML needs.
func quote(s string) string {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(s) // a string always encodes
	return string(bytes.TrimSuffix(b.Bytes(), []byte("\n")))
}
