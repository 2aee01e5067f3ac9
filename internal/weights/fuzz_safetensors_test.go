package weights

import (
	"strings"
	"testing"
)

// FuzzSafetensors demands that a file of any header is read or refused in memory
// in proportion to its size.
func FuzzSafetensors(f *testing.F) {
	const a, b = `"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}`,
		`"b":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}`
	f.Add([]byte("{"+a+","+b+"}"), uint16(12))
	f.Add([]byte("{"+b+","+a+"}   "), uint16(12))
	f.Add([]byte("{"+a+","+a+"}"), uint16(8))
	f.Add([]byte(`{"__metadata__":{"a":"1","b":""},`+a+"}"), uint16(8))
	for _, change := range [][2]string{
		{"[2]", "[3]"}, {"[2]", "[4294967296,4294967296,2]"}, {"[2]", "[-2]"}, {"[2]", "[2.0]"}, {"[2]",
			"[99999999999999999999]"},
		{"[2]", "[]"}, {"[2]", "[0]"}, {"F32", "F8_E4M3"}, {"F32", "BOOL"}, {"[0,8]", "[0,8,9]"}, {"[0,8]",
			"[8,0]"}, {"dtype", "stype"}, {"a", "\xff"},
		{"[2]", "[" + strings.Repeat("1,", 64) + "2]"},
	} {
		f.Add([]byte("{"+strings.Replace(a, change[0], change[1], 1)+"}"), uint16(8))
	}
	f.Add([]byte("{"+strings.Repeat("[", 500)), uint16(0))
	f.Fuzz(func(t *testing.T, header []byte, body uint16) {
		file := append(append([]byte(le(8, uint64(len(header)))), header...), make([]byte, body)...)
		var state *StateDict
		var err error
		if took := allocated(func() { state, err = decodeSafetensors(file) }); took > 1<<20+100*len(file) {
			t.Errorf("a file of %d bytes made fx allocate %d (%v)", len(file), took, err)
		}
		if err != nil {
			return
		}
		for _, name := range state.Names() {
			tensor, _ := state.Get(name)
			if err := tensor.check(); err != nil {
				t.Errorf("%q: %v", name, err)
			}
			tensor.NonFinite(false)
		}
	})
}
