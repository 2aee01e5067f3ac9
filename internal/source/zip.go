package source

import (
	"archive/zip"
	"compress/flate"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"os"

	"fx/internal/fail"
)

// zipMember is a file in a zip archive, stored or deflated.
type zipMember struct {
	of                   *archive
	name                 string
	offset, packed, size int64 // of its bytes in the archive; unpacked
	crc                  uint32
	deflated             bool
}

// String returns the archive's path and the member's name.
func (m *zipMember) String() string { return m.of.path + "/" + m.name }

// Stat describes the member as it was listed.
func (m *zipMember) Stat() (Stat, error) { return m.of.memberStat(m.size), nil }

// Open opens the archive at the member.
func (m *zipMember) Open() (Content, error) {
	s, err := m.of.section(m.offset, m.packed)
	if err != nil {
		return nil, err
	}
	o := &openedZip{section: s, member: m, unpacked: s, left: m.size, crc: crc32.NewIEEE()}
	if m.deflated {
		o.unpacked = flate.NewReader(s)
	}
	return o, nil
}

// openedZip unpacks a member. It gives no more bytes than the archive's directory says. If they are not those that the
// directory describes, it withholds the last one and returns an error, so that whoever asks for exactly all of them
// learns of it.
type openedZip struct {
	section  *section
	member   *zipMember
	unpacked io.Reader
	left     int64
	crc      hash.Hash32
}

func (o *openedZip) Read(p []byte) (int, error) {
	if o.left == 0 {
		return 0, io.EOF
	}
	n, err := o.unpacked.Read(p[:min(int64(len(p)), o.left)])
	o.crc.Write(p[:n]) // never fails
	o.left -= int64(n)
	switch {
	case o.left == 0:
		if err := o.atEnd(); err != nil {
			return n - 1, err
		}
		return n, io.EOF
	case err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF):
		return n, &Damaged{fmt.Sprintf("damaged in the archive: it has %d bytes instead of %d", o.member.size-o.left,
			o.member.size)}
	case err != nil && !fail.BySystem(err):
		return n, &Damaged{"damaged in the archive: " + err.Error()}
	}
	return n, err
}

// atEnd checks the bytes, all of which were read.
func (o *openedZip) atEnd() error {
	if n, _ := io.ReadFull(o.unpacked, make([]byte, 1)); n > 0 { // an error is one of what follows the bytes
		return &Damaged{fmt.Sprintf("damaged in the archive: it has more than its %d bytes", o.member.size)}
	}
	if o.crc.Sum32() != o.member.crc {
		return &Damaged{"damaged in the archive: its checksum is another"}
	}
	return nil
}

// Stat describes the member.
func (o *openedZip) Stat() (Stat, error) {
	if err := o.section.unchanged(); err != nil {
		return Stat{}, err
	}
	return o.member.Stat()
}

// Close closes the archive.
func (o *openedZip) Close() error { return o.section.Close() }

// listZip lists the members by the archive's directory.
func (a *archive) listZip(file *os.File, isText func(name string) bool, each func(Member) error) error {
	r, err := zip.NewReader(file, a.stat.Size)
	if err != nil {
		return a.damaged(err, "")
	}
	last := ""
	for _, f := range r.File {
		if !f.Mode().IsRegular() {
			continue
		}
		offset, err := f.DataOffset()
		if err != nil {
			return a.damaged(err, last)
		}
		last = f.Name
		m := Member{Name: f.Name, Size: int64(f.UncompressedSize64)}
		z := &zipMember{of: a, name: f.Name, offset: offset, packed: int64(f.CompressedSize64), size: m.Size,
			crc: f.CRC32, deflated: f.Method == zip.Deflate}
		const encrypted = 1
		switch {
		case m.Size < 0 || z.packed < 0 || z.packed > a.stat.Size-offset:
			return a.damaged(io.ErrUnexpectedEOF, last)
		case f.Flags&encrypted != 0:
			m.Refused = "it is encrypted in the archive: unpack it"
		case f.Method != zip.Store && f.Method != zip.Deflate:
			m.Refused = fmt.Sprintf("it is packed by a method (%d) that is not read: unpack it", f.Method)
		case isText(f.Name) && m.Size <= maxText:
			if m.Text, err = readAll(z); err != nil {
				return a.damaged(err, last)
			}
		default:
			m.At = z
		}
		if err := each(m); err != nil {
			return err
		}
	}
	return nil
}

func readAll(s Source) ([]byte, error) {
	c, err := s.Open()
	if err != nil {
		return nil, err
	}
	defer func() { _ = c.Close() }() // only read
	return io.ReadAll(c)
}
