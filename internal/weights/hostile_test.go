package weights

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fx/internal/fail"
)

// zipOf makes an archive as torch.save lays it out, with the pickle and one storage "0".
func zipOf(t testing.TB, pickle, storage string, change func(*zip.FileHeader)) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, e := range []struct{ name, content string }{{"x/data.pkl", pickle}, {"x/data/0", storage}} {
		header := &zip.FileHeader{Name: e.name, Method: zip.Store}
		if change != nil {
			change(header)
		}
		f, err := w.CreateHeader(header)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write([]byte(e.content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// Pieces of pickles, in the opcodes of pickletools.
func str(s string) string { return "X" + le(4, uint64(len(s))) + s }
func num(n uint64) string { return "\x8a\x08" + le(8, n) }
func le(n int, v uint64) string {
	return string(binary.LittleEndian.AppendUint64(nil, v)[:n])
}
func floatStorage(numel uint64) string {
	return "(" + str("storage") + "ctorch\nFloatStorage\n" + str("0") + str("cpu") + num(numel) + "tQ"
}
func rebuilt(storage string, offset uint64, shape, stride string) string {
	return "ctorch._utils\n_rebuild_tensor_v2\n(" + storage + num(offset) + shape + stride + "\x89}tR"
}
func stateWith(tensor string) string { return "\x80\x02}" + str("w") + tensor + "s." }

const four = "\x00\x00\x80?\x00\x00\x00@\x00\x00@@\x00\x00\x80@" // 1, 2, 3, 4

func TestHandmadePickleIsRead(t *testing.T) { // else the tests below could pass for the wrong reason
	for name, tensor := range map[string]string{
		"v2": rebuilt(floatStorage(4), 1, "(K\x03t", "(K\x01t"),
		"v1": "ctorch._utils\n_rebuild_tensor\n(" + floatStorage(4) + "K\x01(K\x03t(K\x01ttR",
		"from Python 2": "ctorch.nn.parameter\nParameter\n(" + rebuilt(floatStorage(4), 1, "(K\x03t", "(K\x01t") +
			"tR(\x88\x89Ntb",
		"by NEWOBJ": "ctorch.nn.parameter\nParameter\n(" + rebuilt(floatStorage(4), 1, "(K\x03t", "(K\x01t") +
			"t\x81",
		"Python 2 sizes": rebuilt(floatStorage(4), 1, "(I3\nt", "(I01\nt"),
	} {
		state, err := decode(zipOf(t, stateWith(tensor), four, nil), &Info{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		w, _ := state.Get("w")
		if got, _ := w.Float32s(); fmt.Sprint(got) != "[2 3 4]" {
			t.Errorf("%s: %v", name, got)
		}
	}
	pairs := "\x80\x02ccollections\nOrderedDict\n](" + str("w") + rebuilt(floatStorage(4), 0, "(t", "(t") + "e"
	pairs = strings.Replace(pairs, "](", "]](", 1) + "a\x85R." // OrderedDict([["w", tensor]])
	if state, err := decode(zipOf(t, pairs, four, nil), &Info{}); err != nil || state.Len() != 1 {
		t.Errorf("an OrderedDict from Python 2: %v", err)
	}
}

// hostilePickles are refused, each with a word of why.
var hostilePickles = map[string]struct{ pickle, want string }{
	"os.system":              {"\x80\x02cos\nsystem\n" + str("echo") + "\x85R.", `"os.system"`},
	"posix.system on stack":  {"\x80\x04" + str("posix") + str("system") + "\x93.", `"posix.system"`},
	"builtins.eval in dict":  {stateWith("c__builtin__\neval\n"), `"__builtin__.eval"`},
	"a method of torch":      {stateWith("ctorch.hub\nload\n"), `"torch.hub.load"`},
	"a path of attributes":   {"\x80\x04" + str("torch") + str("Size.__init__") + "\x93.", `"torch.Size.__init__"`},
	"a storage called":       {stateWith("ctorch\nFloatStorage\nK\x04\x85R"), `"torch.FloatStorage.__call__"`},
	"INST":                   {"\x80\x02(ios\nsystem\n.", "which no weights need"},
	"NEWOBJ_EX":              {"\x80\x04ccollections\nOrderedDict\n)}\x92.", "which no weights need"},
	"an extension registry":  {"\x80\x02\x82\x01.", "which no weights need"},
	"a text persistent id":   {"\x80\x02Pabc\n.", "which no weights need"},
	"a module by id":         {stateWith("(" + str("module") + "K\x01K\x02K\x03tQ"), "Module"},
	"an id that is a string": {stateWith(str("storage") + "Q"), "persistent id"},
	"an unknown storage": {stateWith("(" + str("storage") + "ctorch\nint8\n" + str("0") + str("cpu") + "K\x04tQ"),
		"impossible type, key or length"},
	"a negative length": {stateWith("(" + str("storage") + "ctorch\nFloatStorage\n" + str("0") + str("cpu") +
		"J\xff\xff\xff\xfftQ"), "impossible type, key or length"},
	"a storage too long":  {stateWith(rebuilt(floatStorage(5), 0, "(K\x02t", "(K\x01t")), "16 bytes"},
	"a storage too short": {stateWith(rebuilt(floatStorage(3), 0, "(K\x02t", "(K\x01t")), "16 bytes"},
	"a huge storage": {stateWith(rebuilt(floatStorage(1<<62), 0, "(K\x02t", "(K\x01t")),
		"impossible type, key or length"},
	"a shape outside":       {stateWith(rebuilt(floatStorage(4), 0, "(K\x05t", "(K\x01t")), "outside"},
	"an offset outside":     {stateWith(rebuilt(floatStorage(4), 2, "(K\x03t", "(K\x01t")), "outside"},
	"an offset far outside": {stateWith(rebuilt(floatStorage(4), 1<<63, "(K\x03t", "(K\x01t")), "outside"},
	"strides outside":       {stateWith(rebuilt(floatStorage(4), 0, "(K\x02K\x02t", "(K\x03K\x01t")), "outside"},
	"a stride overflows": {stateWith(rebuilt(floatStorage(4), 0, "("+num(3)+"t", "("+num(1<<62)+"t")),
		"not a size"},
	"a negative stride": {stateWith(rebuilt(floatStorage(4), 3, "(K\x02t", "("+num(1<<64-1)+"t")), "not a size"},
	"a shape overflows": {stateWith(rebuilt(floatStorage(4), 0, "("+num(1<<40)+num(1<<40)+"t", "(K\x00K\x00t")),
		"impossible"},
	"a view that explodes": {stateWith(rebuilt(floatStorage(4), 0, "("+num(1<<40)+"t", "(K\x00t")),
		"far more memory"},
	"sizes without strides": {stateWith(rebuilt(floatStorage(4), 0, "(K\x02t", "(t")), "strides"},
	"a shape of strings":    {stateWith(rebuilt(floatStorage(4), 0, "("+str("a")+"t", "(K\x01t")), "not a size"},
	"65 dimensions": {stateWith(rebuilt(floatStorage(4), 0, "("+strings.Repeat("K\x01", 65)+"t", "(t")),
		"65 dimensions"},
	"a conjugated tensor": {stateWith("ctorch._utils\n_rebuild_tensor_v2\n(" + floatStorage(4) +
		"K\x00(t(t\x89}}" + str("neg") + "\x88stR"), "negated"},
	"a list as a key":       {"\x80\x02}]K\x01s.", "as a key"},
	"attributes on a list":  {"\x80\x02]}b.", "attributes set on a list"},
	"an empty stack":        {"\x80\x02.", "missing"},
	"a missing mark":        {"\x80\x02K\x01t.", "mark"},
	"a mark as a value":     {"\x80\x02(\x85.", "missing"},
	"an empty memo":         {"\x80\x02h\x07.", "never filled"},
	"two values":            {"\x80\x02K\x01K\x01.", "left over"},
	"text after the end":    {stateWith(rebuilt(floatStorage(4), 0, "(t", "(t")) + "K", "after the end"},
	"protocol 6":            {"\x80\x06N.", "protocol 6"},
	"a number of 255 bytes": {"\x80\x02\x8a\xff" + strings.Repeat("\x01", 255) + ".", "255 bytes"},
	"a string past the end": {"\x80\x02X\xff\xff\xff\xffabc.", "truncated"},
	"bytes past the end":    {"\x80\x04\x8e" + le(8, 1<<63) + "abc.", "truncated"},
	"a frame past the end":  {"\x80\x04\x95" + le(8, 1<<40) + "N.", "truncated"},
	"an endless name":       {"\x80\x02c" + strings.Repeat("a", 5000), "too long"},
	"marks without end":     {"\x80\x02" + strings.Repeat("(", 5000) + ".", "too deep"},
	"no end":                {"\x80\x02N", "truncated"},
	"a number":              {"\x80\x02K\x07.", "contains an int"},
	"a tensor without name": {"\x80\x02}" + str("state_dict") + "}K\x01" + rebuilt(floatStorage(4), 0, "(t", "(t") +
		"ss.", "not a string"},
}

func TestHostilePicklesAreRefused(t *testing.T) {
	for name, c := range hostilePickles {
		_, err := decode(zipOf(t, c.pickle, four, nil), &Info{})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %q", name, err, c.want)
		}
	}
}

// A dict inside itself, and one whose 64 levels of shared dicts have 9^64 paths.
func TestTangledDictsEnd(t *testing.T) {
	level := "q\x000}("
	for _, w := range wrappers {
		level += str(w) + "h\x00"
	}
	for name, pickle := range map[string]string{
		"loop":   "\x80\x02}q\x00" + str("model") + "h\x00s.",
		"levels": "\x80\x02}" + strings.Repeat(level+"u", 64) + ".",
	} {
		if _, err := decode(zipOf(t, pickle, four, nil), &Info{}); err == nil ||
			!strings.Contains(err.Error(), "no tensors") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestHostileZips(t *testing.T) {
	pickle := stateWith(rebuilt(floatStorage(4), 0, "(K\x04t", "(K\x01t"))
	good := zipOf(t, pickle, four, nil)
	if _, err := decode(good, &Info{}); err != nil {
		t.Fatal(err)
	}
	damaged := bytes.Replace(good, []byte(four), []byte(strings.Repeat("z", 16)), 1)
	zeros := strings.Repeat("\x00", 70<<20)
	for name, c := range map[string]struct {
		file []byte
		want string
	}{
		"a flipped storage": {damaged, "checksum"},
		"a bomb": {zipOf(t, stateWith(rebuilt(floatStorage(uint64(len(zeros)/4)), 0, "(t", "(t")), zeros,
			func(h *zip.FileHeader) { h.Method = zip.Deflate }), "far more memory"},
		"no pickle": {zipOf(t, pickle, four, func(h *zip.FileHeader) { h.Name += "x" }), "no data.pkl"},
		"twice a name": {zipOf(t, pickle, four, func(h *zip.FileHeader) {
			h.Name = "x/data.pkl"
		}), "two entries"},
		"two pickles": {zipOf(t, pickle, four, func(h *zip.FileHeader) {
			h.Name = strings.Replace(h.Name, "x/data/0", "y/data.pkl", 1)
		}), "two data.pkl"},
		"no storage": {zipOf(t, pickle, four, func(h *zip.FileHeader) {
			h.Name = strings.Replace(h.Name, "/0", "/1", 1)
		}), "missing"},
		"an encrypted entry": {zipOf(t, pickle, four, func(h *zip.FileHeader) { h.Flags |= 1 }), "encrypted"},
		"TorchScript": {zipOf(t, pickle, four, func(h *zip.FileHeader) {
			h.Name = strings.Replace(h.Name, "data/0", "constants.pkl", 1)
		}), "TorchScript"},
	} {
		if _, err := decode(c.file, &Info{}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %q", name, err, c.want)
		}
	}
}

// legacyOf makes a file of the old format with one storage.
func legacyOf(object, keys, storages string) []byte {
	return []byte("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19." + "\x80\x02M\xe9\x03." + "\x80\x02}." +
		object + keys + storages)
}

func TestHostileLegacyFiles(t *testing.T) {
	storage := func(window string) string {
		return "(" + str("storage") + "ctorch\nFloatStorage\n" + str("0") + str("cpu") + "K\x04" + window + "tQ"
	}
	object := func(window, shape string) string {
		return stateWith(rebuilt(storage(window), 0, "(K"+shape+"t", "(K\x01t"))
	}
	keys, data := "\x80\x02]"+str("0")+"a.", le(8, 4)+four
	window := "(" + str("v") + "K\x01K\x02t"
	state, err := decode(legacyOf(object(window, "\x02"), keys, data), &Info{})
	if err != nil {
		t.Fatal(err)
	}
	w, _ := state.Get("w")
	if got, _ := w.Float32s(); fmt.Sprint(got) != "[2 3]" {
		t.Errorf("a window shows %v", got)
	}
	for name, c := range map[string]struct {
		file []byte
		want string
	}{
		"a window past the end":    {legacyOf(object("("+str("v")+"K\x03K\x02t", "\x02"), keys, data), "outside"},
		"a view past its window":   {legacyOf(object(window, "\x03"), keys, data), "outside"},
		"a length of 2^63":         {legacyOf(object("N", "\x04"), keys, le(8, 1<<63)+four), "elements"},
		"a length that differs":    {legacyOf(object("N", "\x04"), keys, le(8, 5)+four), "elements"},
		"a storage cut off":        {legacyOf(object("N", "\x04"), keys, data[:23]), "truncated"},
		"a storage that is absent": {legacyOf(object("N", "\x04"), "\x80\x02].", ""), "missing"},
		"a storage twice": {legacyOf(object("N", "\x04"), "\x80\x02]("+str("0")+str("0")+"e.", data+data),
			"twice"},
		"an unknown storage":    {legacyOf(object("N", "\x04"), "\x80\x02]"+str("9")+"a.", data), "not one of"},
		"keys that are numbers": {legacyOf(object("N", "\x04"), "\x80\x02]K\x00a.", data), "not one of"},
		"more bytes":            {legacyOf(object("N", "\x04"), keys, data+"x"), "after its last"},
		"a global in its header": {[]byte(strings.Replace(string(legacyOf(object("N", "\x04"), keys, data)),
			"M\xe9\x03.", "cos\nsystem\n.", 1)), `"os.system"`},
		"another version": {[]byte(strings.Replace(string(legacyOf(object("N", "\x04"), keys, data)),
			"M\xe9\x03", "M\xe8\x03", 1)), "1001"},
	} {
		if _, err := decode(c.file, &Info{}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %q", name, err, c.want)
		}
	}
}

func TestHostileSafetensors(t *testing.T) {
	file := func(header string, body int) []byte {
		return append(append([]byte(le(8, uint64(len(header)))), header...), make([]byte, body)...)
	}
	const a, b = `"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}`,
		`"b":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}`
	for _, header := range []string{"{" + a + "," + b + "}", "{" + b + "," + a + "}   "} {
		if _, err := decode(file(header, 12), &Info{}); err != nil {
			t.Errorf("%s: %v", header, err)
		}
	}
	for name, c := range map[string]struct {
		file []byte
		want string
	}{
		"a header past the end": {file("{"+a+"}", 8)[:20], "truncated"},
		"a header of 2^63":      {append([]byte(le(8, 1<<63)), '{'), "neither"},
		"data cut off":          {file("{"+a+"}", 7), "truncated"},
		"data too long":         {file("{"+a+"}", 9), "after the last"},
		"a gap":                 {file("{"+b+"}", 12), "begins at byte 8"},
		"an overlap":            {file("{"+a+","+strings.Replace(b, "[8,12]", "[4,8]", 1)+"}", 8), "begins at byte 4"},
		"an end before a start": {file("{"+a+","+strings.Replace(b, "[8,12]", "[8,4]", 1)+"}", 8),
			"is at bytes 8 to 4"},
		"a name twice":          {file("{"+a+","+a+"}", 8), "twice"},
		"a length that differs": {file("{"+strings.Replace(a, "[2]", "[3]", 1)+"}", 8), "needs 12 bytes"},
		"a shape that overflows": {file("{"+strings.Replace(a, "[2]", "[4294967296,4294967296,2]", 1)+"}", 8),
			"impossible"},
		"a negative size":        {file("{"+strings.Replace(a, "[2]", "[-2]", 1)+"}", 8), "not a size"},
		"a size with a fraction": {file("{"+strings.Replace(a, "[2]", "[2.0]", 1)+"}", 8), "not a size"},
		"a size past int64": {file("{"+strings.Replace(a, "[2]", "[99999999999999999999]", 1)+"}", 8),
			"not a size"},
		"65 dimensions": {file("{"+strings.Replace(a, "[2]", "["+strings.Repeat("1,", 64)+"2]", 1)+"}", 8),
			"more than 64"},
		"an unknown type":      {file("{"+strings.Replace(a, "F32", "F8_E4M3", 1)+"}", 8), "F8_E4M3"},
		"a missing key":        {file(`{"a":{"dtype":"F32","shape":[2]}}`, 8), "is missing"},
		"a key twice":          {file(`{"a":{"dtype":"F32","dtype":"F32","shape":[2]}}`, 8), "twice"},
		"an unknown key":       {file(`{"a":{"stype":"F32"}}`, 8), "unknown key"},
		"three offsets":        {file("{"+strings.Replace(a, "[0,8]", "[0,8,9]", 1)+"}", 8), "more than 2"},
		"one offset":           {file("{"+strings.Replace(a, "[0,8]", "[0]", 1)+"}", 8), "two numbers"},
		"metadata of numbers":  {file(`{"__metadata__":{"a":1}}`, 0), "string"},
		"metadata twice a key": {file(`{"__metadata__":{"a":"1","a":"2"}}`, 0), "twice"},
		"two documents":        {file("{"+a+"}{}", 8), "JSON"},
		"a broken name":        {file("{"+strings.Replace(a, "a", "\xff", 1)+"}", 8), "JSON"},
		"a deep document":      {file("{"+strings.Repeat("[", 50_000), 0), "JSON"},
	} {
		if _, err := decode(c.file, &Info{}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %q", name, err, c.want)
		}
	}
}

func TestOtherFilesAreNamed(t *testing.T) {
	for content, want := range map[string]string{
		"":                         "empty",
		"\n <!DOCTYPE html><html>": "an HTML page",
		"\xef\xbb\xbf<html>":       "an HTML page",
		"404: Not Found\n":         "a text file, not weights: it begins with \"404: Not Found\\n\"",
		"version https://git-lfs.github.com/spec/v1\noid sha256:0": "git lfs pull",
		"\x1f\x8b\x08\x00":        "gzip",
		"\x80\x04K\x01.":          "a Python pickle, but not one",
		"\x08\x08\x12\x07pytorch": "an ONNX file",
		"\x89HDF\r\n\x1a\n":       "Keras",
		"\x00\x01\x02\x03binary":  "neither",
	} {
		path := filepath.Join(t.TempDir(), "resnet18.pth")
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		_, _, err := Read(path)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%q: error %v, want one with %q and the path", content, err, want)
		}
		if fail.KindOf(err) != fail.Model || fail.HintOf(err) == "" {
			t.Errorf("%q: kind %d, hint %q", content, fail.KindOf(err), fail.HintOf(err))
		}
	}
	for _, path := range []string{filepath.Join(t.TempDir(), "absent.pth"), t.TempDir()} {
		if _, _, err := Read(path); fail.KindOf(err) != fail.Usage || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestWholeObjectsAreRefused(t *testing.T) {
	for name, want := range map[string]string{
		"module.zip.refused":    `"torch.nn.modules.linear.Linear"`,
		"module.legacy.refused": `"torch.nn.modules.linear.Linear"`,
		"tensor.refused":        "contains a tensor",
		"numbers.refused":       `whose keys are "epoch", "loss"`,
	} {
		path := filepath.Join("testdata", name)
		_, _, err := Read(path)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) ||
			fail.KindOf(err) != fail.Model {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestUnwritableStates(t *testing.T) {
	for name, tensor := range map[string]Tensor{
		"__metadata__": FromFloat32(nil, []float32{1}),
		"\xff":         FromFloat32(nil, []float32{1}),
		"short":        {DType: F32, Shape: []int{2}, Data: make([]byte, 4)},
		"odd":          {DType: "F8", Shape: []int{1}, Data: make([]byte, 1)},
	} {
		state := NewStateDict()
		state.Set(name, tensor)
		path := filepath.Join(t.TempDir(), "out")
		if err := WriteSafetensors(path, state); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%q: %v", name, err)
		}
	}
	if err := WriteSafetensors(filepath.Join(t.TempDir(), "no", "folder"), NewStateDict()); err == nil {
		t.Error("wrote into a folder that does not exist")
	}
}
