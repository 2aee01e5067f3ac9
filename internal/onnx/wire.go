package onnx

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Approximate sizes in memory of decoded values, each of which may take only two bytes in the file.
const (
	messageBytes = 256 // of NodeProto and AttributeProto, the largest common messages, with a pointer to it
	stringBytes  = 16
	varintBytes  = 8
)

var errNotProtobuf = errors.New("is not an ONNX model: its bytes are not a protobuf message")

// surveyWire walks the encoded message without decoding it, and refuses messages that nest too deeply or would take
// too much memory when decoded.
func surveyWire(data []byte, message protoreflect.MessageDescriptor, options Options) error {
	s := survey{left: options.Memory, depth: options.Depth}
	return s.message(data, message, 0)
}

// survey is the state of surveyWire.
type survey struct {
	left  int64 // bytes of memory that may still be needed
	depth int   // largest depth of messages
}

func (s *survey) message(data []byte, message protoreflect.MessageDescriptor, depth int) error {
	if depth > s.depth {
		return fmt.Errorf("nests its messages more than %d deep", s.depth)
	}
	fields := message.Fields()
	for len(data) > 0 {
		number, wire, n := protowire.ConsumeTag(data)
		if n < 0 {
			return errNotProtobuf
		}
		data = data[n:]
		field := fields.ByNumber(number)
		if wire != protowire.BytesType {
			n := protowire.ConsumeFieldValue(number, wire, data)
			if n < 0 {
				return errNotProtobuf
			}
			data = data[n:]
			if err := s.spend(varintBytes); err != nil {
				return err
			}
			continue
		}
		content, n := protowire.ConsumeBytes(data)
		if n < 0 {
			return errNotProtobuf
		}
		data = data[n:]
		cost := int64(stringBytes + len(content))
		inner := field != nil && field.Kind() == protoreflect.MessageKind
		switch {
		case inner:
			cost = messageBytes
		case field != nil && isVarint(field.Kind()): // packed
			cost = varintBytes * int64(len(content))
		}
		if err := s.spend(cost); err != nil {
			return err
		}
		if inner {
			if err := s.message(content, field.Message(), depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *survey) spend(cost int64) error {
	if s.left -= cost; s.left < 0 {
		return errors.New("would take more memory than is accepted once decoded")
	}
	return nil
}

func isVarint(kind protoreflect.Kind) bool {
	switch kind {
	case protoreflect.Int32Kind, protoreflect.Int64Kind, protoreflect.Uint64Kind, protoreflect.EnumKind:
		return true
	}
	return false
}
