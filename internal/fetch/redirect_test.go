package fetch_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"fx/internal/fail"
	"fx/internal/progress"
)

// A presigned address is a secret, wherever a redirect to it goes wrong.
func TestQueriesAreNotShown(t *testing.T) {
	const secret = "Signature=secret"
	for label, location := range map[string]string{
		"no address":      "http://host/%zz?" + secret,
		"no such host":    "http://127.0.0.1:1/file?" + secret,
		"another scheme":  "ftp://host/file?" + secret,
		"the tenth":       "?" + secret,
		"a broken answer": "", // below
	} {
		t.Run(label, func(t *testing.T) {
			s := serve(t, text)
			deaf := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
				panic(http.ErrAbortHandler)
			}))
			defer deaf.Close()
			if location == "" {
				location = deaf.URL + "/file?" + secret
			}
			redirect := func(w http.ResponseWriter, _ *http.Request) bool {
				w.Header().Set("Location", location)
				w.WriteHeader(http.StatusFound)
				return true
			}
			for range 50 {
				s.trouble = append(s.trouble, redirect)
			}
			w := &watcher{}
			_, err := fast.Get(t.Context(), s.file(t), w)
			if err == nil {
				t.Fatal("no error")
			}
			for _, line := range append(w.notes, err.Error(), fail.HintOf(err)) {
				if strings.Contains(line, "secret") {
					t.Errorf("%q", line)
				}
			}
		})
	}
}

// The token is for one host: net/http would take it to other ports and to subdomains.
func TestTheTokenStaysOnItsHost(t *testing.T) {
	s := serve(t, text)
	var got []string
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = append(got, r.Header.Get("Authorization")+r.Header.Get("Referer"))
		s.trouble = nil
		s.answer(w, r)
	}))
	defer other.Close()
	s.trouble = append(s.trouble, func(w http.ResponseWriter, r *http.Request) bool {
		got = append(got, r.Header.Get("Authorization"))
		http.Redirect(w, r, "/elsewhere?a=b", http.StatusFound)
		return true
	}, func(w http.ResponseWriter, r *http.Request) bool {
		got = append(got, r.Header.Get("Authorization"))
		http.Redirect(w, r, other.URL, http.StatusFound)
		return true
	})
	f := s.file(t)
	f.Token = "hf_token"
	if _, err := fast.Get(t.Context(), f, progress.Discard); err != nil {
		t.Fatal(err)
	}
	if len(got) != 3 || got[0] != "Bearer hf_token" || got[1] != got[0] || got[2] != "" {
		t.Errorf("%q", got)
	}
	wantFile(t, f, text)
}
