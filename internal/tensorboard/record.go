package tensorboard

import (
	"encoding/binary"
	"hash/crc32"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// maskedChecksum is the CRC-32C of data, rotated by 15 bits plus a constant, because a CRC of data that contains its
// own CRC is weak. Source: tensorflow/core/lib/hash/crc32c.h, Mask.
func maskedChecksum(data []byte) uint32 {
	sum := crc32.Checksum(data, castagnoli)
	return (sum>>15 | sum<<17) + 0xa282ead8
}

// appendRecord appends data to file as a TFRecord: its length (8 bytes, little
// endian), the length's checksum (4), data, and data's checksum (4).
// Source: tensorflow/core/lib/io/record_writer.h.
func appendRecord(file, data []byte) []byte {
	length := binary.LittleEndian.AppendUint64(nil, uint64(len(data)))
	file = append(file, length...)
	file = binary.LittleEndian.AppendUint32(file, maskedChecksum(length))
	file = append(file, data...)
	return binary.LittleEndian.AppendUint32(file, maskedChecksum(data))
}
