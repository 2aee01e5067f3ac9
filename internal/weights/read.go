package weights

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"fx/internal/durable"
	"fx/internal/fail"
	"fx/internal/filehash"
)

// The formats that Read supports, as in Info.
const (
	Safetensors = "safetensors"
	torchZip    = "torch zip"    // torch.save since PyTorch 1.6
	torchLegacy = "torch legacy" // torch.save before 1.6, or with _use_new_zipfile_serialization=False
)

// maxFile limits the memory that a file can claim. No backbone comes near it.
const maxFile = 16 << 30

// Info describes the file of weights.
type Info struct {
	Path   string
	Format string // Safetensors, torchZip or torchLegacy
	Inside string // the key of the weights in a checkpoint, such as "state_dict", or ""
	SHA256 string // of the whole file, in lower-case hex; of shards, see Sum
	Bytes  int64
}

// Read returns the tensors of a file, whose content decides its format. It reads the file once, into memory that the
// tensors share, and hashes it meanwhile unless its hash is remembered (package filehash). It finds the weights in
// checkpoints such as {"state_dict": …} and {"model": …}. For an index of shards it reads all of them.
//
// Errors name the file and are of kind fail.Model, or fail.Usage if there is no such file.
func Read(path string) (*StateDict, Info, error) {
	info := Info{Path: path}
	file, err := readAll(path, &info)
	if errors.Is(err, errIndex) {
		ix, err := readIndex(path)
		if err != nil {
			return nil, info, err
		}
		state, err := ix.read(&info)
		return state, info, err
	}
	if err != nil {
		return nil, info, err
	}
	state, err := decode(file, &info)
	if err != nil {
		return nil, info, named(path, err)
	}
	return state, info, nil
}

// named adds the path to an error of a file's content.
func named(path string, err error) error {
	if err != nil && fail.HintOf(err) != "" {
		return fmt.Errorf("%s: %w", path, err)
	}
	return fail.Wrap(fail.Model, err, damagedHint, "%s", path)
}

const damagedHint = "Get the file again: it is damaged, or its name is wrong."

// errIndex means that a file is an index of shards.
var errIndex = errors.New("an index of shards")

// readAll reads and hashes the file in one pass, if its beginning is that of a file of weights.
func readAll(path string, info *Info) ([]byte, error) {
	f, err := durable.OpenToRead(path)
	if errors.Is(err, durable.ErrNotRegular) {
		return nil, fail.New(fail.Usage, "Name the weights file itself.", "%s is not a file", path)
	}
	if err != nil {
		return nil, fail.Wrap(fail.Usage, err, "Check the path of the weights file.", "weights")
	}
	defer func() { _ = f.Close() }() // only read from
	stat, err := f.Stat()
	if err != nil {
		return nil, fail.Wrap(fail.Usage, err, "Check the path of the weights file.", "weights")
	}
	info.Bytes = stat.Size()
	if info.Bytes > maxFile {
		return nil, fail.New(fail.Model, damagedHint, "%s: %d bytes, more than the %d that fx accepts", path,
			info.Bytes, int64(maxFile))
	}
	head := make([]byte, min(info.Bytes, 512))
	if _, err := f.ReadAt(head, 0); err != nil && err != io.EOF {
		return nil, fail.Wrap(fail.Model, err, "", "reading %s", path)
	}
	if isIndex(head, info.Bytes) {
		return nil, errIndex
	}
	if _, err := sniff(head, info.Bytes); err != nil {
		return nil, fail.Wrap(fail.Model, err, damagedHint, "%s", path)
	}
	sum, known := filehash.Known(f)
	file, hash := make([]byte, info.Bytes), sha256.New()
	for rest := file; len(rest) > 0; {
		n := min(len(rest), 1<<20)
		if _, err := io.ReadFull(f, rest[:n]); err != nil {
			return nil, fail.Wrap(fail.Model, err, "The file may have changed meanwhile. Run the command again.",
				"reading %s", path)
		}
		if !known {
			hash.Write(rest[:n])
		}
		rest = rest[n:]
	}
	if !known {
		sum = hex.EncodeToString(hash.Sum(nil))
		filehash.Remember(f, sum)
	} else if again, still := filehash.Known(f); !still || again != sum {
		return nil, fail.New(fail.Model, "Run the command again.", "%s changed while fx read it", path)
	}
	info.SHA256 = sum
	return file, nil
}

// decode fills in Format and Inside of info.
func decode(file []byte, info *Info) (*StateDict, error) {
	format, err := sniff(file[:min(len(file), 512)], int64(len(file)))
	if err != nil {
		return nil, err
	}
	info.Format = format
	if format == Safetensors {
		return decodeSafetensors(file)
	}
	var found *dict
	spare := newBudget(len(file))
	if format == torchZip {
		found, info.Inside, err = decodeZip(file, spare)
	} else {
		found, info.Inside, err = decodeLegacy(file, spare)
	}
	if err != nil {
		return nil, err
	}
	return found.tensors(spare)
}

// sniff returns the format of a file that begins with head.
func sniff(head []byte, size int64) (string, error) {
	if size == 0 {
		return "", fmt.Errorf("an empty file")
	}
	// The first bytes of a safetensors file are a length, which may look like another format: 0x480 begins like a
	// pickle.
	if beginsAsSafetensors(head, size) {
		return Safetensors, nil
	}
	if bytes.HasPrefix(head, []byte("PK\x03\x04")) {
		return torchZip, nil
	}
	if head[0] == opProto && len(head) > 1 && head[1] >= 2 && head[1] <= 5 {
		if first, _, err := unpickle(head, nil, newBudget(len(head))); err == nil && isLegacyMagic(first) {
			return torchLegacy, nil
		}
		return "", fmt.Errorf("a Python pickle, but not one that torch.save wrote")
	}
	for _, known := range strangers {
		if bytes.HasPrefix(head, []byte(known.start)) {
			return "", fmt.Errorf("%s, not weights", known.what)
		}
	}
	text := bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")), " \t\r\n")
	if bytes.HasPrefix(text, []byte("<")) {
		return "", fmt.Errorf("an HTML page, not weights: the download gave an error page or a log-in form")
	}
	if isText(head) {
		return "", fmt.Errorf("a text file, not weights: it begins with %.40q", text)
	}
	return "", fmt.Errorf("neither a safetensors file nor one that torch.save wrote")
}

// beginsAsSafetensors reports whether head is a possible length of a header, then JSON whitespace, which the reference
// implementation skips, and a brace.
func beginsAsSafetensors(head []byte, size int64) bool {
	if len(head) <= 8 {
		return false
	}
	length := binary.LittleEndian.Uint64(head)
	header := bytes.TrimLeft(head[8:], " \t\r\n")
	if len(header) == 0 { // the brace, if any, is beyond head
		return length >= uint64(len(head)-8) && length <= uint64(min(size-8, maxHeader))
	}
	return header[0] == '{' && length <= maxHeader
}

// strangers are files that users mistake for weights.
var strangers = []struct{ start, what string }{
	{"version https://git-lfs.github.com/spec/", "a Git LFS pointer (run git lfs pull)"},
	{"\x1f\x8b", "a gzip archive (unpack it first)"},
	{"\x89HDF\r\n", "an HDF5 (Keras) file"},
	{"GGUF", "a GGUF file"},
	{"PK\x05\x06", "an empty zip archive"},
	{"\x93NUMPY", "a NumPy array"},
	{"\x08\x03\x12", "an ONNX file"}, {"\x08\x04\x12", "an ONNX file"}, {"\x08\x06\x12", "an ONNX file"},
	{"\x08\x07\x12", "an ONNX file"}, {"\x08\x08\x12", "an ONNX file"}, {"\x08\x09\x12", "an ONNX file"},
	{"\x08\x0a\x12", "an ONNX file"},
}

// isText reports whether b, possibly cut within a rune, is readable UTF-8.
func isText(b []byte) bool {
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		if r == utf8.RuneError && n == 1 && len(b) >= utf8.UTFMax || r < ' ' && r != '\t' && r != '\n' && r != '\r' {
			return false
		}
		b = b[n:]
	}
	return true
}
