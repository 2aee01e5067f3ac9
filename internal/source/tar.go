package source

import (
	"archive/tar"
	"errors"
	"io"
	"os"
)

// sparse are the records of PAX that describe a file with holes.
const sparse = "GNU.sparse."

// listTar lists the members by their headers.
func (a *archive) listTar(file *os.File, isText func(name string) bool, each func(Member) error) error {
	r := tar.NewReader(file)
	last := ""
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return a.damaged(err, last)
		}
		last = h.Name
		if h.Typeflag != tar.TypeReg && h.Typeflag != tar.TypeGNUSparse {
			continue // a folder, a link, a device
		}
		offset, err := file.Seek(0, io.SeekCurrent) // the reader is at the member's bytes: it reads nothing ahead
		if err != nil {
			return a.damaged(err, last)
		}
		if offset+h.Size > a.stat.Size && h.Typeflag == tar.TypeReg {
			return a.damaged(io.ErrUnexpectedEOF, last)
		}
		m := Member{Name: h.Name, Size: h.Size}
		switch {
		case isText(h.Name) && h.Size <= maxText:
			if m.Text, err = io.ReadAll(r); err != nil {
				return a.damaged(err, last)
			}
			if m.Text == nil {
				m.Text = []byte{}
			}
		case h.Typeflag == tar.TypeGNUSparse || h.PAXRecords[sparse+"major"] != "" || h.PAXRecords[sparse+"map"] != "":
			m.Refused = "a sparse file in an archive is not read: pack it without --sparse"
		default:
			m.At = &piece{of: a, name: h.Name, offset: offset, size: h.Size}
		}
		if err := each(m); err != nil {
			return err
		}
	}
}
