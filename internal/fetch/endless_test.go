package fetch_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"fx/internal/fail"
	"fx/internal/fetch"
	"fx/internal/progress"
)

// big is a file of several quotas of the default limits.
var big = strings.Repeat("0123456789abcdef", 20_000)

// impatient gives up within milliseconds where a user's client takes minutes.
// Its quota, MinRate × Window, is the default's: 61,440 bytes.
func impatient() *fetch.Client {
	return &fetch.Client{Backoff: time.Millisecond, Stall: 5 * time.Second, MinRate: 2_048_000,
		Window: 30 * time.Millisecond}
}

// patient has the rates of a user's client and no pauses.
func patient() *fetch.Client { return &fetch.Client{Backoff: time.Millisecond} }

type handler = func(w http.ResponseWriter, r *http.Request)

// offset is where the request wants the file from.
func offset(r *http.Request) int {
	n, _ := strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(r.Header.Get("Range"), "bytes="), "-"))
	return n
}

// partial begins a right answer to a request for a part of n bytes, all of them in the header.
func partial(w http.ResponseWriter, r *http.Request) (rest string) {
	at := offset(r)
	w.Header().Set("Content-Length", fmt.Sprint(len(big)-at))
	if at > 0 {
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", at, len(big)-1, len(big)))
		w.WriteHeader(http.StatusPartialContent)
	}
	return big[at:]
}

// give sends text at once.
func give(w http.ResponseWriter, text string) {
	_, _ = w.Write([]byte(text))
	w.(http.Flusher).Flush()
}

// firstThen gives 100,000 bytes to a request for the whole file, and leaves every other to then.
func firstThen(then handler) handler {
	return func(w http.ResponseWriter, r *http.Request) {
		if offset(r) == 0 {
			give(w, partial(w, r)[:100_000])
			panic(http.ErrAbortHandler)
		}
		then(w, r)
	}
}

// lie answers a request for a part with a header of its own.
func lie(contentRange func(at int) string, body string) handler {
	return firstThen(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Range", contentRange(offset(r)))
		w.WriteHeader(http.StatusPartialContent)
		give(w, body)
	})
}

// endless sends until the client goes.
func endless(w http.ResponseWriter, r *http.Request) {
	for r.Context().Err() == nil {
		if _, err := w.Write([]byte(big)); err != nil {
			return
		}
	}
}

var endlessServers = map[string]struct {
	client *fetch.Client
	answer handler
	is     error
	most   int // requests
}{
	"a byte a millisecond": {impatient(), func(w http.ResponseWriter, r *http.Request) {
		for _, c := range partial(w, r) {
			if r.Context().Err() != nil {
				return
			}
			give(w, string(c))
			time.Sleep(time.Millisecond)
		}
	}, fetch.ErrTooSlow, 4},
	"a byte a connection": {patient(), func(w http.ResponseWriter, r *http.Request) {
		give(w, partial(w, r)[:1])
		panic(http.ErrAbortHandler)
	}, fetch.ErrIncomplete, 4},
	"50,000 bytes a connection": {patient(), func(w http.ResponseWriter, r *http.Request) {
		give(w, partial(w, r)[:50_000])
		panic(http.ErrAbortHandler)
	}, fetch.ErrIncomplete, 4},
	"no byte of the header": {&fetch.Client{Backoff: time.Millisecond, Stall: 30 * time.Millisecond},
		func(_ http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
		}, fetch.ErrUnreachable, 4},
	"416 after data": {patient(), firstThen(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
	}), fetch.ErrInconsistent, 8},
	"416 that names another length": {patient(), firstThen(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Range", "bytes */5")
		w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
	}), fetch.ErrInconsistent, 8},
	"206 from another byte": {patient(), lie(func(at int) string {
		return fmt.Sprintf("bytes %d-%d/%d", at+1, len(big)-1, len(big))
	}, big[100_001:]), fetch.ErrInconsistent, 8},
	"206 of a longer file": {patient(), lie(func(at int) string {
		return fmt.Sprintf("bytes %d-%d/%d", at, len(big), len(big)+1)
	}, big[99_999:]), fetch.ErrInconsistent, 8},
	"206 past its end": {patient(), lie(func(at int) string {
		return fmt.Sprintf("bytes %d-%d/%d", at, len(big), len(big))
	}, big[99_999:]), fetch.ErrInconsistent, 8},
	"206 of no bytes": {patient(), lie(func(at int) string {
		return fmt.Sprintf("bytes %d-%d/%d", at, at-1, len(big))
	}, big[100_000:]), fetch.ErrInconsistent, 8},
	"206 without a range": {patient(), lie(func(int) string { return "" }, big[100_000:]), fetch.ErrInconsistent, 8},
	"206 with an endless body": {patient(), firstThen(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", offset(r), len(big)-1, len(big)))
		w.WriteHeader(http.StatusPartialContent)
		endless(w, r)
	}), fetch.ErrInconsistent, 8},
	"206 of a byte at a time": {patient(), firstThen(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", offset(r), offset(r), len(big)))
		w.WriteHeader(http.StatusPartialContent)
		give(w, big[offset(r):offset(r)+1])
	}), fetch.ErrIncomplete, 5},
	"another file each time": {patient(), func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", fmt.Sprintf("%q", time.Now()))
		w.Header().Set("Content-Length", fmt.Sprint(len(big)))
		give(w, big[:100_000+offset(r)/2])
		panic(http.ErrAbortHandler)
	}, fetch.ErrIncomplete, 8},
	"a redirect to itself": {patient(), func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, r.URL.Path, http.StatusFound)
	}, fetch.ErrRefused, 10},
	"503 that asks to wait": {patient(), func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", "-1000000000000")
		w.WriteHeader(http.StatusServiceUnavailable)
	}, fetch.ErrUnreachable, 4},
}

// misbehave serves answer for every request, and counts them.
func misbehave(t *testing.T, answer handler) (*server, fetch.File) {
	s := &server{etag: `"one"`}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.ranges = append(s.ranges, r.Header.Get("Range"))
		s.mu.Unlock()
		w.Header().Set("ETag", s.etag)
		answer(w, r)
	}))
	t.Cleanup(s.Close)
	t.Setenv("FX_CACHE_DIR", t.TempDir())
	return s, fetch.File{URL: s.URL + "/net.pth", Path: filepath.Join(t.TempDir(), "net.pth"), SHA256Prefix: sum(big)}
}

// requests is how many came so far: the server may still be at work.
func (s *server) requests() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.ranges)
}

func TestADownloadEnds(t *testing.T) {
	for name, c := range endlessServers {
		t.Run(name, func(t *testing.T) {
			s, f := misbehave(t, c.answer)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // only where it does not end
			defer cancel()
			_, err := c.client.Get(ctx, f, progress.Discard)
			if !errors.Is(err, c.is) || !strings.Contains(err.Error(), f.URL) || fail.HintOf(err) == "" {
				t.Errorf("%v (%s), want %v", err, fail.HintOf(err), c.is)
			}
			if s.requests() > c.most {
				t.Errorf("%d requests, want no more than %d", s.requests(), c.most)
			}
			if _, err := os.Stat(f.Path); err == nil {
				t.Error("the file is there")
			}
		})
	}
}

// However long a download would take, Ctrl+C ends it, and what came stays.
func TestADownloadIsInterrupted(t *testing.T) {
	for name, c := range endlessServers {
		if errors.Is(c.is, fetch.ErrRefused) {
			continue // it ends at once
		}
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			_, f := misbehave(t, func(w http.ResponseWriter, r *http.Request) {
				time.AfterFunc(20*time.Millisecond, cancel)
				c.answer(w, r)
			})
			forever := &fetch.Client{Attempts: 1 << 30, Backoff: time.Hour, Stall: time.Hour, Window: time.Hour}
			if _, err := forever.Get(ctx, f, progress.Discard); fail.KindOf(err) != fail.Interrupted {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestAnEndlessBodyIsReadUpToItsBound(t *testing.T) {
	for name, c := range map[string]struct {
		bound func(f *fetch.File)
		is    error
		most  int64
	}{
		"a stated maximum": {func(f *fetch.File) { f.MaxBytes = 1_000_000 }, fetch.ErrTooBig, 1_000_001},
		"a known length":   {func(f *fetch.File) { f.Bytes = 300_000 }, fetch.ErrDigest, 300_001},
		"the registry's": {func(f *fetch.File) {
			if _, err := fetch.Record(fetch.Entry{Name: "net.pth", SHA256: sum(big), Bytes: 200_000,
				From: "there"}); err != nil {
				panic(err)
			}
		}, fetch.ErrDigest, 200_001},
	} {
		t.Run(name, func(t *testing.T) {
			s, f := misbehave(t, endless)
			c.bound(&f)
			w := &watcher{}
			_, err := patient().Get(t.Context(), f, w)
			if !errors.Is(err, c.is) || fail.HintOf(err) == "" || s.requests() != 1 {
				t.Errorf("%v after %d requests, want %v", err, s.requests(), c.is)
			}
			if w.bytes != c.most {
				t.Errorf("%d bytes were read, want %d", w.bytes, c.most)
			}
			if left, _ := filepath.Glob(f.Path + ".part*"); len(left) > 0 {
				t.Errorf("%v was kept", left)
			}
		})
	}
}

// A file of another length than the known one is refused before a byte of it is kept.
func TestAnAnnouncedLengthThatIsNotTheKnownOne(t *testing.T) {
	s := serve(t, text)
	f := s.file(t)
	f.Bytes = int64(len(text)) - 1
	w := &watcher{}
	_, err := fast.Get(t.Context(), f, w)
	if !errors.Is(err, fetch.ErrDigest) || !strings.Contains(err.Error(), "announces 160000 bytes") || w.bytes != 0 {
		t.Errorf("%v, %d bytes read", err, w.bytes)
	}
}

// A slow link that keeps to the rate comes to the end, over many windows.
func TestASlowDownloadIsNotEnded(t *testing.T) {
	_, f := misbehave(t, func(w http.ResponseWriter, r *http.Request) {
		rest := partial(w, r)
		for len(rest) > 0 {
			n := min(len(rest), 20_000)
			give(w, rest[:n])
			rest = rest[n:]
			time.Sleep(20 * time.Millisecond)
		}
	})
	slow := &fetch.Client{MinRate: 1, Window: 150 * time.Millisecond} // at least a byte in the time of seven steps
	if _, err := slow.Get(t.Context(), f, progress.Discard); err != nil {
		t.Fatal(err)
	}
	wantFile(t, f, big)
}
