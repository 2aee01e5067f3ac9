package source_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"fx/internal/fail"
	"fx/internal/source"
	"fx/internal/source/buckettest"
)

// bucket serves n files 00.jpg … in the folder set/ of a bucket.
func bucket(t *testing.T, n int) (*buckettest.Server, string) {
	t.Helper()
	dir := t.TempDir()
	must(t, os.Mkdir(filepath.Join(dir, "set"), 0o755))
	for i := range n {
		must(t, os.WriteFile(filepath.Join(dir, "set", fmt.Sprintf("%02d.jpg", i)), []byte(photoIn(i)), 0o600))
	}
	must(t, os.WriteFile(filepath.Join(dir, "setting.jpg"), []byte("another prefix"), 0o600))
	return buckettest.New(t, dir), filepath.Join(dir, "set")
}

const address = "s3://" + buckettest.Bucket + "/set"

func TestObjectsOfABucket(t *testing.T) {
	bucket(t, 20)
	for _, prefix := range []string{address, address + "/"} {
		members, err := list(prefix)
		if err != nil || len(members) != 20 {
			t.Fatalf("%s: %d objects, %v", prefix, len(members), err)
		}
		for i, m := range members {
			data, err := read(m.At)
			if err != nil || string(data) != photoIn(i) || m.Name != fmt.Sprintf("%02d.jpg", i) ||
				m.At.String() != address+"/"+m.Name || m.Size != int64(len(data)) || !source.Remote(m.At) {
				t.Errorf("%+v: %q, %v", m, data, err)
			}
			if stat, err := m.At.Stat(); err != nil || stat.ModTime.IsZero() || stat.Inode == 0 {
				t.Errorf("%+v, %v", stat, err)
			}
		}
	}
	one, err := source.NewObject(address + "/03.jpg")
	must(t, err)
	if data, err := read(one); err != nil || string(data) != photoIn(3) {
		t.Errorf("%q, %v", data, err)
	}
}

func TestABucketThatRefuses(t *testing.T) {
	server, folder := bucket(t, 5)
	members, err := list(address)
	must(t, err)
	status, code := 0, ""
	server.Answer = func(w http.ResponseWriter, _ *http.Request, key string, n int) bool {
		if status == 0 {
			return false
		}
		buckettest.Refuse(w, status, code)
		return true
	}
	var bad *source.Damaged
	for s, c := range map[int]struct {
		code string
		kind fail.Kind
	}{
		http.StatusForbidden:          {"AccessDenied", fail.Usage},
		http.StatusPreconditionFailed: {"PreconditionFailed", fail.Rejected},
		http.StatusNotFound:           {"NoSuchKey", 0},
	} {
		status, code = s, c.code
		_, err := members[0].At.Open()
		if c.kind == 0 && !errors.As(err, &bad) || c.kind != 0 && fail.KindOf(err) != c.kind ||
			strings.Contains(fmt.Sprint(err, fail.HintOf(err)), buckettest.Secret) {
			t.Errorf("%d: %v", s, err)
		}
	}
	status = 0
	must(t, os.WriteFile(filepath.Join(folder, "01.jpg"), []byte(strings.Repeat("x", len(photoIn(1)))), 0o600))
	if _, err := members[1].At.Open(); fail.KindOf(err) != fail.Rejected {
		t.Errorf("an object that changed: %v", err)
	}
	server.Answer = func(w http.ResponseWriter, _ *http.Request, key string, n int) bool {
		if n == 1 {
			buckettest.Refuse(w, http.StatusServiceUnavailable, "SlowDown") // the client asks again
			return true
		}
		server.Tear(w, key)
		return true
	}
	var number interface{ Timeout() bool }
	if _, err := read(members[2].At); err == nil || errors.As(err, &bad) || errors.As(err, &number) ||
		fail.KindOf(err) != fail.Other || server.Requests("set/02.jpg") != 2 {
		t.Errorf("half an object: %v, after %d requests", err, server.Requests("set/02.jpg"))
	}
	for _, where := range []string{"s3://none/set", "s3://", "s3://A_B", address + "/shard.tar",
		address + "/a.parquet"} {
		if _, err := list(where); fail.KindOf(err) != fail.Usage || fail.HintOf(err) == "" {
			t.Errorf("%s: %v", where, err)
		}
	}
	t.Setenv("AWS_ENDPOINT_URL", "nonsense")
	if _, err := list("s3://other/set"); fail.KindOf(err) != fail.Usage ||
		!strings.Contains(err.Error(), "AWS_ENDPOINT_URL") {
		t.Errorf("%v", err)
	}
}

func TestPhotosAtAddresses(t *testing.T) {
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		switch r.URL.Path {
		case "/photo":
			_, _ = w.Write([]byte("photo " + r.URL.Query().Get("id")))
		case "/chunked":
			for range 3 {
				_, _ = w.Write([]byte("part "))
				w.(http.Flusher).Flush()
			}
		case "/busy":
			w.WriteHeader(http.StatusTooManyRequests)
		default:
			w.WriteHeader(http.StatusGone)
		}
	}))
	t.Cleanup(server.Close)
	rels := map[string]bool{}
	for path, want := range map[string]string{
		"/photo?id=1": "photo 1", "/photo?id=2": "photo 2", "/photo": "photo ", "/chunked": "part part part ",
		"/photo?X-Amz-Signature=" + buckettest.Secret: "photo ",
	} {
		a, err := source.NewAddress(server.URL + path)
		must(t, err)
		c, err := a.Open()
		must(t, err)
		stat, err := c.Stat()
		must(t, err)
		data := make([]byte, stat.Size)
		_, err = io.ReadFull(c, data)
		if err != nil || string(data) != want || a.String() != server.URL+strings.Split(path, "?")[0] {
			t.Errorf("%s: %q, %v", path, data, err)
		}
		must(t, c.Close())
		rels[a.Rel()] = true
		if strings.Contains(a.Rel(), buckettest.Secret) || !strings.HasPrefix(a.Rel(), server.URL) {
			t.Errorf("%s", a.Rel())
		}
	}
	if len(rels) != 4 { // the signed one is the plain one
		t.Errorf("%v", rels)
	}
	var bad *source.Damaged
	gone, err := source.NewAddress(server.URL + "/gone?sig=" + buckettest.Secret)
	must(t, err)
	if _, err := gone.Open(); !errors.As(err, &bad) || strings.Contains(err.Error(), buckettest.Secret) {
		t.Errorf("%v", err)
	}
	busy, err := source.NewAddress(server.URL + "/busy")
	must(t, err)
	if _, err := busy.Open(); err == nil || errors.As(err, &bad) {
		t.Errorf("%v", err)
	}
	server.Close()
	if _, err := gone.Open(); err == nil || strings.Contains(err.Error(), buckettest.Secret) {
		t.Errorf("%v", err)
	}
	if _, err := source.NewAddress("https://%zz?" + buckettest.Secret); err == nil ||
		strings.Contains(err.Error(), buckettest.Secret) {
		t.Errorf("%v", err)
	}
}

func TestFetchingAhead(t *testing.T) {
	const n = 400 // more than are held at once
	server, _ := bucket(t, n)
	server.Page = 1000
	members, err := list(address)
	must(t, err)
	server.Delay = 20 * time.Millisecond
	var running, most atomic.Int32
	server.Answer = func(w http.ResponseWriter, _ *http.Request, key string, n int) bool {
		now := running.Add(1)
		defer running.Add(-1)
		for before := most.Load(); now > before && !most.CompareAndSwap(before, now); before = most.Load() {
		}
		time.Sleep(5 * time.Millisecond)
		if key == "set/05.jpg" && n == 1 {
			server.Tear(w, key)
		}
		return false
	}
	var sources []source.Source
	for _, m := range members {
		sources = append(sources, m.At)
	}
	ahead := source.NewAhead(t.Context(), sources)
	for _, i := range append([]int{n - 1, 3}, sequence(n-1)...) { // one out of turn, one twice
		if i == n-100 { // near the end it goes on as it began
			most.Store(0)
		}
		data, err := read(ahead.Source(i))
		if err != nil && members[i].Name == "05.jpg" { // the first try failed, the next is one of its own
			data, err = read(ahead.Source(i))
		}
		number, atoiErr := strconv.Atoi(strings.TrimSuffix(members[i].Name, ".jpg"))
		if err := errors.Join(err, atoiErr); err != nil || string(data) != photoIn(number) {
			t.Errorf("%d: %q, %v", i, data, err)
		}
	}
	if n := most.Load(); n < 8 {
		t.Errorf("at most %d requests ran at once", n)
	}
	if n := server.Requests("set/" + members[3].Name); n != 2 {
		t.Errorf("a photo that was read twice was requested %d times", n)
	}
	if n := server.Requests("set/40.jpg"); n != 1 {
		t.Errorf("a photo that was read once was requested %d times", n)
	}
}

func sequence(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}
