package modeldir_test

import (
	"reflect"
	"testing"

	"fx/internal/flipbits"
	"fx/internal/modeldir"
)

// No flipped bit of a MODEL is read as another one.
func TestNoFlippedBitMakesAnotherModel(t *testing.T) {
	dir := t.TempDir()
	m, p := example("linear")
	if err := modeldir.Save(dir, m, p); err != nil {
		t.Fatal(err)
	}
	m, p, err := modeldir.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	refused := 0
	n := flipbits.EachFile(t, dir, 1, func(damaged string) {
		gotModel, gotParams, err := modeldir.Load(dir)
		if err != nil {
			refused++
		} else if !reflect.DeepEqual(gotModel, m) || !reflect.DeepEqual(gotParams, p) {
			t.Errorf("%s: opens as %+v %+v", damaged, gotModel, gotParams)
		}
	})
	if refused < n*9/10 {
		t.Errorf("%d of %d flipped bits are seen", refused, n)
	}
}
