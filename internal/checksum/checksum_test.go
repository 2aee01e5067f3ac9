package checksum_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"fx/internal/checksum"
)

type document struct {
	FormatVersion int               `json:"format_version"`
	Name          string            `json:"name"`
	Rates         []float64         `json:"rates"`
	Versions      map[string]string `json:"versions"`
}

var example = document{1, "größe <a> & b", []float64{0.1, 1e-7, 3}, map[string]string{"go": "1.26", "fx": "dev"}}

func marshal(t *testing.T) []byte {
	t.Helper()
	text, err := checksum.Marshal(example)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// Of all documents that differ in one bit none is taken for the one that was
// written unless it says the same.
func TestEveryFlippedBitIsFoundOrChangesNothing(t *testing.T) {
	text := marshal(t)
	flipped, silent := 0, 0
	for i := range text {
		for bit := range 8 {
			mutant := bytes.Clone(text)
			mutant[i] ^= 1 << bit
			flipped++
			var got document
			if checksum.Verify("d.json", mutant) != nil || json.Unmarshal(mutant, &got) != nil {
				continue
			}
			silent++
			if !reflect.DeepEqual(got, example) {
				t.Errorf("byte %d bit %d: opens as %+v", i, bit, got)
			}
		}
	}
	if most := 8 * len(checksum.Field); silent > most {
		t.Errorf("%d of %d mutants open, more than the %d of the field's name", silent, flipped, most)
	}
}

func TestVerify(t *testing.T) {
	text := string(marshal(t))
	var compact bytes.Buffer
	if err := json.Compact(&compact, []byte(text)); err != nil {
		t.Fatal(err)
	}
	without := text[:strings.LastIndex(text, ",")] + "\n}\n"
	for name, c := range map[string]struct {
		text    string
		changed bool
	}{
		"as written":           {text, false},
		"laid out anew":        {compact.String(), false},
		"of an older fx":       {without, false},
		"no JSON":              {"{", false},
		"an edited name":       {strings.Replace(text, "größe", "groesse", 1), true},
		"a member more":        {strings.Replace(text, "{\n", "{\n \"more\": 1,\n", 1), true},
		"a name in upper case": {strings.Replace(text, `"rates"`, `"Rates"`, 1), true},
		"a name twice":         {strings.Replace(text, `"rates"`, `"name": "x", "rates"`, 1), true},
		"no text as checksum":  {without[:len(without)-3] + `, "content_sha256": 7}`, true},
	} {
		err := checksum.Verify("d.json", []byte(c.text))
		if (err != nil) != c.changed || err != nil && !strings.Contains(err.Error(),
			"d.json was changed after fx wrote it") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestMarshalRefusesWhatHasNoPlaceForIt(t *testing.T) {
	for _, v := range []any{[]int{1}, map[string]int{}, 3, map[string]string{checksum.Field: "x"}, func() {}} {
		if text, err := checksum.Marshal(v); err == nil {
			t.Errorf("%v: %s", v, text)
		}
	}
}

func ExampleVerify() {
	text, err := checksum.Marshal(map[string]any{"classes": []string{"ants", "bees"}})
	if err != nil {
		panic(err)
	}
	fmt.Println(checksum.Verify("model.json", text))
	fmt.Println(checksum.Verify("model.json", bytes.Replace(text, []byte("bees"), []byte("beet"), 1)))
	// Output:
	// <nil>
	// model.json was changed after fx wrote it: its content does not match its content_sha256
}
