package fetch_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"fx/internal/fail"
	"fx/internal/fetch"
	"fx/internal/progress"
)

func TestDownloadThenCache(t *testing.T) {
	s := serve(t, text)
	f, w := s.file(t), &watcher{}
	got, err := fast.Get(t.Context(), f, w)
	if err != nil {
		t.Fatal(err)
	}
	want := fetch.Result{Path: f.Path, SHA256: sum(text), Bytes: int64(len(text)), Downloaded: true, Seen: got.Seen}
	if got != want || !got.Seen.Here {
		t.Errorf("%+v, want %+v, first seen here", got, want)
	}
	wantFile(t, f, text)
	if fmt.Sprint(w.begun) != "[download net.pth 160000 bytes]" || w.bytes != 160_000 || w.ended != 1 {
		t.Errorf("reported %v, %d bytes, %d ends", w.begun, w.bytes, w.ended)
	}
	entry, err := fetch.Lookup("net.pth")
	if err != nil || entry != (fetch.Entry{Version: 1, Name: "net.pth", SHA256: sum(text), Bytes: 160_000,
		From: f.URL, FirstSeen: got.Seen.Since}) {
		t.Errorf("entry %+v (%v)", entry, err)
	}
	want.Downloaded, want.Seen.Here = false, false
	if again, err := fast.Get(t.Context(), f, w); err != nil || again != want || len(s.ranges) != 1 {
		t.Errorf("the second time: %+v (%v) after %d requests", again, err, len(s.ranges))
	}
}

func TestBrokenConnectionResumesInOneRun(t *testing.T) {
	s := serve(t, text)
	s.trouble = append(s.trouble, breakAfter(50_000), breakAfter(30_000), status(503))
	f, w := s.file(t), &watcher{}
	if _, err := fast.Get(t.Context(), f, w); err != nil {
		t.Fatal(err)
	}
	wantFile(t, f, text)
	if want := []string{"", "bytes=50000-", "bytes=80000-", "bytes=80000-"}; !slices.Equal(s.ranges, want) {
		t.Errorf("ranges %q, want %q", s.ranges, want)
	}
	if len(w.notes) != 3 || w.bytes != 160_000 {
		t.Errorf("notes %q, %d bytes", w.notes, w.bytes)
	}
}

func TestCancelledDownloadResumesInTheNextRun(t *testing.T) {
	s := serve(t, text)
	hang := make(chan struct{})
	s.trouble = append(s.trouble, func(w http.ResponseWriter, r *http.Request) bool {
		w.Header().Set("Content-Length", fmt.Sprint(len(text)))
		_, _ = w.Write([]byte(text[:70_000]))
		w.(http.Flusher).Flush()
		select {
		case <-hang:
		case <-r.Context().Done():
		}
		return true
	})
	defer close(hang)
	f := s.file(t)
	ctx, cancel := context.WithCancel(t.Context())
	w := &watcher{}
	w.onAdd = func() {
		if w.bytes == 70_000 {
			cancel()
		}
	}
	_, err := fast.Get(ctx, f, w)
	if !errors.Is(err, context.Canceled) || fail.KindOf(err) != fail.Interrupted {
		t.Fatalf("cancelled: %v", err)
	}
	if _, err := os.Stat(f.Path); !errors.Is(err, fs.ErrNotExist) {
		t.Error("a broken file has its final name")
	}
	got, err := fast.Get(t.Context(), f, progress.Discard)
	if err != nil || got.Resumed != 70_000 {
		t.Fatalf("%+v, %v", got, err)
	}
	wantFile(t, f, text)
	if want := []string{"", "bytes=70000-"}; !slices.Equal(s.ranges, want) {
		t.Errorf("ranges %q, want %q", s.ranges, want)
	}
}

// leavePart does what a run that broke after n bytes leaves.
func leavePart(t *testing.T, s *server, f fetch.File, n int) {
	t.Helper()
	s.trouble = append(s.trouble, breakAfter(n))
	once := &fetch.Client{Attempts: 1}
	if _, err := once.Get(t.Context(), f, progress.Discard); !errors.Is(err, fetch.ErrIncomplete) &&
		!errors.Is(err, fetch.ErrUnreachable) {
		t.Fatalf("the broken run: %v", err)
	}
	if part, err := os.ReadFile(f.Path + ".part"); err != nil || string(part) != text[:n] {
		t.Fatalf("the part holds %d bytes (%v), want %d", len(part), err, n)
	}
	s.ranges = nil
}

func TestRestarts(t *testing.T) {
	other := strings.Repeat("fedcba9876543210", 9_000)
	for name, c := range map[string]struct {
		prepare  func(s *server, f *fetch.File)
		requests int
	}{
		"the server ignores Range": {func(s *server, f *fetch.File) { s.deafness = true }, 1},
		"the file changed":         {func(s *server, f *fetch.File) { s.content, s.etag = []byte(other), `"two"` }, 1},
		"another address":          {func(s *server, f *fetch.File) { f.URL += "?v=2" }, 1},
		"the state is damaged": {func(s *server, f *fetch.File) {
			_ = os.WriteFile(f.Path+".part.json", []byte("{"), 0o644)
		}, 1},
		"the state is newer": {func(s *server, f *fetch.File) {
			edit(f.Path+".part.json", `"version":1`, `"version":2`)
		}, 1},
		"the part is too long": {func(s *server, f *fetch.File) {
			_ = os.WriteFile(f.Path+".part", make([]byte, 200_000), 0o644)
		}, 1},
		"the part is damaged":     {func(s *server, f *fetch.File) { edit(f.Path+".part", "0123", "3210") }, 2},
		"a wrong range in answer": {func(s *server, f *fetch.File) { s.trouble = append(s.trouble, wrongRange) }, 2},
		"416 for a changed file":  {func(s *server, f *fetch.File) { s.trouble = append(s.trouble, status(416)) }, 2},
		"the tag was only weak": {func(s *server, f *fetch.File) {
			edit(f.Path+".part.json", `\"one\"`, `W/\"one\"`)
		}, 1},
		"a server that hides sizes": {func(s *server, f *fetch.File) { edit(f.Path+".part.json", `160000`, `-1`) }, 1},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, text)
			f := s.file(t)
			leavePart(t, s, f, 60_000)
			c.prepare(s, &f)
			f.SHA256Prefix = sum(string(s.content))[:8]
			got, err := fast.Get(t.Context(), f, progress.Discard)
			if err != nil {
				t.Fatal(err)
			}
			if got.Resumed != 0 || len(s.ranges) != c.requests {
				t.Errorf("%d bytes resumed by requests %q, want none by %d", got.Resumed, s.ranges, c.requests)
			}
			wantFile(t, f, string(s.content))
		})
	}
}

func edit(path, old, new string) {
	content, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(content), old) {
		panic(fmt.Sprintf("%s holds no %s: %.200s", path, old, content))
	}
	if err := os.WriteFile(path, []byte(strings.Replace(string(content), old, new, 1)), 0o644); err != nil {
		panic(err)
	}
}

func wrongRange(w http.ResponseWriter, _ *http.Request) bool {
	w.Header().Set("Content-Range", "bytes 59999-159999/160000")
	w.WriteHeader(http.StatusPartialContent)
	_, _ = w.Write([]byte(text[59_999:]))
	return true
}

func TestWholePartNeedsNoDownload(t *testing.T) {
	s := serve(t, text)
	f := s.file(t)
	leavePart(t, s, f, 60_000)
	if err := os.WriteFile(f.Path+".part", []byte(text), 0o644); err != nil { // killed before the rename
		t.Fatal(err)
	}
	got, err := fast.Get(t.Context(), f, progress.Discard)
	if err != nil || got.Resumed != 160_000 {
		t.Fatalf("%+v, %v", got, err)
	}
	wantFile(t, f, text)
}

func TestRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		prepare  func(s *server, f *fetch.File)
		is       error
		says     string
		requests int
	}{
		"wrong digest": {func(s *server, f *fetch.File) {
			f.SHA256Prefix = "abcdef12"
		}, fetch.ErrDigest, "must begin with abcdef12", 1},
		"404": {func(s *server, f *fetch.File) {
			s.trouble = append(s.trouble, status(404))
		}, fetch.ErrRefused, "404 Not Found", 1},
		"403": {func(s *server, f *fetch.File) {
			s.trouble = append(s.trouble, status(403))
		}, fetch.ErrRefused, "403", 1},
		"503 for ever": {func(s *server, f *fetch.File) {
			s.trouble = slices.Repeat([]func(http.ResponseWriter, *http.Request) bool{status(503)}, 9)
		}, fetch.ErrUnreachable, "503", 4},
		"too big": {func(s *server, f *fetch.File) {
			f.MaxBytes = 159_999
		}, fetch.ErrTooBig, "160000 bytes", 1},
		"too big, unsaid": {func(s *server, f *fetch.File) {
			f.MaxBytes, s.trouble = 100_000, append(s.trouble, chunked)
		}, fetch.ErrTooBig, "more than 100000", 1},
		"the wrong content": {func(s *server, f *fetch.File) {
			f.Check = func(string) error {
				return errors.New("no zip archive")
			}
		}, fetch.ErrDigest, "no zip archive", 1},
		"always cut off": {func(s *server, f *fetch.File) {
			s.trouble = slices.Repeat([]func(http.ResponseWriter, *http.Request) bool{breakAfter(0)}, 9)
		}, nil, "", 4},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, text)
			f := s.file(t)
			c.prepare(s, &f)
			_, err := fast.Get(t.Context(), f, progress.Discard)
			if err == nil || c.is != nil && !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.says) ||
				!strings.Contains(err.Error(), f.URL) {
				t.Errorf("error %v", err)
			}
			if hint := fail.HintOf(err); !strings.Contains(hint, f.URL) || !strings.Contains(hint, f.Path) {
				t.Errorf("hint %q does not say what to put where", hint)
			}
			if len(s.ranges) != c.requests {
				t.Errorf("%d requests, want %d", len(s.ranges), c.requests)
			}
			if _, err := os.Stat(f.Path); !errors.Is(err, fs.ErrNotExist) {
				t.Error("the refused file is there")
			}
			if left, _ := filepath.Glob(f.Path + ".part*"); len(left) > 0 {
				t.Errorf("%v was kept", left)
			}
		})
	}
}

func chunked(w http.ResponseWriter, _ *http.Request) bool {
	w.(http.Flusher).Flush() // no Content-Length
	_, _ = w.Write([]byte(text))
	return true
}

func TestUnsaidLengthIsTaken(t *testing.T) {
	s := serve(t, text)
	s.trouble = append(s.trouble, chunked)
	f := s.file(t)
	if _, err := fast.Get(t.Context(), f, progress.Discard); err != nil {
		t.Fatal(err)
	}
	wantFile(t, f, text)
}

func TestNoNetworkFailsAtOnce(t *testing.T) {
	s := serve(t, text)
	f := s.file(t)
	s.Close()
	slow := &fetch.Client{Backoff: time.Hour} // one retry would time the test out
	_, err := slow.Get(t.Context(), f, progress.Discard)
	if !errors.Is(err, fetch.ErrUnreachable) || !strings.Contains(fail.HintOf(err), "put it here as "+f.Path) {
		t.Errorf("%v, hint %q", err, fail.HintOf(err))
	}
}

func TestStalledServerIsGivenUp(t *testing.T) {
	s := serve(t, text)
	s.trouble = append(s.trouble, func(w http.ResponseWriter, r *http.Request) bool {
		<-r.Context().Done()
		return true
	})
	c := &fetch.Client{Backoff: time.Millisecond, Stall: 50 * time.Millisecond}
	f, w := s.file(t), &watcher{}
	if _, err := c.Get(t.Context(), f, w); err != nil {
		t.Fatal(err)
	}
	if len(w.notes) == 0 || !strings.Contains(w.notes[0], "no byte for 50ms") {
		t.Errorf("notes %q", w.notes)
	}
}

func TestChangedCachedFileIsRefused(t *testing.T) {
	s := serve(t, text)
	f := s.file(t)
	if _, err := fast.Get(t.Context(), f, progress.Discard); err != nil {
		t.Fatal(err)
	}
	edit(f.Path, "0123", "3210")
	_, err := fast.Get(t.Context(), f, progress.Discard)
	if !errors.Is(err, fetch.ErrDigest) || !strings.Contains(err.Error(), f.Path) ||
		!strings.Contains(fail.HintOf(err), "Delete") {
		t.Errorf("damaged: %v (%s)", err, fail.HintOf(err))
	}
	f.SHA256Prefix = "" // without a prefix the registry still knows
	_, err = fast.Get(t.Context(), f, progress.Discard)
	if !errors.Is(err, fetch.ErrDigest) || !strings.Contains(err.Error(), sum(text)) {
		t.Errorf("changed: %v", err)
	}
	if err := os.Remove(f.Path); err != nil { // a server with another file than at first use
		t.Fatal(err)
	}
	s.content, s.etag = []byte("other"), `"two"`
	_, err = fast.Get(t.Context(), f, progress.Discard)
	if !errors.Is(err, fetch.ErrDigest) || !strings.Contains(err.Error(), sum(text)) {
		t.Errorf("changed on the server: %v", err)
	}
}

func TestEntries(t *testing.T) {
	t.Setenv("FX_CACHE_DIR", t.TempDir())
	e := fetch.Entry{Name: "net.pth", SHA256: sum("a"), Bytes: 1, From: "/hub/net.pth"}
	if _, err := fetch.Lookup("net.pth"); !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := fetch.Record(e); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(os.Getenv("FX_CACHE_DIR"), "registry", "net.pth.json")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for content, want := range map[string]string{
		strings.Replace(string(whole), `"version": 1`, `"version": 2`, 1): "format version 2",
		string(whole[:len(whole)/2]):                                      "damaged",
		strings.Replace(string(whole), "net.pth", "other.pth", 1):         "damaged",
	} {
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		_, err := fetch.Record(e)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) ||
			fail.HintOf(err) == "" {
			t.Errorf("%q: %v", content, err)
		}
	}
	for _, name := range []string{"", ".", "..", "a/b", "../a"} {
		if _, err := fetch.Record(fetch.Entry{Name: name}); err == nil {
			t.Errorf("an entry for %q was written", name)
		}
	}
}

func TestTwoAtOnceDownloadOnce(t *testing.T) {
	s := serve(t, text)
	f := s.file(t)
	var group sync.WaitGroup
	for range 4 { // flock tells apart open files, so goroutines stand in for processes
		group.Go(func() {
			if got, err := fast.Get(t.Context(), f, progress.Discard); err != nil || got.SHA256 != sum(text) {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
	group.Wait()
	wantFile(t, f, text)
	if len(s.ranges) != 1 {
		t.Errorf("%d requests", len(s.ranges))
	}
}

func TestWaitingForTheLockEndsWithTheContext(t *testing.T) {
	s := serve(t, text)
	f := s.file(t)
	hang, asked := make(chan struct{}), make(chan struct{})
	s.trouble = append(s.trouble, func(http.ResponseWriter, *http.Request) bool {
		close(asked)
		<-hang
		return false
	})
	done := make(chan error, 1)
	go func() {
		_, err := fast.Get(context.WithoutCancel(t.Context()), f, progress.Discard)
		done <- err
	}()
	<-asked
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	w := &watcher{}
	if _, err := fast.Get(ctx, f, w); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	if len(w.notes) != 1 || !strings.Contains(w.notes[0], "another process downloads net.pth") {
		t.Errorf("notes %q", w.notes)
	}
	close(hang)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestProxyIsHonoured(t *testing.T) {
	if os.Getenv("FX_TEST_PROXY") == "" { // the environment is read once a process
		s := serve(t, text)
		rerun(t, "FX_TEST_PROXY="+s.URL, "HTTP_PROXY="+s.URL, "http_proxy="+s.URL, "NO_PROXY=", "no_proxy=")
		if len(s.ranges) != 1 {
			t.Errorf("%d requests through the proxy", len(s.ranges))
		}
		return
	}
	t.Setenv("FX_CACHE_DIR", t.TempDir())
	f := fetch.File{URL: "http://weights.invalid/net.pth", Path: filepath.Join(t.TempDir(), "net.pth")}
	if _, err := fast.Get(t.Context(), f, progress.Discard); err != nil {
		t.Fatal(err)
	}
	wantFile(t, f, text)
}

func TestEncryptionIsKept(t *testing.T) {
	plain := serve(t, text)
	secure := httptest.NewTLSServer(http.RedirectHandler(plain.URL, http.StatusFound))
	t.Cleanup(secure.Close)
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	f := plain.file(t)
	f.URL = secure.URL + "/net.pth"
	trusting := &fetch.Client{Transport: secure.Client().Transport, Backoff: time.Hour}
	if _, err := trusting.Get(t.Context(), f, progress.Discard); !errors.Is(err, fetch.ErrRefused) ||
		!strings.Contains(err.Error(), "from https to http") {
		t.Errorf("a redirect to http: %v", err)
	}
	doubting := &fetch.Client{Backoff: time.Hour}
	if _, err := doubting.Get(t.Context(), f, progress.Discard); !errors.Is(err, fetch.ErrRefused) ||
		!strings.Contains(err.Error(), "certificate") {
		t.Errorf("an unknown certificate: %v", err)
	}
	if len(plain.ranges) != 0 {
		t.Error("the plain server was asked")
	}
}
