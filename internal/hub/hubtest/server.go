package hubtest

import (
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Secret is in the query of every address on the CDN: no message and no file may contain it.
const Secret = "presigned-secret"

// Request is a request that the hub or its CDN got.
type Request struct {
	CDN                                bool
	Method, Path, Authorization, Range string
}

// Server is the hub and its CDN, on two ports. Source of the headers: huggingface_hub, file_download.py and
// utils/_http.py.
type Server struct {
	URL string // HF_ENDPOINT

	mu       sync.Mutex
	cdn      *httptest.Server
	repos    map[string]*repo
	requests []Request
	trouble  []Trouble
}

// Trouble is what goes wrong with one answer. The zero value is none.
type Trouble struct {
	Status     int         // the answer has this status and no file, unless it is 0
	Header     http.Header // of the answer with Status
	Cut        int         // the connection ends after so many bytes of the body, unless it is 0
	Substitute string      // the body from the CDN, unless it is ""
}

type repo struct {
	main    string
	commits map[string]map[string]string // commit → file → content
	token   string                       // without which nobody may read it
	gated   bool
}

// Start starts a hub without repositories, until stop is called.
func Start() (s *Server, stop func()) {
	s = &Server{repos: map[string]*repo{}}
	hub := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.answer(w, r, false) }))
	s.cdn = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.answer(w, r, true) }))
	s.URL = hub.URL
	return s, func() {
		hub.Close()
		s.cdn.Close()
	}
}

// New starts a hub without repositories, and sets HF_ENDPOINT to it and HF_HOME to an empty folder.
func New(t testing.TB) *Server {
	s, stop := Start()
	t.Cleanup(stop)
	t.Setenv("HF_ENDPOINT", s.URL)
	t.Setenv("HF_HOME", t.TempDir())
	for _, name := range []string{"HF_TOKEN", "HF_TOKEN_PATH", "HF_HUB_CACHE", "HF_HUB_OFFLINE"} {
		t.Setenv(name, "")
	}
	return s
}

// Commit adds files to a repository, which it creates if it is missing, and returns the new commit, now main.
func (s *Server) Commit(name string, files map[string]string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.repos[name]
	if r == nil {
		r = &repo{commits: map[string]map[string]string{}}
		s.repos[name] = r
	}
	all := maps.Clone(r.commits[r.main])
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, files)
	sum := sha1.Sum(fmt.Append(nil, name, len(r.commits), files))
	r.main = hex.EncodeToString(sum[:])
	r.commits[r.main] = all
	return r.main
}

// Forget removes a commit of a repository, as a rewritten history does.
func (s *Server) Forget(name, commit string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.repos[name].commits, commit)
}

// Restrict lets only the token read a repository. A gated one names its page to others.
func (s *Server) Restrict(name, token string, gated bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.repos[name].token, s.repos[name].gated = token, gated
}

// Trouble troubles the next answers, one each.
func (s *Server) Trouble(list ...Trouble) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trouble = append(s.trouble, list...)
}

// Requests returns the requests since the last call.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := s.requests
	s.requests = nil
	return list
}

func (s *Server) answer(w http.ResponseWriter, r *http.Request, cdn bool) {
	seen := Request{CDN: cdn, Method: r.Method, Path: r.URL.Path, Authorization: r.Header.Get("Authorization"),
		Range: r.Header.Get("Range")}
	s.mu.Lock()
	s.requests = append(s.requests, seen)
	var trouble Trouble
	if len(s.trouble) > 0 {
		trouble, s.trouble = s.trouble[0], s.trouble[1:]
	}
	s.mu.Unlock()
	if trouble.Status != 0 {
		maps.Copy(w.Header(), trouble.Header)
		w.WriteHeader(trouble.Status)
		return
	}
	whole := w
	if trouble.Cut > 0 {
		w = &cutWriter{w, trouble.Cut}
	}
	if cdn {
		s.blob(w, r, trouble.Substitute)
	} else {
		s.resolve(w, r)
	}
	if trouble.Cut > 0 {
		_ = http.NewResponseController(whole).Flush() // the client must get the bytes before the end
		panic(http.ErrAbortHandler)
	}
}

type cutWriter struct {
	http.ResponseWriter
	left int
}

func (c *cutWriter) Write(b []byte) (int, error) {
	b = b[:min(len(b), c.left)]
	c.left -= len(b)
	if len(b) == 0 {
		return 0, http.ErrAbortHandler
	}
	return c.ResponseWriter.Write(b)
}

// resolve answers for /ORG/NAME/resolve/REVISION/FILE.
func (s *Server) resolve(w http.ResponseWriter, r *http.Request) {
	name, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/resolve/")
	revision, file, _ := strings.Cut(rest, "/")
	refuse := func(status int, code string) {
		w.Header().Set("X-Error-Code", code)
		w.WriteHeader(status)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	repo := s.repos[name]
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	switch {
	case repo == nil && token == "":
		refuse(http.StatusUnauthorized, "RepoNotFound")
		return
	case repo == nil:
		refuse(http.StatusNotFound, "RepoNotFound")
		return
	case repo.token != "" && token == "":
		refuse(http.StatusUnauthorized, map[bool]string{true: "GatedRepo", false: "RepoNotFound"}[repo.gated])
		return
	case repo.token != "" && token != repo.token && repo.gated:
		refuse(http.StatusForbidden, "GatedRepo")
		return
	case repo.token != "" && token != repo.token:
		refuse(http.StatusUnauthorized, "")
		return
	}
	if revision == "main" {
		revision = repo.main
	}
	content, found := repo.commits[revision][file]
	switch {
	case repo.commits[revision] == nil:
		refuse(http.StatusNotFound, "RevisionNotFound")
		return
	case !found:
		w.Header().Set("X-Repo-Commit", revision)
		refuse(http.StatusNotFound, "EntryNotFound")
		return
	}
	w.Header().Set("X-Repo-Commit", revision)
	if !large(file) {
		w.Header().Set("ETag", strconv.Quote(Blob(file, content)))
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader(content))
		return
	}
	w.Header().Set("X-Linked-Etag", strconv.Quote(Blob(file, content)))
	w.Header().Set("X-Linked-Size", strconv.Itoa(len(content)))
	w.Header().Set("Location", fmt.Sprintf("%s/%s/%s/%s?Signature=%s", s.cdn.URL, name, revision, file, Secret))
	w.WriteHeader(http.StatusFound)
}

// blob answers for /ORG/NAME/COMMIT/FILE on the CDN.
func (s *Server) blob(w http.ResponseWriter, r *http.Request, substitute string) {
	part := strings.SplitN(strings.TrimPrefix(r.URL.Path, "/"), "/", 4)
	s.mu.Lock()
	content := s.repos[part[0]+"/"+part[1]].commits[part[2]][part[3]]
	s.mu.Unlock()
	if r.URL.Query().Get("Signature") != Secret || r.Header.Get("Authorization") != "" { // as S3 does
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	w.Header().Set("ETag", strconv.Quote(Blob(part[3], content)+"-2"))
	if substitute != "" {
		content = substitute
	}
	http.ServeContent(w, r, "", time.Time{}, strings.NewReader(content))
}

// large reports whether the hub keeps the file in LFS.
func large(file string) bool { return strings.HasSuffix(file, ".safetensors") }

// Blob returns the checksum that the hub states for a file: the SHA-256 of a file in LFS, else the name of its git
// blob.
func Blob(file, content string) string {
	if large(file) {
		sum := sha256.Sum256([]byte(content))
		return hex.EncodeToString(sum[:])
	}
	sum := sha1.Sum(fmt.Appendf(nil, "blob %d\x00%s", len(content), content))
	return hex.EncodeToString(sum[:])
}

// UserCache puts files into the user's hub cache below HF_HOME as the commit that is main, as huggingface_hub does.
func UserCache(t testing.TB, name, commit string, files map[string]string) {
	t.Helper()
	dir := filepath.Join(os.Getenv("HF_HOME"), "hub", "models--"+strings.ReplaceAll(name, "/", "--"))
	write := func(content string, elem ...string) {
		path := filepath.Join(append([]string{dir}, elem...)...)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write(commit, "refs", "main")
	for file, content := range files {
		write(content, "blobs", Blob(file, content))
		link := filepath.Join(dir, "snapshots", commit, file)
		if err := os.MkdirAll(filepath.Dir(link), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(filepath.Join("..", "..", "blobs", Blob(file, content)), link); err != nil {
			t.Fatal(err)
		}
	}
}
