//go:build unix

package photoio

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"image"
	"image/png"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"fx/internal/fail"
	"fx/internal/source"
)

// write makes a file whose content is older than now.
func write(t *testing.T, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "photo")
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// noPauses makes attempts follow each other at once.
func noPauses(t *testing.T) {
	before := pauses
	pauses = make([]time.Duration, len(before))
	t.Cleanup(func() { pauses = before })
}

// openedBy is a file that open opens.
type openedBy struct {
	source.File
	open func() (source.Content, error)
}

func (o openedBy) Open() (source.Content, error) { return o.open() }

func photoOf(t testing.TB, w, h int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, w, h))); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestReadFile(t *testing.T) {
	content := []byte(strings.Repeat("photo", 1000))
	path := write(t, content)
	data, file, err := ReadFile(t.Context(), source.File(path))
	if err != nil || !bytes.Equal(data, content) || file.SHA256 != sha256.Sum256(content) || file.Size != 5000 ||
		file.ModTime.IsZero() || file.Inode == 0 {
		t.Errorf("%d bytes, %+v, %v", len(data), file, err)
	}
	if hashed, err := Hash(t.Context(), source.File(path)); err != nil || hashed != file {
		t.Errorf("%+v, %v, want %+v", hashed, err, file)
	}
}

func TestAFileThatChangesWhileItIsReadHasNoTime(t *testing.T) {
	content := []byte("photo photo photo")
	path := write(t, content)
	for name, change := range map[string]func() error{
		"written again": func() error { return os.WriteFile(path, content, 0o644) },
		"grown":         func() error { return os.WriteFile(path, append(content, content...), 0o644) },
		"cut":           func() error { return os.Truncate(path, 3) },
	} {
		if err := os.WriteFile(path, content, 0o644); err != nil {
			t.Fatal(err)
		}
		past := time.Now().Add(-time.Hour)
		if err := os.Chtimes(path, past, past); err != nil {
			t.Fatal(err)
		}
		f, err := open(source.File(path), request{limit: 1000})
		if err != nil {
			t.Fatal(err)
		}
		if err := change(); err != nil {
			t.Fatal(err)
		}
		n, err := io.Copy(io.Discard, f)
		if file := f.facts(n); err != nil || n > int64(len(content)) || !file.ModTime.IsZero() {
			t.Errorf("%s: %d bytes, %+v, %v", name, n, file, err)
		}
		f.close()
	}
}

func TestWhatIsWrongWithAPhotoIsSaidOfIt(t *testing.T) {
	noPauses(t)
	dir := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, size := range map[string]int64{"empty": 0, "long": 2 << 30, "sparse.jpg": 800 << 20} {
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if name == "sparse.jpg" {
			_, err = f.WriteString("\xff\xd8\xff\xe0")
		}
		if err := errors.Join(err, f.Truncate(size), f.Close()); err != nil { // takes no room on the disk
			t.Fatal(err)
		}
	}
	if err := os.Symlink("circle", filepath.Join(dir, "circle")); err != nil {
		t.Fatal(err)
	}
	opened := 0
	for _, c := range []struct {
		name, want string
		opened     int
	}{
		{"none", "no such file", 0}, {"pipe", "not a regular file", 0}, {".", "not a regular file", 0}, {"circle",
			"too many levels", 0},
		{"empty", "empty file", 0}, {"long", "too long", 0}, {"sparse.jpg", "too long", 1},
	} {
		opened = 0
		file := source.File(filepath.Join(dir, c.name))
		counted := openedBy{file, func() (source.Content, error) { opened++; return file.Open() }}
		_, _, err := ReadFile(t.Context(), counted)
		var bad *Unusable
		if !errors.As(err, &bad) || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), dir) {
			t.Errorf("%s: %v", c.name, err)
		}
		if opened != c.opened {
			t.Errorf("%s was opened %d times", c.name, opened)
		}
		if _, err := Hash(t.Context(), counted); !errors.As(err, &bad) {
			t.Errorf("hash of %s: %v", c.name, err)
		}
	}
}

func TestASystemThatFailsIsAskedAgain(t *testing.T) {
	noPauses(t)
	content := photoOf(t, 4, 4)
	path := write(t, content)
	for _, number := range []syscall.Errno{syscall.EIO, syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM,
		syscall.ESTALE, syscall.ETIMEDOUT, syscall.ENOSPC} {
		for _, failing := range []int{1, len(pauses), len(pauses) + 1} {
			var calls atomic.Int32
			failsFirst := openedBy{source.File(path), func() (source.Content, error) {
				if int(calls.Add(1)) <= failing {
					return nil, &fs.PathError{Op: "open", Path: path, Err: number}
				}
				return source.File(path).Open()
			}}
			data, _, err := ReadFile(t.Context(), failsFirst)
			if failing <= len(pauses) {
				if err != nil || !bytes.Equal(data, content) {
					t.Errorf("%v %d times: %v", number, failing, err)
				}
				continue
			}
			want := fail.System
			if number == syscall.ENOSPC {
				want = fail.DiskFull
			}
			var bad *Unusable
			if errors.As(err, &bad) || fail.KindOf(err) != want || !strings.Contains(err.Error(), path) ||
				fail.HintOf(err) == "" {
				t.Errorf("%v: %v (kind %d)", number, err, fail.KindOf(err))
			}
		}
	}
}

func TestAReadThatNeverEndsEndsWithItsContext(t *testing.T) {
	path := write(t, []byte("photo"))
	forever := make(chan struct{})
	t.Cleanup(func() { close(forever) })
	begun := make(chan struct{})
	hangs := openedBy{source.File(path), func() (source.Content, error) {
		close(begun)
		<-forever
		return nil, os.ErrClosed
	}}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	if _, _, err := ReadFile(ctx, hangs); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	<-begun
	ctx, cancel = context.WithCancel(t.Context()) // while it waits to ask again
	fails := openedBy{source.File(path), func() (source.Content, error) { cancel(); return nil, syscall.EIO }}
	if _, _, err := ReadFile(ctx, fails); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}
