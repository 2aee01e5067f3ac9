package fetch_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"fx/internal/fetch"
	"fx/internal/progress"
)

// server gives one file, and misbehaves as it is told.
type server struct {
	*httptest.Server
	mu       sync.Mutex
	content  []byte
	etag     string
	ranges   []string                                            // the Range of each request
	trouble  []func(w http.ResponseWriter, r *http.Request) bool // one for each request; true: it has answered
	deafness bool                                                // ignore Range
}

func serve(t *testing.T, content string) *server {
	s := &server{content: []byte(content), etag: `"one"`}
	s.Server = httptest.NewServer(http.HandlerFunc(s.answer))
	t.Cleanup(s.Close)
	t.Setenv("FX_CACHE_DIR", t.TempDir())
	return s
}

func (s *server) answer(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.ranges = append(s.ranges, r.Header.Get("Range"))
	var trouble func(http.ResponseWriter, *http.Request) bool
	if len(s.trouble) > 0 {
		trouble, s.trouble = s.trouble[0], s.trouble[1:]
	}
	content, etag := s.content, s.etag
	if s.deafness {
		r.Header.Del("Range")
	}
	s.mu.Unlock()
	if etag != "" {
		w.Header().Set("ETag", etag)
	}
	if trouble != nil && trouble(w, r) {
		return
	}
	http.ServeContent(w, r, "", time.Time{}, strings.NewReader(string(content)))
}

// file is what the tests fetch: the whole content under its own digest.
func (s *server) file(t *testing.T) fetch.File {
	return fetch.File{URL: s.URL + "/net.pth", Path: filepath.Join(t.TempDir(), "weights", "net.pth"),
		SHA256Prefix: sum(string(s.content))[:8]}
}

func sum(content string) string {
	h := sha256.Sum256([]byte(content))
	return hex.EncodeToString(h[:])
}

// breakAfter sends n bytes of the answer and cuts the connection.
func breakAfter(n int) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		http.ServeContent(&cut{w, n}, r, "", time.Time{}, strings.NewReader(text))
		if f, ok := w.(http.Flusher); ok {
			f.Flush()
		}
		panic(http.ErrAbortHandler)
	}
}

type cut struct {
	http.ResponseWriter
	left int
}

func (c *cut) Write(b []byte) (int, error) {
	b = b[:min(len(b), c.left)]
	c.left -= len(b)
	if len(b) == 0 {
		return 0, io.ErrShortWrite
	}
	return c.ResponseWriter.Write(b)
}

func status(code int) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(code)
		return true
	}
}

var text = strings.Repeat("0123456789abcdef", 10_000)

// watcher counts what was reported.
type watcher struct {
	mu    sync.Mutex
	notes []string
	begun []string
	bytes int64
	ended int
	onAdd func()
}

func (w *watcher) Begin(stage string, total int64, unit string) progress.Task {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.begun = append(w.begun, fmt.Sprint(stage, " ", total, " ", unit))
	w.bytes = 0
	return w
}

func (w *watcher) Note(line string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.notes = append(w.notes, line)
}

func (w *watcher) Add(n int64) {
	w.mu.Lock()
	w.bytes += n
	act := w.onAdd
	w.mu.Unlock()
	if act != nil {
		act()
	}
}

func (w *watcher) End() { w.ended++ }

// fast waits less than a user would.
var fast = &fetch.Client{Backoff: time.Millisecond, Stall: 5 * time.Second}

// wantFile demands the content at f.Path, and nothing left beside it but the lock.
func wantFile(t *testing.T, f fetch.File, content string) {
	t.Helper()
	got, err := os.ReadFile(f.Path)
	if err != nil || string(got) != content {
		t.Errorf("%s holds %d bytes (%v), want the %d served", f.Path, len(got), err, len(content))
	}
	entries, err := os.ReadDir(filepath.Dir(f.Path))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if name := e.Name(); name != filepath.Base(f.Path) && name != filepath.Base(f.Path)+".lock" {
			t.Errorf("%s was left", name)
		}
	}
}
