package cli

import (
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"fx/internal/ort/orttest"
	"fx/internal/source/buckettest"
)

// Photos in a bucket give the rows of the folder, whatever happens on the way, and no file or message contains a
// secret.
func TestABucketGivesTheRowsOfItsFolder(t *testing.T) {
	orttest.Library(t)
	dir := t.TempDir()
	served := filepath.Join(dir, "served")
	data, folder, store := twoClasses(filepath.Join(served, "sets", "data")), filepath.Join(dir, "folder"),
		filepath.Join(dir, "store")
	must(t, filepath.WalkDir(served, func(path string, d fs.DirEntry, err error) error {
		past := time.Now().Add(-time.Hour) // long enough ago to be sure that nothing changes any more
		return errors.Join(err, os.Chtimes(path, past, past))
	}))
	server := buckettest.New(t, served)
	server.Delay = time.Millisecond
	bucket := "s3://" + buckettest.Bucket + "/sets/data"
	extract := func(data, out string) []string {
		return []string{"extract", "--backbone", tinyNetwork, "--data", data, "--out", out, "--json"}
	}
	summary := func(a answer) (s struct {
		Computed, Cached int
		Rejected         []struct{ Path, Reason string }
	}) {
		t.Helper()
		must(t, json.Unmarshal([]byte(a.stdout), &s))
		return s
	}
	succeed(t, extract(data, folder)...)
	rows, features := embeddings(t, folder)

	server.Answer = func(w http.ResponseWriter, _ *http.Request, key string, n int) bool {
		if strings.HasSuffix(key, "red/2.jpg") {
			buckettest.Refuse(w, http.StatusForbidden, "AccessDenied")
			return true
		}
		return false
	}
	a := fx(t, extract(bucket, store)...)
	if a.code != 2 || !strings.Contains(a.stderr, "red/2.jpg may not be read") {
		t.Errorf("a photo that is denied: exit code %d: %s", a.code, a.stderr)
	}
	server.Answer = func(w http.ResponseWriter, _ *http.Request, key string, n int) bool {
		switch {
		case n%2 == 1 && strings.HasSuffix(key, "3.jpg"):
			server.Tear(w, key)
		case n%2 == 1 && strings.HasSuffix(key, "4.jpg"):
			buckettest.Refuse(w, http.StatusServiceUnavailable, "SlowDown")
			return true
		}
		return false
	}
	b := succeed(t, extract(bucket, store)...)
	gotRows, gotFeatures := embeddings(t, store)
	paths := func(i int) string { return rows[i].Path + rows[i].SHA256.String() + rows[i].Class + rows[i].Split }
	for i := range gotRows {
		r := &gotRows[i]
		if r.Path+r.SHA256.String()+r.Class+r.Split != paths(i) {
			t.Errorf("row %d is %+v, the folder's is %+v", i, r, rows[i])
		}
	}
	if len(gotRows) != len(rows) || !slices.Equal(gotFeatures, features) {
		t.Errorf("%d rows, %d in the folder, or other features", len(gotRows), len(rows))
	}
	server.Answer = nil
	if s := summary(succeed(t, extract(bucket, store)...)); s.Computed != 0 || s.Cached != len(rows) {
		t.Errorf("again: %+v", s)
	}
	if n := server.Requests("sets/data/val/blue/1.jpg"); n > 2 {
		t.Errorf("a photo was requested %d times", n)
	}
	for name, text := range content(t, store) {
		if strings.Contains(text, buckettest.Secret) {
			t.Errorf("%s contains the secret key", name)
		}
	}
	if all := a.stderr + b.stderr + b.stdout; strings.Contains(all, buckettest.Secret) {
		t.Errorf("%s", all)
	}

	must(t, os.Remove(filepath.Join(data, "val", "red", "0.jpg")))
	if s := summary(succeed(t, extract(bucket, store)...)); s.Computed != 0 || s.Cached != len(rows)-1 {
		t.Errorf("without a photo: %+v", s)
	}
	server.URL = ""
	t.Setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
	if a := fx(t, extract(bucket, store)...); a.code != 10 {
		t.Errorf("a server that is gone: exit code %d: %s", a.code, a.stderr)
	}
	if again, _ := embeddings(t, store); len(again) != len(rows)-1 {
		t.Errorf("%d rows are left", len(again))
	}
}

// A list may name photos by their addresses; what signs them is in no file and no message.
func TestAListOfAddresses(t *testing.T) {
	orttest.Library(t)
	dir := t.TempDir()
	folder := twoClasses(filepath.Join(dir, "served"))
	server := buckettest.New(t, folder)
	web := httptest.NewServer(http.StripPrefix("/files/", http.FileServer(http.Dir(folder))))
	t.Cleanup(web.Close)
	plain := web.URL
	list := "path,label,split\n"
	for _, split := range []string{"train", "val"} {
		for _, class := range []string{"blue", "red"} {
			for _, name := range []string{"0.jpg", "1.jpg", "2.jpg"} {
				path := split + "/" + class + "/" + name
				where := plain + "/files/" + path + "?X-Amz-Signature=" + buckettest.Secret
				if name == "2.jpg" {
					where = "s3://" + buckettest.Bucket + "/" + path
				}
				list += where + "," + class + "," + split + "\n"
			}
		}
	}
	list += plain + "/files/none.jpg?sig=" + buckettest.Secret + ",red,train\n"
	file, store := filepath.Join(dir, "list.csv"), filepath.Join(dir, "store")
	must(t, os.WriteFile(file, []byte(list), 0o600))
	a := succeed(t, "extract", "--backbone", tinyNetwork, "--data", file, "--out", store)
	if n := rows(t, store); n != 12 || !strings.Contains(a.stdout, "none.jpg: the server answers 404") {
		t.Errorf("%d rows: %s", n, a.stdout)
	}
	if server.Requests("train/red/2.jpg") != 1 {
		t.Errorf("an object was requested %d times", server.Requests("train/red/2.jpg"))
	}
	for name, text := range content(t, store) {
		if strings.Contains(text, buckettest.Secret) {
			t.Errorf("%s contains the secret", name)
		}
	}
	if strings.Contains(a.stdout+a.stderr, buckettest.Secret) {
		t.Errorf("%s%s", a.stdout, a.stderr)
	}
}
