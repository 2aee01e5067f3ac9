package onnx

import (
	"cmp"
	"slices"

	"google.golang.org/protobuf/proto"

	"fx/internal/onnx/pb"
)

// Opset returns the version of the operator set of domain that m imports, 0 if it imports none. ONNX's domain is "" or
// "ai.onnx".
func Opset(m *pb.ModelProto, domain string) int64 {
	for _, o := range m.OpsetImport {
		if plainDomain(o.Domain) == plainDomain(domain) {
			return o.Version
		}
	}
	return 0
}

// SetOpset makes m import that version of the operator set of domain. The
// nodes are not converted.
func SetOpset(m *pb.ModelProto, domain string, version int64) {
	for _, o := range m.OpsetImport {
		if plainDomain(o.Domain) == plainDomain(domain) {
			o.Version = version
			return
		}
	}
	m.OpsetImport = append(m.OpsetImport, &pb.OperatorSetIdProto{Domain: plainDomain(domain), Version: version})
}

func plainDomain(domain string) string {
	if domain == "ai.onnx" {
		return ""
	}
	return domain
}

// Metadata returns the value of key in the model's metadata_props.
func Metadata(m *pb.ModelProto, key string) (value string, ok bool) {
	for _, entry := range m.MetadataProps {
		if entry.Key == key {
			return entry.Value, true
		}
	}
	return "", false
}

// SetMetadata sets key in the model's metadata_props, which are sorted by key so that the same content has the same
// bytes.
func SetMetadata(m *pb.ModelProto, key, value string) {
	DeleteMetadata(m, key)
	m.MetadataProps = append(m.MetadataProps, &pb.StringStringEntryProto{Key: key, Value: value})
	slices.SortFunc(m.MetadataProps, func(a, b *pb.StringStringEntryProto) int { return cmp.Compare(a.Key, b.Key) })
}

// DeleteMetadata removes key from the model's metadata_props.
func DeleteMetadata(m *pb.ModelProto, key string) {
	m.MetadataProps = slices.DeleteFunc(m.MetadataProps,
		func(e *pb.StringStringEntryProto) bool { return e.Key == key })
}

// FixInitializers makes every initializer a constant: up to IR version 3 each is
// a graph input as well, which a caller could override, and which ONNX Runtime
// therefore cannot fold into a neighbour.
func FixInitializers(m *pb.ModelProto) {
	ix := NewIndex(m.Graph)
	m.Graph.Input = slices.DeleteFunc(m.Graph.Input,
		func(v *pb.ValueInfoProto) bool { return ix.Initializer(v.Name) != nil })
	m.IrVersion = max(m.IrVersion, 4)
}

// Clone returns a copy of m to edit. The data of its initializers is shared
// with m and must not be changed in place; replace the tensor instead.
func Clone(m *pb.ModelProto) *pb.ModelProto {
	if m.Graph == nil {
		return proto.CloneOf(m)
	}
	initializers := m.Graph.Initializer
	bare := shallow(m)
	bare.Graph = shallow(m.Graph)
	bare.Graph.Initializer = nil
	c := proto.CloneOf(bare)
	for _, t := range initializers {
		tensor := shallow(t)
		tensor.Dims = slices.Clone(t.Dims)
		c.Graph.Initializer = append(c.Graph.Initializer, tensor)
	}
	return c
}

// shallow copies the fields of a message, sharing what they point to.
func shallow[M any, P interface {
	*M
	proto.Message
}](m P) P {
	c := P(new(M))
	from, to := m.ProtoReflect(), c.ProtoReflect()
	fields := from.Descriptor().Fields()
	for i := range fields.Len() {
		if f := fields.Get(i); from.Has(f) {
			to.Set(f, from.Get(f))
		}
	}
	to.SetUnknown(from.GetUnknown())
	return c
}
