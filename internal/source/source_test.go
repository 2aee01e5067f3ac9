package source_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fx/internal/fail"
	"fx/internal/source"
)

// file is a member to pack.
type file struct {
	name, text string
}

var some = []file{
	{"train/ants/1.jpg", "first"}, {"train/ants/1.cls", "7\n"}, {"train/bees/2.jpg", strings.Repeat("second", 1000)},
	{"empty.png", ""},
}

func tarOf(t testing.TB, files ...file) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	must(t, w.WriteHeader(&tar.Header{Name: "train/", Typeflag: tar.TypeDir, Mode: 0o755}))
	for _, f := range files {
		must(t, w.WriteHeader(&tar.Header{Name: f.name, Size: int64(len(f.text)), Mode: 0o644}))
		_, err := io.WriteString(w, f.text)
		must(t, err)
	}
	must(t, w.WriteHeader(&tar.Header{Name: "link", Linkname: "/etc/passwd", Typeflag: tar.TypeSymlink}))
	must(t, w.Close())
	return b.Bytes()
}

func zipOf(t testing.TB, method uint16, files ...file) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, f := range files {
		to, err := w.CreateHeader(&zip.FileHeader{Name: f.name, Method: method})
		must(t, err)
		_, err = io.WriteString(to, f.text)
		must(t, err)
	}
	must(t, w.Close())
	return b.Bytes()
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// write writes an archive that is older than now.
func write(t testing.TB, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	must(t, os.WriteFile(path, content, 0o600))
	past := time.Now().Add(-time.Hour)
	must(t, os.Chtimes(path, past, past))
	return path
}

func isLabel(name string) bool { return strings.HasSuffix(name, ".cls") }

func list(path string) (all []source.Member, err error) {
	err = source.List(path, isLabel, func(m source.Member) error { all = append(all, m); return nil })
	return all, err
}

// read reads as many bytes as the source says, as photoio does.
func read(s source.Source) ([]byte, error) {
	c, err := s.Open()
	if err != nil {
		return nil, err
	}
	defer func() { _ = c.Close() }() // only read
	stat, err := c.Stat()
	if err != nil {
		return nil, err
	}
	data := make([]byte, stat.Size)
	_, err = io.ReadFull(c, data)
	return data, err
}

func TestMembersOfArchives(t *testing.T) {
	for name, content := range map[string][]byte{
		"a.tar": tarOf(t, some...), "a.zip": zipOf(t, zip.Deflate, some...), "stored.ZIP": zipOf(t, zip.Store, some...),
	} {
		path := write(t, name, content)
		members, err := list(path)
		if err != nil || len(members) != len(some) {
			t.Fatalf("%s: %d members, %v", name, len(members), err)
		}
		for i, m := range members {
			if want := some[i]; isLabel(m.Name) {
				if string(m.Text) != want.text || m.At != nil {
					t.Errorf("%s: %s has the text %q", name, m.Name, m.Text)
				}
				continue
			} else if m.Name != want.name || m.Size != int64(len(want.text)) || m.Text != nil || m.Refused != "" {
				t.Errorf("%s: %+v", name, m)
			}
			data, err := read(m.At)
			if err != nil || string(data) != some[i].text || m.At.String() != path+"/"+m.Name {
				t.Errorf("%s: %s: %q, %v", name, m.At, data, err)
			}
			stat, err := m.At.Stat()
			if err != nil || stat.ModTime.IsZero() || stat.Inode == 0 && os.PathSeparator == '/' {
				t.Errorf("%s: %+v, %v", name, stat, err)
			}
		}
	}
}

func TestAnArchiveThatChangesEndsTheReading(t *testing.T) {
	for name, content := range map[string][]byte{"a.tar": tarOf(t, some...), "a.zip": zipOf(t, zip.Deflate, some...)} {
		path := write(t, name, content)
		members, err := list(path)
		must(t, err)
		opened, err := members[0].At.Open()
		must(t, err)
		must(t, os.Chtimes(path, time.Now(), time.Now()))
		if _, err := opened.Stat(); fail.KindOf(err) != fail.Rejected {
			t.Errorf("%s: %v", name, err)
		}
		must(t, opened.Close())
		if _, err := members[0].At.Open(); fail.KindOf(err) != fail.Rejected || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", name, err)
		}
		must(t, os.Remove(path))
		if _, err := members[0].At.Open(); fail.KindOf(err) != fail.Usage || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestDamagedArchives(t *testing.T) {
	whole := tarOf(t, some...)
	for name, content := range map[string][]byte{
		"cut.tar": whole[:1700], "header.tar": append(bytes.Clone(whole[:600]), whole[601:]...),
		"none.tar": []byte("no archive, but long enough" + strings.Repeat(" ", 600)),
		"cut.zip":  zipOf(t, zip.Deflate, some...)[:300], "none.zip": []byte("no archive"),
	} {
		path := write(t, name, content)
		if _, err := list(path); fail.KindOf(err) != fail.Rejected || !strings.Contains(err.Error(), path) ||
			fail.HintOf(err) == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := list(write(t, "a.tar.gz", whole)); fail.KindOf(err) != fail.Usage {
		t.Errorf("%v", err)
	}
}

// lying returns a zip archive of one deflated member whose directory has another size or checksum.
func lying(t *testing.T, text string, size uint32, sum uint32) []byte {
	t.Helper()
	var packed bytes.Buffer
	f, err := flate.NewWriter(&packed, flate.BestCompression)
	must(t, err)
	_, err = io.WriteString(f, text)
	must(t, errors.Join(err, f.Close()))
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	to, err := w.CreateRaw(&zip.FileHeader{
		Name: "1.jpg", Method: zip.Deflate, CRC32: sum, CompressedSize64: uint64(packed.Len()),
		UncompressedSize64: uint64(size),
	})
	must(t, err)
	_, err = to.Write(packed.Bytes())
	must(t, errors.Join(err, w.Close()))
	return b.Bytes()
}

func TestMembersThatLie(t *testing.T) {
	text := strings.Repeat("photo", 100)
	sum := crc32.ChecksumIEEE([]byte(text))
	damaged := zipOf(t, zip.Deflate, file{"1.jpg", text})
	damaged[40] ^= 0xff // in the packed bytes
	for name, c := range map[string]struct {
		content []byte
		want    string
	}{
		"right":       {lying(t, text, 500, sum), ""},
		"longer":      {lying(t, text, 400, crc32.ChecksumIEEE([]byte(text[:400]))), "more than its 400"},
		"shorter":     {lying(t, text, 600, sum), "500 bytes instead of 600"},
		"other sum":   {lying(t, text, 500, sum+1), "checksum"},
		"bomb":        {lying(t, strings.Repeat("\x00", 1<<20), 16, sum), "more than its 16"},
		"other bytes": {damaged, "damaged"},
	} {
		members, err := list(write(t, "a.zip", c.content))
		must(t, err)
		data, err := read(members[0].At)
		var bad *source.Damaged
		if c.want == "" {
			if err != nil || string(data) != text {
				t.Errorf("%s: %v", name, err)
			}
		} else if !errors.As(err, &bad) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	encrypted := zipOf(t, zip.Store, file{"1.jpg", text})
	at := bytes.LastIndex(encrypted, []byte("PK\x01\x02"))
	binary.LittleEndian.PutUint16(encrypted[at+8:], binary.LittleEndian.Uint16(encrypted[at+8:])|1)
	members, err := list(write(t, "a.zip", encrypted))
	if err != nil || members[0].Refused == "" || members[0].At != nil {
		t.Errorf("%+v, %v", members, err)
	}
}

func FuzzList(f *testing.F) {
	f.Add(true, tarOf(f, some...))
	f.Add(false, zipOf(f, zip.Deflate, some...))
	f.Add(false, zipOf(f, zip.Store, some...))
	f.Fuzz(func(t *testing.T, isTar bool, content []byte) {
		path := filepath.Join(t.TempDir(), map[bool]string{true: "a.tar", false: "a.zip"}[isTar])
		must(t, os.WriteFile(path, content, 0o600))
		members, err := list(path)
		if err != nil && fail.KindOf(err) != fail.Rejected {
			t.Fatalf("%v", err)
		}
		for _, m := range members {
			if m.At == nil || m.Size > 1<<20 {
				continue
			}
			data, err := read(m.At)
			var bad *source.Damaged
			if err == nil && int64(len(data)) != m.Size || err != nil && !errors.As(err, &bad) {
				t.Errorf("%s: %d bytes of %d, %v", m.Name, len(data), m.Size, err)
			}
		}
	})
}

func TestBytes(t *testing.T) {
	b := source.Bytes{Name: "row 3", Data: []byte("photo")}
	data, err := read(b)
	if err != nil || string(data) != "photo" || b.String() != "row 3" {
		t.Errorf("%q, %v", data, err)
	}
	if stat, err := b.Stat(); err != nil || stat != (source.Stat{Size: 5}) {
		t.Errorf("%+v, %v", stat, err)
	}
}
