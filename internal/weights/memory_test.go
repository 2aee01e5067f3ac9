package weights

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// allocated returns how many bytes do allocates, those that are freed meanwhile counted.
func allocated(do func()) int {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	do()
	runtime.ReadMemStats(&after)
	return int(after.TotalAlloc - before.TotalAlloc)
}

// allowed is what reading a file of size bytes may allocate, the file itself not
// counted: the budget and what it leaves out, such as the directory of a zip
// archive. Slices that grow count with all that they were before.
func allowed(size int) int { return 200<<20 + 16*size }

// A small pickle can ask for very many objects: the memory that they take is
// bounded by the file's size.
func TestPickleBombsTakeLittleMemory(t *testing.T) {
	const n = 2 << 20
	repeat := func(s string) string { return strings.Repeat(s, n/len(s)) }
	numbered := func(format string) string {
		var b strings.Builder
		for i := 0; b.Len() < n; i++ {
			fmt.Fprintf(&b, format, le(4, uint64(i)))
		}
		return b.String()
	}
	list := "\x80\x02](" + repeat("((K\x01]e") + "."
	bombs := map[string]string{
		"dicts":            "\x80\x02](" + repeat("}") + "e.",
		"dicts one by one": "\x80\x02]" + repeat("}a") + ".",
		"dicts of one":     "\x80\x02]" + repeat("}K\x01K\x01sa") + ".",
		"lists":            "\x80\x02](" + repeat("]") + "e.",
		"tuples":           "\x80\x02](" + repeat("N\x85") + "e.",
		"memo":             "\x80\x04]" + repeat("\x94") + ".",
		"memo by number":   "\x80\x02]" + numbered("r%s") + ".",
		"copies":           "\x80\x02]" + repeat("2") + ".",
		"marks":            "\x80\x02]" + repeat("(0") + ".",
		"marks and lists":  list,
		"numbers":          "\x80\x02](" + repeat("K\x01") + "e.",
		"keys":             "\x80\x02}(" + numbered("J%sN") + "u.",
		"empty strings":    "\x80\x02](" + repeat("U\x00") + "e.",
		"ordered dicts":    "\x80\x02](" + repeat("ccollections\nOrderedDict\n)R") + "e.",
		"the same list's ordered dicts": "\x80\x02](" + numbered("(J%sNl") + "eq\x00ccollections\nOrderedDict\nq\x01" +
			repeat("h\x01h\x00\x85R") + ".",
		"tensors": "\x80\x02](" + floatStorage(4) + "q\x00ctorch._utils\n_rebuild_tensor\nq\x01(K\x01tq\x02" +
			repeat("h\x01(h\x00K\x00h\x02h\x02tR") + "e.",
	}
	for name, pickle := range bombs {
		file := zipOf(t, pickle, four, nil)
		var err error
		took := allocated(func() { _, err = decode(file, &Info{}) })
		if err == nil || took > allowed(len(file)) {
			t.Errorf("%s: a file of %d MB made fx allocate %d MB (%v)", name, len(file)>>20, took>>20, err)
		}
		t.Logf("%s: %d MB (%v)", name, took>>20, err)
	}
}

// What a training script keeps beside its weights is far from the bound.
func TestACheckpointWithALongHistoryIsRead(t *testing.T) {
	history := "](" + strings.Repeat("G\x3f\xf0\x00\x00\x00\x00\x00\x00", 500_000) + "e"
	pickle := "\x80\x02}(" + str("losses") + history + str("state_dict") + "}" + str("w") +
		rebuilt(floatStorage(4), 0, "(K\x04t", "(K\x01t") + "su."
	if state, err := decode(zipOf(t, pickle, four, nil), &Info{}); err != nil || state.Len() != 1 {
		t.Error(err)
	}
}
