package buckettest

import (
	"crypto/md5"
	"encoding/hex"
	"encoding/xml"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Bucket is the name of the bucket.
const Bucket = "photos"

// Secret is the secret key that clients sign with; a test looks for it where it must not be.
const Secret = "top-secret-key"

// Server is a server with one bucket.
type Server struct {
	URL string
	// Answer, if not nil, answers the request for an object itself, and reports whether it did. n counts the requests
	// for the object from 1.
	Answer func(w http.ResponseWriter, r *http.Request, key string, n int) bool
	// Delay is added to every answer.
	Delay time.Duration
	// Page is the most keys of an answer to a listing.
	Page int

	folder string
	mutex  sync.Mutex
	count  map[string]int
}

// New serves the files in folder until the test ends, and directs clients of S3 to the server.
func New(t testing.TB, folder string) *Server {
	t.Helper()
	s := &Server{folder: folder, count: map[string]int{}, Page: 7}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.URL = server.URL
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL": s.URL, "AWS_ENDPOINT_URL_S3": "", "AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "access",
		"AWS_SECRET_ACCESS_KEY": Secret, "AWS_SESSION_TOKEN": "", "AWS_EC2_METADATA_DISABLED": "true",
	} {
		t.Setenv(name, value)
	}
	return s
}

// Requests returns the number of requests for an object.
func (s *Server) Requests(key string) int {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.count[key]
}

type listing struct {
	XMLName               xml.Name `xml:"ListBucketResult"`
	IsTruncated           bool
	NextContinuationToken string `xml:",omitempty"`
	Contents              []content
}

type content struct {
	Key          string
	LastModified string
	ETag         string
	Size         int64
}

// ServeHTTP answers.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	time.Sleep(s.Delay)
	name, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	switch {
	case name != Bucket:
		Refuse(w, http.StatusNotFound, "NoSuchBucket")
	case !strings.Contains(r.Header.Get("Authorization"), "Credential=access/"):
		Refuse(w, http.StatusForbidden, "AccessDenied")
	case key == "":
		s.list(w, r)
	default:
		s.object(w, r, key)
	}
}

// Refuse answers with an error of S3's.
func Refuse(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	_, _ = w.Write([]byte("<Error><Code>" + code + "</Code><Message>refused</Message></Error>")) // the client is gone
}

func (s *Server) list(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	var all []content
	_ = filepath.WalkDir(s.folder, func(path string, d fs.DirEntry, err error) error { // what is gone is not listed
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(s.folder, path)
		if key := filepath.ToSlash(rel); err == nil && strings.HasPrefix(key, query.Get("prefix")) {
			if c, _, ok := s.read(key); ok {
				all = append(all, c)
			}
		}
		return err
	})
	sort.Slice(all, func(i, j int) bool { return all[i].Key < all[j].Key })
	start, _ := strconv.Atoi(query.Get("continuation-token")) // 0 at first
	l := listing{Contents: all[min(start, len(all)):min(start+s.Page, len(all))]}
	if start+s.Page < len(all) {
		l.IsTruncated, l.NextContinuationToken = true, strconv.Itoa(start+s.Page)
	}
	w.Header().Set("Content-Type", "application/xml")
	_ = xml.NewEncoder(w).Encode(l) // the client is gone
}

// read returns an object of the folder.
func (s *Server) read(key string) (content, []byte, bool) {
	path := filepath.Join(s.folder, filepath.FromSlash(key))
	data, err := os.ReadFile(path)
	if err != nil {
		return content{}, nil, false
	}
	info, err := os.Stat(path)
	if err != nil {
		return content{}, nil, false
	}
	sum := md5.Sum(data)
	return content{
		Key: key, Size: int64(len(data)), ETag: `"` + hex.EncodeToString(sum[:]) + `"`,
		LastModified: info.ModTime().UTC().Format("2006-01-02T15:04:05.000Z"),
	}, data, true
}

func (s *Server) object(w http.ResponseWriter, r *http.Request, key string) {
	s.mutex.Lock()
	s.count[key]++
	n := s.count[key]
	s.mutex.Unlock()
	if s.Answer != nil && s.Answer(w, r, key, n) {
		return
	}
	c, data, ok := s.read(key)
	if !ok {
		Refuse(w, http.StatusNotFound, "NoSuchKey")
		return
	}
	if match := r.Header.Get("If-Match"); match != "" && strings.Trim(match, `"`) != strings.Trim(c.ETag, `"`) {
		Refuse(w, http.StatusPreconditionFailed, "PreconditionFailed")
		return
	}
	modified, _ := time.Parse("2006-01-02T15:04:05.000Z", c.LastModified)
	w.Header().Set("Last-Modified", modified.Format(http.TimeFormat))
	w.Header().Set("ETag", c.ETag)
	w.Header().Set("Content-Length", strconv.Itoa(len(data)))
	_, _ = w.Write(data) // the client is gone
}

// Tear begins to answer with half of an object, and ends the connection.
func (s *Server) Tear(w http.ResponseWriter, key string) {
	c, data, _ := s.read(key)
	w.Header().Set("Last-Modified", time.Now().UTC().Format(http.TimeFormat))
	w.Header().Set("ETag", c.ETag)
	w.Header().Set("Content-Length", strconv.Itoa(len(data)))
	_, _ = w.Write(data[:len(data)/2])
	if f, ok := w.(http.Flusher); ok {
		f.Flush()
	}
	panic(http.ErrAbortHandler)
}
