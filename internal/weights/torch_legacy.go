package weights

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// decodeLegacy reads the format before PyTorch 1.6: five pickles one after another (magic number, version, the
// writer's machine, the object, the keys of its storages), then each storage as its number of elements, eight bytes,
// and its elements. All numbers are little endian, on every machine. Source: torch/serialization.py, _legacy_save and
// _legacy_load.
func decodeLegacy(file []byte, b *budget) (*dict, string, error) {
	storages := &storageTable{byKey: map[string]*storage{}, legacy: true}
	at := 0
	var values [5]any // magic number, version, machine, object, keys
	for i := range values {
		persistent := storages.persistent
		if i != 3 {
			persistent = nil
		}
		v, n, err := unpickle(file[at:], persistent, b)
		if err != nil {
			return nil, "", err
		}
		values[i] = v
		at += n
	}
	if !isLegacyMagic(values[0]) || values[1] != int64(1001) {
		return nil, "", errors.New("a version of torch's legacy format that is not 1001")
	}
	keys, ok := values[4].(*list)
	if !ok {
		return nil, "", errors.New("the keys of its storages are missing")
	}
	for _, key := range keys.items {
		name, ok := key.(string)
		s := storages.byKey[name]
		if !ok || s == nil || s.data != nil {
			return nil, "", fmt.Errorf("storage %.40q is not one of its tensors', or comes twice", name)
		}
		if len(file)-at < 8 {
			return nil, "", errTruncated
		}
		n, size := binary.LittleEndian.Uint64(file[at:]), s.dtype.Size()
		at += 8
		if n > math.MaxInt/8 || int(n) != s.numel {
			return nil, "", fmt.Errorf("storage %.40q has %d elements, but its tensors declare %d", name, n, s.numel)
		}
		if s.numel > (len(file)-at)/size {
			return nil, "", errTruncated
		}
		s.data = file[at : at+s.numel*size : at+s.numel*size]
		at += s.numel * size
	}
	if at != len(file) {
		return nil, "", fmt.Errorf("%d bytes after its last storage", len(file)-at)
	}
	return stateOf(values[3])
}

// isLegacyMagic reports whether v is the first number of legacy files, 0x1950a86a20f9469cfc6c.
func isLegacyMagic(v any) bool {
	n, ok := v.(bigInt)
	return ok && string(n) == "\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"
}

// storageTable resolves the persistent ids of a pickle to storages.
type storageTable struct {
	byKey  map[string]*storage
	legacy bool // ids have a sixth member, the window
}

// persistent returns the storage of ("storage", type, key, location, numel) and, in legacy files, None or (key,
// offset, numel) of a window into that storage.
func (t *storageTable) persistent(id tuple) (any, error) {
	want := 5
	if t.legacy {
		want = 6
	}
	if len(id) > 0 && id[0] == "module" {
		return nil, refuse("torch.nn", "Module")
	}
	if len(id) != want || id[0] != "storage" {
		return nil, errors.New("a persistent id that is not a storage's")
	}
	class, _ := id[1].(global)
	key, isText := id[2].(string)
	numel, isInt := id[4].(int64)
	dtype, known := storageTypes[lastPart(string(class))]
	if !known || !isText || !isInt || numel < 0 || numel > math.MaxInt/16 {
		return nil, errors.New("a storage with an impossible type, key or length")
	}
	s := t.byKey[key]
	if s == nil {
		s = &storage{key: key, dtype: dtype, numel: int(numel)}
		t.byKey[key] = s
	}
	if s.dtype != dtype || s.numel != int(numel) {
		return nil, fmt.Errorf("storage %.40q with two types or lengths", key)
	}
	if t.legacy && id[5] != nil {
		return s.window(id[5])
	}
	return s, nil
}

func (s *storage) window(v any) (*storage, error) {
	parts, _ := v.(tuple)
	if len(parts) != 3 {
		return nil, errors.New("a window into a storage that is not three values")
	}
	offset, ok := parts[1].(int64)
	numel, ok2 := parts[2].(int64)
	if !ok || !ok2 || offset < 0 || numel < 0 || offset > int64(s.numel) || numel > int64(s.numel)-offset {
		return nil, fmt.Errorf("a window that reaches outside storage %.40q", s.key)
	}
	return &storage{key: s.key, dtype: s.dtype, numel: int(numel), root: s, start: int(offset)}, nil
}

func lastPart(name string) string {
	for i := len(name) - 1; i >= 0; i-- {
		if name[i] == '.' {
			return name[i+1:]
		}
	}
	return name
}
