package onnx

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"google.golang.org/protobuf/proto"

	"fx/internal/durable"
	"fx/internal/fail"
	"fx/internal/onnx/pb"
	"fx/internal/userfile"
)

// Options limit what Load and Parse accept. The zero value suits a user's own file.
type Options struct {
	// FileBytes limits the file without external data; 0 means 2 GiB - 1, protobuf's limit.
	FileBytes int64
	// TotalBytes limits the file with its external data; 0 means 2 GiB - 1, because ONNX Runtime receives everything
	// in one message.
	TotalBytes int64
	// Memory limits the estimated memory of the decoded messages; 0 means 64 MiB and 20 times the file, at most 6 GiB.
	// A small file can hold very many empty messages.
	Memory int64
	// Nodes limits the nodes of all graphs and functions; 0 means 1,000,000.
	Nodes int
	// Tensors limits the tensors of all graphs; 0 means 1,000,000.
	Tensors int
	// Depth limits the nesting of messages and graphs; 0 means 64.
	Depth int
	// Weightless accepts initializers with a type and dimensions but no data, which are filled before the model runs.
	Weightless bool
}

const protobufEnd = 1<<31 - 1 // bytes; protobuf lengths are signed 32-bit numbers

func (o Options) resolved() Options {
	set := func(field *int64, value int64) {
		if *field == 0 {
			*field = value
		}
	}
	set(&o.FileBytes, protobufEnd)
	set(&o.TotalBytes, protobufEnd)
	if o.Nodes == 0 {
		o.Nodes = 1_000_000
	}
	if o.Tensors == 0 {
		o.Tensors = 1_000_000
	}
	if o.Depth == 0 {
		o.Depth = 64
	}
	return o
}

const badFileHint = "Export the network again, or check that the copy of the file is complete and its source " +
	"trustworthy."

// Load reads and validates the ONNX file at path, external data included, with the default Options. Errors are of kind
// fail.Model, or fail.Usage if there is no such file.
func Load(path string) (*pb.ModelProto, error) { return LoadWith(path, Options{}) }

// LoadWith is Load with options.
func LoadWith(path string, options Options) (*pb.ModelProto, error) {
	options = options.resolved()
	data, err := readFile(path, options.FileBytes)
	if err != nil {
		return nil, err
	}
	m, err := decode(data, options)
	if err == nil {
		left := options.TotalBytes - int64(len(data))
		data = nil // the decoded messages contain copies
		err = inlineExternal(m, filepath.Dir(path), left)
	}
	if err == nil {
		err = vet(m, options)
	}
	if err != nil {
		hint := badFileHint
		if missing := (missingFile{}); errors.As(err, &missing) {
			hint = fmt.Sprintf("Copy %s into the folder of the ONNX file: the export wrote the weights there.",
				missing.location)
		}
		return nil, fail.Wrap(fail.Model, err, hint, "ONNX file %s", path)
	}
	return m, nil
}

// Parse decodes and validates a model in memory; name is its name in errors. External data is refused, because there
// is no folder to look in.
func Parse(data []byte, name string) (*pb.ModelProto, error) {
	return ParseWith(data, name, Options{})
}

// ParseWith is Parse with options.
func ParseWith(data []byte, name string, options Options) (*pb.ModelProto, error) {
	options = options.resolved()
	m, err := decode(data, options)
	if err == nil {
		err = vet(m, options)
	}
	if err != nil {
		return nil, fail.Wrap(fail.Model, err, badFileHint, "ONNX model %s", name)
	}
	return m, nil
}

// readFile returns the content of the file at path, of at most limit bytes.
func readFile(path string, limit int64) ([]byte, error) {
	data, err := userfile.Read(path, limit)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, fail.Wrap(fail.Usage, err, "Check the path.", "ONNX file")
	case errors.Is(err, durable.ErrNotRegular):
		return nil, fail.New(fail.Model, "Give the path of the .onnx file itself.",
			"ONNX file %s is not a regular file", path)
	case errors.Is(err, userfile.ErrTooLarge):
		return nil, fail.New(fail.Model, "Export the network with its weights as external data in the same folder, "+
			"or use a smaller one.",
			"ONNX file %s has more than the %d bytes accepted", path, limit)
	}
	return data, fail.Wrap(fail.Model, err, "Check the path and its permissions.", "ONNX file")
}

func decode(data []byte, options Options) (*pb.ModelProto, error) {
	if len(data) == 0 {
		return nil, errors.New("is empty")
	}
	if int64(len(data)) > options.FileBytes {
		return nil, fmt.Errorf("has %d bytes, more than the %d accepted", len(data), options.FileBytes)
	}
	if options.Memory == 0 {
		options.Memory = min(6<<30, 64<<20+20*int64(len(data)))
	}
	m := &pb.ModelProto{}
	if err := surveyWire(data, m.ProtoReflect().Descriptor(), options); err != nil {
		return nil, err
	}
	if err := proto.Unmarshal(data, m); err != nil {
		return nil, fmt.Errorf("is not an ONNX model: %w", err)
	}
	return m, nil
}
