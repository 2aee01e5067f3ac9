package outpath

import (
	"bytes"
	"encoding/binary"
)

// The kinds of files that commands write where --out tells them.
var (
	// the field ir_version, which writers put first
	ONNX                = &File{"an ONNX file", beginsWith("\x08"), isOwnONNX}
	Weights             = &File{"a safetensors file of weights", isSafetensors, isOwnWeights}
	FeaturesSafetensors = &File{"a safetensors file of features", isSafetensors, isOwnFeatures}
	PNG                 = &File{"a PNG picture", beginsWith("\x89PNG\r\n\x1a\n"), isOwnPNG}
	HTML                = &File{"an HTML page", isHTML, isOwnHTML}
	Parquet             = &File{"a Parquet file", beginsWith("PAR1"), isOwnParquet}
	FeaturesTable       = &File{"a table of features", beginsWith("path,sha256,split,class,label,view"), nil}
	Parts               = &File{"a plan of parts", beginsWith(`{"fx_part":`), nil}
	LRTable             = &File{"a table of learning rates", beginsWith("step,lr,loss,smoothed_loss"), nil}
)

// endBytes is how much of a file's beginning and end is looked at: what fx writes
// there may follow the names of a thousand classes.
const endBytes = 1 << 17

func beginsWith(magic string) func([]byte) bool {
	return func(head []byte) bool { return bytes.HasPrefix(head, []byte(magic)) }
}

// isSafetensors: the length of the header in 8 bytes, and a JSON object.
func isSafetensors(head []byte) bool {
	const largest = 100 << 20 // as the format's own reader allows
	return len(head) > 8 && binary.LittleEndian.Uint64(head) <= largest &&
		bytes.HasPrefix(bytes.TrimLeft(head[8:], " "), []byte("{"))
}

func isHTML(head []byte) bool {
	text := bytes.ToLower(bytes.TrimSpace(bytes.TrimPrefix(head, []byte("\ufeff"))))
	return bytes.HasPrefix(text, []byte("<!doctype html")) || bytes.HasPrefix(text, []byte("<html"))
}

// isOwnONNX: producer_name, the second field of a network that fx assembled, or the key
// of a metadata entry, which end a file: that of a classifier on a user's own network.
func isOwnONNX(head, tail []byte) bool {
	const producer, metadata = "\x12\x02fx", "\x0a\x0dfx.provenance"
	return len(head) > 2 && bytes.HasPrefix(head[2:], []byte(producer)) || bytes.Contains(tail, []byte(metadata))
}

// isOwnWeights: metadata, which come first, with the network's name.
func isOwnWeights(head, _ []byte) bool {
	return bytes.HasPrefix(head[8:], []byte(`{"__metadata__":{"fx.backbone":`))
}

// isOwnFeatures: metadata with the classes and the store's manifest.
func isOwnFeatures(head, _ []byte) bool {
	return bytes.HasPrefix(head[8:], []byte(`{"__metadata__":{"classes":`)) &&
		bytes.Contains(head, []byte(`"manifest":"{\"format_version\"`))
}

// isOwnPNG: the text that internal/chart writes before the pixels.
func isOwnPNG(head, _ []byte) bool { return bytes.Contains(head, []byte("tEXtSoftware\x00fx")) }

// isOwnHTML: the name of the generator or, in a page of an older fx, what it may load.
func isOwnHTML(head, _ []byte) bool {
	const older = `content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"`
	return bytes.Contains(head, []byte(`<meta name="generator" content="fx">`)) || bytes.Contains(head, []byte(older))
}

// isOwnParquet: the key of a metadata entry in the footer.
func isOwnParquet(_, tail []byte) bool { return bytes.Contains(tail, []byte("fx.feature_shape")) }
