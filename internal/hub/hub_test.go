package hub_test

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"fx/internal/fail"
	"fx/internal/fetch"
	"fx/internal/hub"
	"fx/internal/hub/hubtest"
	"fx/internal/progress"
)

const (
	name  = "timm/tiny.a1_in1k"
	file  = "model.safetensors"
	token = "hf_token_that_must_stay_secret"
)

var content = strings.Repeat("the weights of the hub ", 10_000)

// log keeps the notes.
type log struct{ notes []string }

func (l *log) Begin(string, int64, string) progress.Task { return progress.Discard.Begin("", 0, "") }
func (l *log) Note(line string)                          { l.notes = append(l.notes, line) }

// machine is an empty cache and a hub with one repository.
type machine struct {
	*hubtest.Server
	log
	t             *testing.T
	cache, commit string
}

func newMachine(t *testing.T) *machine {
	m := &machine{Server: hubtest.New(t), t: t, cache: t.TempDir()}
	t.Setenv("FX_CACHE_DIR", m.cache)
	m.commit = m.Commit(name, map[string]string{file: content, "config.json": `{"architecture": "tiny"}`})
	t.Cleanup(m.keepsSecrets)
	return m
}

func (m *machine) open(commit string) *hub.Repo {
	m.t.Helper()
	repo, err := hub.Open(name, commit)
	if err != nil {
		m.t.Fatal(err)
	}
	repo.Client = fetch.Client{Backoff: time.Millisecond, Stall: 5 * time.Second}
	return repo
}

func (m *machine) fetch(file string) (fetch.Result, error) {
	m.t.Helper()
	got, err := m.open("").Fetch(m.t.Context(), file, 1<<30, &m.log)
	if err != nil {
		m.notes = append(m.notes, err.Error(), fail.HintOf(err)) // keepsSecrets reads them
	}
	return got, err
}

// want demands the content of the file, at the commit.
func (m *machine) want(file, content, commit string) fetch.Result {
	m.t.Helper()
	got, err := m.fetch(file)
	text, readErr := os.ReadFile(got.Path)
	if err != nil || readErr != nil || string(text) != content || !strings.Contains(got.Path, commit) {
		m.t.Errorf("%s: %d bytes, %v, %v; want %d bytes of commit %s", got.Path, len(text), err, readErr, len(content),
			commit)
	}
	return got
}

// wantError demands an error whose text and hint hold the words.
func (m *machine) wantError(file string, words ...string) error {
	m.t.Helper()
	got, err := m.fetch(file)
	if err == nil || fail.HintOf(err) == "" {
		m.t.Errorf("%+v, error %v, hint %q", got, err, fail.HintOf(err))
		return err
	}
	for _, word := range words {
		if !strings.Contains(err.Error()+"\n"+fail.HintOf(err), word) {
			m.t.Errorf("error %v, hint %q: want %q in it", err, fail.HintOf(err), word)
		}
	}
	return err
}

// keepsSecrets demands that no note and no file has the token or the query of a presigned address, and that the CDN
// never got the token.
func (m *machine) keepsSecrets() {
	texts := slices.Clone(m.notes)
	_ = filepath.WalkDir(m.cache, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			text, err := os.ReadFile(path)
			if err != nil {
				m.t.Error(err)
			}
			texts = append(texts, path+string(text))
		}
		return err
	})
	for _, text := range texts {
		if strings.Contains(text, token) || strings.Contains(text, hubtest.Secret) {
			m.t.Errorf("a secret in %.200q", text)
		}
	}
	for _, r := range m.Requests() {
		if r.CDN && r.Authorization != "" {
			m.t.Errorf("the CDN got %q", r.Authorization)
		}
	}
}

func TestTheFirstCommitIsAskedForEverAfter(t *testing.T) {
	m := newMachine(t)
	t.Setenv("HF_TOKEN", token)
	got := m.want(file, content, m.commit)
	if !got.Downloaded || got.SHA256 != hubtest.Blob(file, content) || !got.Seen.Here {
		t.Errorf("%+v", got)
	}
	requests := m.Requests()
	if len(requests) != 3 || requests[0].Authorization != "Bearer "+token || requests[2].Authorization != "" ||
		requests[1].Path != "/"+name+"/resolve/"+m.commit+"/"+file {
		t.Errorf("requests %+v", requests)
	}
	second := m.Commit(name, map[string]string{file: "other weights", "config.json": "{}"})
	if err := os.Remove(got.Path); err != nil {
		t.Fatal(err)
	}
	m.want(file, content, m.commit)
	m.want("config.json", `{"architecture": "tiny"}`, m.commit)

	record := filepath.Join(m.cache, "registry", "hub", "timm--tiny.a1_in1k.json")
	if err := os.Remove(record); err != nil {
		t.Fatal(err)
	}
	m.want(file, "other weights", second)
	m.Forget(name, second)
	m.wantError("config.json", "has the commit "+second+" no longer", "Delete "+record)
	if err := os.WriteFile(record, []byte(`{"version": 1, "repo": "timm/other"}`), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := hub.Open(name, ""); err == nil || !strings.Contains(fail.HintOf(err), "Delete "+record) {
		t.Errorf("%v", err)
	}
	if err := os.WriteFile(record, []byte(`{"version": 2}`), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := hub.Open(name, ""); err == nil || !strings.Contains(err.Error(), "format version 2") {
		t.Errorf("%v", err)
	}
}

func TestAnInterruptedDownloadKeepsItsCommit(t *testing.T) {
	m := newMachine(t)
	ctx, cancel := context.WithCancel(t.Context())
	repo := m.open("")
	repo.Client.Backoff = time.Hour // the cut ends the run
	time.AfterFunc(100*time.Millisecond, cancel)
	m.Trouble(hubtest.Trouble{}, hubtest.Trouble{}, hubtest.Trouble{Cut: 100_000})
	if _, err := repo.Fetch(ctx, file, 1<<30, &m.log); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	m.Commit(name, map[string]string{file: "other weights"})
	m.Requests()
	if got := m.want(file, content, m.commit); got.Resumed == 0 {
		t.Errorf("%+v", got)
	}
	if r := m.Requests(); len(r) != 3 || r[2].Range == "" {
		t.Errorf("requests %+v", r)
	}
}

func TestACutConnectionIsResumed(t *testing.T) {
	m := newMachine(t)
	m.Trouble(hubtest.Trouble{}, hubtest.Trouble{}, hubtest.Trouble{Cut: 100_000}, hubtest.Trouble{},
		hubtest.Trouble{Cut: 50_000})
	m.want(file, content, m.commit)
	var ranges []string
	for _, r := range m.Requests() {
		if r.CDN {
			ranges = append(ranges, r.Range)
		}
	}
	if len(ranges) != 3 || ranges[0] != "" || ranges[1] != "bytes=100000-" || ranges[2] != "bytes=150000-" {
		t.Errorf("ranges %q", ranges)
	}
}

func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		label, token string
		prepare      func(m *machine)
		words        []string
	}{
		{"private", "", func(m *machine) { m.Restrict(name, "hf_other", false) },
			[]string{"does not exist, or is private or gated", "/settings/tokens", "HF_TOKEN"}},
		{"gated", "", func(m *machine) { m.Restrict(name, "hf_other", true) },
			[]string{"is gated", "Accept the licence at http://127.0.0.1", name, "HF_TOKEN"}},
		{"gated, another account", token, func(m *machine) { m.Restrict(name, "hf_other", true) },
			[]string{"the account of the token in HF_TOKEN may not read " + name, "accept the licence"}},
		{"an old token", token, func(m *machine) { m.Restrict(name, "hf_other", false) },
			[]string{"does not accept the token in HF_TOKEN", "Make a new token"}},
		{"too many requests", "", func(m *machine) {
			m.Trouble(slices.Repeat([]hubtest.Trouble{{Status: http.StatusTooManyRequests}}, 4)...)
		}, []string{"limits how often", "Wait some minutes", "in HF_TOKEN more is allowed"}},
		{"a limit that says when it ends", token, func(m *machine) {
			m.Trouble(slices.Repeat([]hubtest.Trouble{{Status: http.StatusTooManyRequests,
				Header: http.Header{"Ratelimit": {`"resolvers";r=0;t=55`}}}}, 4)...)
		}, []string{"Wait 55 seconds"}},
		{"a fault", "", func(m *machine) { m.Trouble(slices.Repeat([]hubtest.Trouble{{Status: 503}}, 4)...) },
			[]string{"the hub has a fault", "503", "again later"}},
		{"a CDN that refuses", token, func(m *machine) {
			m.Trouble(hubtest.Trouble{}, hubtest.Trouble{}, hubtest.Trouble{Status: 403})
		}, []string{"to which the hub sends for the file, refuses it", "403"}},
		{"no hub", "", func(m *machine) { m.Trouble(hubtest.Trouble{Status: 200}) },
			[]string{"names no commit", "HF_ENDPOINT"}},
		{"no checksum", "", func(m *machine) {
			m.Trouble(hubtest.Trouble{Status: 200, Header: http.Header{"X-Repo-Commit": {m.commit}}})
		}, []string{"states no checksum"}},
		{"another commit", "", func(m *machine) {
			m.want("config.json", `{"architecture": "tiny"}`, m.commit)
			m.Trouble(hubtest.Trouble{Status: 200, Header: http.Header{"X-Repo-Commit": {strings.Repeat("ab", 20)},
				"X-Linked-Etag": {hubtest.Blob(file, content)}}})
		}, []string{"names another commit, " + strings.Repeat("ab", 20)}},
		{"other bytes", "", func(m *machine) {
			m.Trouble(hubtest.Trouble{}, hubtest.Trouble{}, hubtest.Trouble{Substitute: strings.ToUpper(content)})
		}, []string{"which must be " + hubtest.Blob(file, content), "a proxy"}},
		{"fewer bytes", "", func(m *machine) {
			m.Trouble(hubtest.Trouble{}, hubtest.Trouble{}, hubtest.Trouble{Substitute: content[1:]})
		}, []string{"but the file has"}},
		{"an endless cut", "", func(m *machine) {
			m.Trouble(slices.Concat([]hubtest.Trouble{{}}, slices.Repeat([]hubtest.Trouble{{}, {Cut: 10}}, 4))...)
		}, []string{"the connection ended before the file was whole"}},
	} {
		t.Run(c.label, func(t *testing.T) {
			m := newMachine(t)
			t.Setenv("HF_TOKEN", c.token)
			c.prepare(m)
			m.wantError(file, c.words...)
			if found, _ := filepath.Glob(filepath.Join(m.cache, "weights", "*", "*", file)); len(found) > 0 {
				t.Errorf("%s was stored", found)
			}
		})
	}
	m := newMachine(t)
	if err := m.wantError("absent.safetensors", "has no file absent.safetensors", "/tree/main"); !errors.Is(err,
		hub.ErrNoFile) {
		t.Error(err)
	}
	other := m.open("")
	other.Name = "timm/absent"
	if _, err := other.Fetch(t.Context(), file, 1<<30, &m.log); err == nil ||
		!strings.Contains(err.Error(), "timm/absent does not exist") {
		t.Error(err)
	}
}

func TestRetryAfterIsObeyed(t *testing.T) {
	m := newMachine(t)
	wait := hubtest.Trouble{Status: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {"1"}}}
	m.Trouble(wait, hubtest.Trouble{}, wait)
	m.want(file, content, m.commit)
	if waits := strings.Count(strings.Join(m.notes, "\n"), "trying again in 1s"); waits != 2 {
		t.Errorf("notes %q", m.notes)
	}
}

func TestSmallFilesHaveTheirBlob(t *testing.T) {
	m := newMachine(t)
	m.want("config.json", `{"architecture": "tiny"}`, m.commit)
	other := m.Commit(name, map[string]string{"config.json": "{}"})
	m.Commit(name, map[string]string{"config.json": "[]"})
	repo := m.open(other)
	repo.Client.Transport = otherBody{}
	if got, err := repo.Fetch(t.Context(), "config.json", 1<<30, &m.log); !errors.Is(err, fetch.ErrDigest) {
		t.Errorf("%+v, %v", got, err)
	}
}

// otherBody changes the bodies of answers, not their lengths.
type otherBody struct{}

func (otherBody) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := http.DefaultTransport.RoundTrip(r)
	if err == nil && r.Method == http.MethodGet {
		body := response.Body
		response.Body = struct {
			*strings.Reader
			closer
		}{strings.NewReader("()"), body.Close}
	}
	return response, err
}

type closer func() error

func (c closer) Close() error { return c() }

func TestOffline(t *testing.T) {
	m := newMachine(t)
	t.Setenv("HF_HUB_OFFLINE", "1")
	m.wantError(file, "HF_HUB_OFFLINE is set", "Unset HF_HUB_OFFLINE")
	if r := m.Requests(); len(r) > 0 {
		t.Errorf("requests %+v", r)
	}
	hubtest.UserCache(t, name, m.commit, map[string]string{file: content})
	path, err := m.open("").UserFile(t.Context(), file)
	if text, _ := os.ReadFile(path); err != nil || string(text) != content {
		t.Errorf("%s: %v", path, err)
	}
}

func TestTokens(t *testing.T) {
	m := newMachine(t)
	m.Restrict(name, token, true)
	path := filepath.Join(os.Getenv("HF_HOME"), "token")
	if err := os.WriteFile(path, []byte(token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	m.want(file, content, m.commit)
	t.Setenv("HF_TOKEN_PATH", filepath.Join(t.TempDir(), "absent"))
	m.wantError("config.json", "is gated")
	t.Setenv("HF_TOKEN", "hf_other")
	m.wantError("config.json", "the token in HF_TOKEN")
	t.Setenv("HF_TOKEN", token+"\nX-Header: 1")
	if _, err := m.fetch("config.json"); fail.KindOf(err) != fail.Usage {
		t.Error(err)
	}
}

func TestWrongNamesAndSettings(t *testing.T) {
	m := newMachine(t)
	for _, name := range []string{"", "/", "a/b/c", "../a", "timm/..", "timm/a--b", "timm/a b", "a/b?c"} {
		if _, err := hub.Open(name, ""); fail.KindOf(err) != fail.Usage {
			t.Errorf("%q: %v", name, err)
		}
	}
	if _, err := hub.Open(name, "main"); fail.KindOf(err) != fail.Usage {
		t.Error(err)
	}
	for _, file := range []string{"", ".", "../" + file, "/" + file, "a//b", `a\b`, "a?b", "a b", "C:a"} {
		if _, err := m.open("").Fetch(t.Context(), file, 1<<30, progress.Discard); fail.KindOf(err) != fail.Usage {
			t.Errorf("%q: %v", file, err)
		}
		if _, err := m.open("").UserFile(t.Context(), file); fail.KindOf(err) != fail.Usage {
			t.Errorf("%q: %v", file, err)
		}
	}
	for _, endpoint := range []string{"huggingface.co", "ftp://a",
		"https://user:" + token + "@host", "https://host?a=b"} {
		t.Setenv("HF_ENDPOINT", endpoint)
		if _, err := hub.Open(name, ""); fail.KindOf(err) != fail.Usage || strings.Contains(err.Error(), token) {
			t.Errorf("%q: %v", endpoint, err)
		}
	}
}

func TestTheRecordIsVersioned(t *testing.T) {
	m := newMachine(t)
	m.want(file, content, m.commit)
	text, err := os.ReadFile(filepath.Join(m.cache, "registry", "hub", "timm--tiny.a1_in1k.json"))
	if err != nil {
		t.Fatal(err)
	}
	var record map[string]any
	if err := json.Unmarshal(text, &record); err != nil {
		t.Fatal(err)
	}
	if record["version"] != 1.0 || record["commit"] != m.commit || record["repo"] != name ||
		record["endpoint"] != m.URL {
		t.Errorf("%s", text)
	}
}
