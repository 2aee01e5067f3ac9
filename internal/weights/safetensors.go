package weights

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"unicode/utf8"
)

// The format: eight bytes with the length of a JSON header, the header, the tensors' bytes. The limits are those of
// the README of huggingface/safetensors. Whitespace before the header's brace, which the README forbids, is accepted,
// as the reference implementation does.
const (
	maxHeader     = 100_000_000
	maxDimensions = 64 // torch's own limit
	metadataKey   = "__metadata__"
)

type entry struct {
	name       string
	dtype      DType
	shape      []int
	start, end int // within the bytes after the header
}

// decodeSafetensors returns the tensors of a whole file; they share its memory.
func decodeSafetensors(file []byte) (*StateDict, error) {
	if len(file) < 8 {
		return nil, errors.New("shorter than the eight bytes that a safetensors file begins with")
	}
	length := binary.LittleEndian.Uint64(file)
	if length > maxHeader {
		return nil, fmt.Errorf("the header claims %d bytes, more than the format's limit of %d", length, maxHeader)
	}
	if length > uint64(len(file)-8) {
		return nil, fmt.Errorf("the header claims %d bytes of a file of %d: truncated?", length, len(file))
	}
	header, body := file[8:8+length], file[8+length:]
	state := NewStateDict()
	entries, err := parseHeader(header, state.Metadata)
	if err != nil {
		return nil, fmt.Errorf("in its header: %w", err)
	}
	slices.SortStableFunc(entries, func(a, b entry) int {
		if a.start != b.start {
			return a.start - b.start
		}
		return a.end - b.end
	})
	end := 0
	for _, e := range entries {
		if e.start != end { // also covers overlaps, and gaps that could hide something
			return nil, fmt.Errorf("tensor %.100q begins at byte %d of the data, but the one before it ends at %d",
				e.name, e.start, end)
		}
		if e.end < e.start || e.end > len(body) {
			return nil, fmt.Errorf("tensor %.100q is at bytes %d to %d of data of %d bytes: truncated?", e.name,
				e.start, e.end, len(body))
		}
		end = e.end
		t := Tensor{DType: e.dtype, Shape: e.shape, Data: body[e.start:e.end:e.end]}
		if err := t.check(); err != nil {
			return nil, fmt.Errorf("tensor %.100q: %w", e.name, err)
		}
		state.Set(e.name, t)
	}
	if end != len(body) {
		return nil, fmt.Errorf("%d bytes after the last tensor", len(body)-end)
	}
	return state, nil
}

// parseHeader reads the JSON header token by token. It accepts only the format's structure, and each name only once.
func parseHeader(header []byte, metadata map[string]string) ([]entry, error) {
	if !utf8.Valid(header) || !json.Valid(header) {
		return nil, errors.New("not valid JSON")
	}
	h := headerReader{json.NewDecoder(bytes.NewReader(header))}
	h.decoder.UseNumber()
	var entries []entry
	seen := map[string]bool{}
	err := h.object(func(name string) error {
		if seen[name] {
			return fmt.Errorf("the name %.100q twice", name)
		}
		seen[name] = true
		if name == metadataKey {
			return h.object(func(key string) error {
				value, err := h.text()
				if _, twice := metadata[key]; twice {
					return fmt.Errorf("the metadata key %.100q twice", key)
				}
				metadata[key] = value
				return err
			})
		}
		e, err := h.entry(name)
		if err != nil {
			return fmt.Errorf("tensor %.100q: %w", name, err)
		}
		entries = append(entries, e)
		return nil
	})
	return entries, err
}

type headerReader struct{ decoder *json.Decoder }

func (h headerReader) entry(name string) (entry, error) {
	e := entry{name: name}
	seen := map[string]bool{}
	err := h.object(func(key string) (err error) {
		if seen[key] {
			return fmt.Errorf("%.100q twice", key)
		}
		seen[key] = true
		switch key {
		case "dtype":
			var s string
			s, err = h.text()
			e.dtype = DType(s)
		case "shape":
			e.shape, err = h.numbers(maxDimensions)
		case "data_offsets":
			var offsets []int
			if offsets, err = h.numbers(2); err == nil {
				if len(offsets) != 2 {
					return errors.New("data_offsets are not two numbers")
				}
				e.start, e.end = offsets[0], offsets[1]
			}
		default:
			return fmt.Errorf("the unknown key %.100q", key)
		}
		return err
	})
	if err == nil && len(seen) != 3 {
		err = errors.New("dtype, shape or data_offsets is missing")
	}
	return e, err
}

// object reads an object and calls member after each key; member reads the value.
func (h headerReader) object(member func(key string) error) error {
	if err := h.expect(json.Delim('{')); err != nil {
		return err
	}
	for h.decoder.More() {
		key, err := h.text()
		if err != nil {
			return err
		}
		if err := member(key); err != nil {
			return err
		}
	}
	return h.expect(json.Delim('}'))
}

// numbers reads an array of at most limit non-negative integers.
func (h headerReader) numbers(limit int) ([]int, error) {
	if err := h.expect(json.Delim('[')); err != nil {
		return nil, err
	}
	list := []int{}
	for h.decoder.More() {
		token, err := h.decoder.Token()
		if err != nil {
			return nil, err
		}
		number, ok := token.(json.Number)
		if !ok {
			return nil, errors.New("a number is missing")
		}
		n, err := strconv.ParseInt(number.String(), 10, 0)
		if err != nil || n < 0 {
			return nil, fmt.Errorf("%.40q is not a size", number.String())
		}
		if len(list) == limit {
			return nil, fmt.Errorf("more than %d numbers in a row", limit)
		}
		list = append(list, int(n))
	}
	return list, h.expect(json.Delim(']'))
}

func (h headerReader) text() (string, error) {
	token, err := h.decoder.Token()
	if err != nil {
		return "", err
	}
	s, ok := token.(string)
	if !ok {
		return "", errors.New("a string is missing")
	}
	return s, nil
}

func (h headerReader) expect(want json.Delim) error {
	token, err := h.decoder.Token()
	if err == nil && token != want {
		err = fmt.Errorf("%q is missing", want.String())
	}
	return err
}
