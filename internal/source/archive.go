package source

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"fx/internal/fail"
)

// Member is a file in an archive, or a row of a table.
type Member struct {
	Name string // slash-separated, as in the archive; the number of a row
	Size int64  // bytes, unpacked; of a row of a parquet file, the average of the file
	Row  bool   // it is a row, which has no name of its own
	// Label is the class in a row, "" for none.
	Label string
	// Text is the content of a member that the caller of List asked for, which is then no photo's; else nil.
	Text []byte
	At   Source // where its bytes are; nil if Text is not
	// Refused is why it can't be read, whatever its content; else "".
	Refused string
}

// maxText is the size in bytes up to which List reads a member's text.
const maxText = 1 << 20

// IsArchive reports whether that is the name of an archive that List reads, or would read if it were unpacked, or the
// address of a bucket.
func IsArchive(name string) bool {
	return IsBucket(name) || kindOf(name) != "" || compressed(name) != ""
}

// kindOf returns the kind of an archive by its name, or "" for none.
func kindOf(name string) string {
	switch ending := strings.ToLower(filepath.Ext(name)); ending {
	case ".tar", ".zip", ".parquet", ".arrow":
		return ending[1:]
	}
	return ""
}

// compressed returns the ending of a compressed tar archive, which can't be read at any place, or "".
func compressed(name string) string {
	lower := strings.ToLower(name)
	for _, ending := range []string{".tar.gz", ".tgz", ".tar.zst", ".tar.xz", ".tar.bz2"} {
		if strings.HasSuffix(lower, ending) {
			return ending
		}
	}
	return ""
}

// List calls each for every file in the archive at path, in its order, for every row of a table, and for every object
// under a prefix of a bucket. It reads the
// headers of a tar archive, the directory of a zip archive, the labels in a table, and no photo. isText reports
// whether the member of a name is a small file beside photos, whose text is wanted. Members that are no files, such as
// folders and links, are left out. Errors: fail.Usage for an archive of another kind, fail.Rejected for a damaged one,
// fail.System, and each's.
func List(path string, isText func(name string) bool, each func(Member) error) error {
	if IsBucket(path) {
		return listBucket(path, each)
	}
	if ending := compressed(path); ending != "" {
		return fail.New(fail.Usage, "Unpack it, or pack it again as a plain .tar: photos are compressed already.",
			"%s is a compressed archive (%s), in which no photo can be found without unpacking all before it", path,
			ending)
	}
	a := &archive{path: path}
	file, err := openFile(path)
	if err != nil {
		return a.gone(err)
	}
	defer func() { _ = file.Close() }() // only read
	if a.stat, err = (openedFile{file}).Stat(); err != nil {
		return a.gone(err)
	}
	switch kindOf(path) {
	case "zip":
		return a.listZip(file, isText, each)
	case "parquet":
		return a.listParquet(file, each)
	case "arrow":
		return a.listArrow(file, each)
	}
	return a.listTar(file, isText, each)
}

// ArchiveOf returns the path of the archive that contains the source, or the address of the bucket, or "" if none does.
func ArchiveOf(s Source) string {
	path, _ := place(s)
	return path
}

// place returns the path of the archive that contains the source, and where in it.
func place(s Source) (path string, at int64) {
	switch m := s.(type) {
	case *piece:
		return m.of.path, m.offset
	case *zipMember:
		return m.of.path, m.offset
	case *parquetCell:
		return m.of.path, m.row
	case *object:
		return m.of.scheme + m.of.name, 0
	}
	return "", 0
}

// Compare orders sources as they lie in their archives, so that these are read from front to back. It returns 0 for
// sources in none and in buckets.
func Compare(a, b Source) int {
	pathA, atA := place(a)
	pathB, atB := place(b)
	return cmp.Or(strings.Compare(pathA, pathB), cmp.Compare(atA, atB))
}

// archive is an archive as it was when it was listed.
type archive struct {
	path string
	stat Stat
}

// gone is the error for an archive that can't be opened.
func (a *archive) gone(err error) error {
	if fail.BySystem(err) {
		return err
	}
	return fail.Wrap(fail.Usage, err, "Put the archive back, or make it readable; what is finished is kept.",
		"cannot read the archive")
}

// damaged is the error for an archive that can't be listed whole. Without the rest, photos would look as if they were
// gone.
func (a *archive) damaged(err error, after string) error {
	if fail.BySystem(err) {
		return fail.Wrap(fail.KindOf(err), err, "Try again: what is finished is kept.", "cannot read the archive %s",
			a.path)
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		err = errors.New("it ends too early")
	}
	if after != "" {
		err = fmt.Errorf("after %s: %w", after, err)
	}
	return fail.Wrap(fail.Rejected, err, "Copy the archive again, or leave it out.", "the archive %s is damaged",
		a.path)
}

// noPhotos is the error for a table that is whole, but no use.
func (a *archive) noPhotos(err error) error {
	return fail.Wrap(fail.Usage, err, "A column of bytes holds the photos: image, or image.bytes as Hugging Face's "+
		"datasets write it.", "cannot find the photos in %s", a.path)
}

// changed is the error for an archive that is not the one that was listed.
func (a *archive) changed() error {
	return fail.New(fail.Rejected, "Run the command again: what is finished is kept.",
		"the archive %s changed while its photos were read", a.path)
}

// section opens the archive for the bytes from offset on, as many as length says.
func (a *archive) section(offset, length int64) (*section, error) {
	file, err := openFile(a.path)
	if err != nil {
		return nil, a.gone(err)
	}
	s := &section{SectionReader: io.NewSectionReader(file, offset, length), file: file, of: a}
	if err := s.unchanged(); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return s, nil
}

// section is a part of an open archive.
type section struct {
	*io.SectionReader
	file *os.File
	of   *archive
}

// unchanged returns an error if the archive is not the one that was listed.
func (s *section) unchanged() error {
	now, err := openedFile{s.file}.Stat()
	if err != nil {
		return err
	}
	if now.Size != s.of.stat.Size || now.Inode != s.of.stat.Inode || !now.ModTime.Equal(s.of.stat.ModTime) {
		return s.of.changed()
	}
	return nil
}

// Close closes the archive.
func (s *section) Close() error { return s.file.Close() }

// memberStat describes a member: its bytes are the same while the archive is.
func (a *archive) memberStat(size int64) Stat {
	return Stat{Size: size, ModTime: a.stat.ModTime, Inode: a.stat.Inode}
}
