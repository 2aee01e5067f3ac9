package weights

import (
	"fmt"
	"strings"

	"fx/internal/fail"
)

// Types of the unpickler's values, besides nil, bool, int64, float64 and string.
type (
	tuple    []any
	list     struct{ items []any }
	rawBytes []byte
	bigInt   []byte // little endian, two's complement, over 8 bytes
	global   string // module.name, one of the closed table knownGlobals
)

// dict is a dict or an OrderedDict. Both keep their order.
type dict struct {
	keys   []any
	values map[any]any
}

func newDict() *dict { return &dict{values: map[any]any{}} }

func (d *dict) set(key, value any) error {
	switch key.(type) {
	case nil, bool, int64, float64, string:
	default:
		return fmt.Errorf("a dict with %s as a key", kindOf(key))
	}
	if _, ok := d.values[key]; !ok {
		d.keys = append(d.keys, key)
	}
	d.values[key] = value
	return nil
}

// storage is a torch storage: elements that tensors are views of.
type storage struct {
	key   string
	dtype DType
	numel int
	data  []byte   // numel elements, once they are read
	root  *storage // the storage that this one is a window of, or nil
	start int      // where the window begins in root, in elements
}

// view is a torch tensor: a storage with an offset, sizes and strides, all in elements.
type view struct {
	storage *storage
	offset  int
	shape   []int
	stride  []int
}

// kindOf describes a value for a message.
func kindOf(v any) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case bool:
		return "a bool"
	case int64, bigInt:
		return "an int"
	case float64:
		return "a float"
	case string:
		return "a string"
	case rawBytes:
		return "bytes"
	case tuple:
		return "a tuple"
	case *list:
		return "a list"
	case *dict:
		return "a dict"
	case *storage:
		return "a storage"
	case *view:
		return "a tensor"
	case global:
		return string(v)
	}
	return "a mark"
}

const untrustedHint = "fx builds only tensors and plain values from a pickle. If you trust the file, open it in " +
	"Python and save only the weights: torch.save(model.state_dict(), FILE)."

// refuse is the error for a Python object that fx does not build.
func refuse(module, name string) error {
	full := module + "." + name
	if len(full) > 120 {
		full = strings.ToValidUTF8(full[:120], "") + "…"
	}
	return fail.New(fail.Model, untrustedHint, "its pickle asks for %q, which fx refuses to build", full)
}
