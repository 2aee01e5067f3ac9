package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
)

// seal is a shard's own checksum: a text of fixed length, the value of the key fx.seal in the schema's metadata. The
// Arrow file format has the schema twice: in the message at the start and in the footer at the end. Both checksums are
// over the file without the two seals, so that one write makes rows and checksums durable together.
//
// head covers all but the embeddings: format, paths, labels. Opening a store checks it, which reads a few kilobytes of
// each shard. whole covers every byte; Verify checks it.
type seal struct {
	offset, length uint64 // of the embeddings in the file
	head           uint32 // CRC-32C
	whole          [sha256.Size]byte
}

const sealMark = "fx-seal-1 "

const sealLength = len(sealMark) + 16 + 1 + 16 + 1 + 8 + 1 + 2*sha256.Size

func (s seal) String() string {
	return fmt.Sprintf(sealMark+"%016x %016x %08x %x", s.offset, s.length, s.head, s.whole)
}

func parseSeal(text []byte) (seal, error) {
	var s seal
	var whole []byte
	if _, err := fmt.Sscanf(string(text), sealMark+"%016x %016x %08x %x", &s.offset, &s.length, &s.head,
		&whole); err != nil || len(whole) != len(s.whole) {
		return s, errors.New("the seal is not readable")
	}
	copy(s.whole[:], whole)
	if s.String() != string(text) {
		return s, errors.New("the seal is not readable")
	}
	return s, nil
}

// arrowMagic is at the start of an Arrow file, padded to 8 bytes, and at its end.
const arrowMagic = "ARROW1"

// span is a part of a file.
type span struct{ from, to int }

func (s span) of(file []byte) []byte { return file[s.from:s.to] }

// frame returns the two descriptions of an Arrow file's content: the schema message at its start and the footer at its
// end.
func frame(file []byte) (schema, footer span, err error) {
	const end = 4 + len(arrowMagic) // footer length and magic
	if len(file) < 16+end || !bytes.HasPrefix(file, []byte(arrowMagic)) {
		return schema, footer, errors.New("not an Arrow file")
	}
	if !bytes.HasSuffix(file, []byte(arrowMagic)) {
		return schema, footer, errors.New("cut short: the end of an Arrow file is missing")
	}
	// After the padded magic: a continuation marker, the message's length, the message.
	schemaLength := uint64(binary.LittleEndian.Uint32(file[12:]))
	footerLength := uint64(binary.LittleEndian.Uint32(file[len(file)-end:]))
	if room := uint64(len(file) - 16 - end); schemaLength > room || footerLength > room-schemaLength {
		return schema, footer, errors.New("the lengths in the Arrow file do not fit it")
	}
	return span{16, 16 + int(schemaLength)}, span{len(file) - end - int(footerLength), len(file) - end}, nil
}

// findSeals returns the offsets of the two seals in a shard. It searches only the schema message and the footer,
// because rows might contain the same bytes.
func findSeals(file []byte) (first, second int, err error) {
	schema, footer, err := frame(file)
	if err != nil {
		return 0, 0, err
	}
	if first, err = findSeal(file, schema); err != nil {
		return 0, 0, err
	}
	second, err = findSeal(file, footer)
	return first, second, err
}

func findSeal(file []byte, where span) (int, error) {
	part := where.of(file)
	at := bytes.Index(part, []byte(sealMark))
	if at < 0 || at+sealLength > len(part) || bytes.Contains(part[at+1:], []byte(sealMark)) {
		return 0, errors.New("no seal: not written by fx extract, or damaged")
	}
	return where.from + at, nil
}

// headSum returns the CRC-32C of file without the seals and without the embeddings.
func headSum(file []byte, first, second int, offset, length uint64) (uint32, error) {
	low, high := uint64(first+sealLength), uint64(second)
	if offset < low || offset > high || length > high-offset {
		return 0, errors.New("the seal is not readable")
	}
	table := crc32.MakeTable(crc32.Castagnoli)
	sum := crc32.Checksum(file[:first], table)
	sum = crc32.Update(sum, table, file[low:offset])
	sum = crc32.Update(sum, table, file[offset+length:high])
	return crc32.Update(sum, table, file[second+sealLength:]), nil
}

// stamp writes the two blank seals of a shard whose embeddings begin at offset.
func stamp(file []byte, offset, length uint64) error {
	first, second, err := findSeals(file)
	if err != nil {
		return err
	}
	s := seal{offset: offset, length: length}
	if s.head, err = headSum(file, first, second, offset, length); err != nil {
		return err
	}
	h := sha256.New()
	h.Write(file[:first])
	h.Write(file[first+sealLength : second])
	h.Write(file[second+sealLength:])
	h.Sum(s.whole[:0])
	copy(file[first:], s.String())
	copy(file[second:], s.String())
	return nil
}

// checkHead reads the seal of a shard, and checks everything but the embeddings.
func checkHead(file []byte) (seal, error) {
	first, second, err := findSeals(file)
	if err != nil {
		return seal{}, err
	}
	if !bytes.Equal(file[first:first+sealLength], file[second:second+sealLength]) {
		return seal{}, errors.New("its two seals differ")
	}
	s, err := parseSeal(file[first : first+sealLength])
	if err != nil {
		return seal{}, err
	}
	sum, err := headSum(file, first, second, s.offset, s.length)
	if err != nil {
		return seal{}, err
	}
	if sum != s.head {
		return seal{}, errors.New("its rows or its Arrow structure do not fit the checksum")
	}
	return s, nil
}

// checkWhole hashes the file in blocks and compares the hash with s. It calls seen with the number of bytes read.
func checkWhole(ctx context.Context, file []byte, s seal, seen func(int64)) error {
	first, second, err := findSeals(file)
	if err != nil {
		return err
	}
	h := sha256.New()
	for _, part := range [][]byte{file[:first], file[first+sealLength : second], file[second+sealLength:]} {
		for block := range slices.Chunk(part, 1<<20) {
			if err := ctx.Err(); err != nil {
				return err
			}
			h.Write(block)
			seen(int64(len(block)))
		}
	}
	seen(2 * int64(sealLength)) // in the file, not in its hash
	if !bytes.Equal(h.Sum(nil), s.whole[:]) {
		return errSum
	}
	return nil
}

var errSum = errors.New("its bytes do not fit the SHA-256 written with them")
