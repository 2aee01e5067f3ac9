package tensorboard

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// fileVersion is the first event of every file: the version of its format.
const fileVersion = "brain.Event:2"

// Field numbers of the messages that this package writes, in ascending order. Sources:
// tensorflow/core/util/event.proto, framework/summary.proto, framework/tensor.proto and tensor_shape.proto;
// tensorboard/plugins/hparams/plugin_data.proto; google/protobuf/struct.proto.
const (
	eventWallTime    protowire.Number = 1 // double, seconds since 1970
	eventStep        protowire.Number = 2
	eventFileVersion protowire.Number = 3
	eventSummary     protowire.Number = 5

	summaryValue protowire.Number = 1

	valueTag         protowire.Number = 1
	valueSimpleValue protowire.Number = 2 // float
	valueTensor      protowire.Number = 8
	valueMetadata    protowire.Number = 9

	metadataPluginData protowire.Number = 1

	pluginDataName    protowire.Number = 1
	pluginDataContent protowire.Number = 2

	tensorDType protowire.Number = 1
	tensorShape protowire.Number = 2
	shapeDim    protowire.Number = 2

	hparamsStart protowire.Number = 3
	hparamsEnd   protowire.Number = 4

	startHparams protowire.Number = 1 // map of string to Value
	startTime    protowire.Number = 5
	endStatus    protowire.Number = 1
	endTime      protowire.Number = 2

	mapKey   protowire.Number = 1
	mapValue protowire.Number = 2

	jsonNumber protowire.Number = 2
	jsonString protowire.Number = 3
	jsonBool   protowire.Number = 4
)

// Names that the plugin "hparams" reads. Source: tensorboard/plugins/hparams/metadata.py.
const (
	hparamsPlugin   = "hparams"
	hparamsStartTag = "_hparams_/session_start_info"
	hparamsEndTag   = "_hparams_/session_end_info"
	statusSuccess   = 1
)

const dtypeFloat = 1 // tensorflow.DT_FLOAT

// message is an encoded part of a protocol buffer message.
type message []byte

func (m message) double(field protowire.Number, v float64) message {
	return protowire.AppendFixed64(protowire.AppendTag(m, field, protowire.Fixed64Type), math.Float64bits(v))
}

func (m message) float(field protowire.Number, v float32) message {
	return protowire.AppendFixed32(protowire.AppendTag(m, field, protowire.Fixed32Type), math.Float32bits(v))
}

// integer leaves 0 out, as proto3 does.
func (m message) integer(field protowire.Number, v int64) message {
	if v == 0 {
		return m
	}
	return protowire.AppendVarint(protowire.AppendTag(m, field, protowire.VarintType), uint64(v))
}

func (m message) text(field protowire.Number, s string) message {
	return protowire.AppendString(protowire.AppendTag(m, field, protowire.BytesType), s)
}

func (m message) embed(field protowire.Number, inner []byte) message {
	return protowire.AppendBytes(protowire.AppendTag(m, field, protowire.BytesType), inner)
}

// seconds since 1970.
func seconds(t time.Time) float64 { return float64(t.UnixMicro()) / 1e6 }

func versionEvent(at time.Time) message {
	return message{}.double(eventWallTime, seconds(at)).text(eventFileVersion, fileVersion)
}

// scalarsEvent encodes a point. Scalars are in the older form, not tensors, because every reader accepts it.
func scalarsEvent(p Point) message {
	var summary message
	for _, s := range p.Scalars {
		summary = summary.embed(summaryValue, message{}.text(valueTag, s.Tag).float(valueSimpleValue, float32(s.Value)))
	}
	return message{}.double(eventWallTime, seconds(p.Time)).integer(eventStep, p.Step).embed(eventSummary, summary)
}

// startEvent encodes the settings for the plugin "hparams".
func startEvent(at time.Time, settings map[string]any) message {
	var info message
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		info = info.embed(startHparams, message{}.text(mapKey, name).embed(mapValue, jsonValue(settings[name])))
	}
	return hparamsEvent(at, hparamsStartTag, message{}.embed(hparamsStart, info.double(startTime, seconds(at))))
}

// endEvent encodes the end of the training for the plugin "hparams".
func endEvent(at time.Time) message {
	return hparamsEvent(at, hparamsEndTag,
		message{}.embed(hparamsEnd, message{}.integer(endStatus, statusSuccess).double(endTime, seconds(at))))
}

// hparamsEvent is a summary whose content is in its metadata. Its value is an empty tensor, because a summary needs
// one. Source: metadata.NULL_TENSOR of the plugin.
func hparamsEvent(at time.Time, tag string, content message) message {
	metadata := message{}.embed(metadataPluginData, message{}.text(pluginDataName,
		hparamsPlugin).embed(pluginDataContent, content))
	tensor := message{}.integer(tensorDType, dtypeFloat).embed(tensorShape, message{}.embed(shapeDim, nil))
	value := message{}.text(valueTag, tag).embed(valueTensor, tensor).embed(valueMetadata, metadata)
	return message{}.double(eventWallTime, seconds(at)).embed(eventSummary, message{}.embed(summaryValue, value))
}

// jsonValue is a google.protobuf.Value: a number, a truth value or text.
func jsonValue(v any) message {
	switch v := v.(type) {
	case bool:
		return protowire.AppendVarint(protowire.AppendTag(nil, jsonBool, protowire.VarintType), protowire.EncodeBool(v))
	case float64:
		return message{}.double(jsonNumber, v)
	case int:
		return message{}.double(jsonNumber, float64(v))
	case uint64:
		return message{}.double(jsonNumber, float64(v))
	}
	return message{}.text(jsonString, fmt.Sprint(v))
}
