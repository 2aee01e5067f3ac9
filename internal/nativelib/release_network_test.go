package nativelib

import (
	"bytes"
	"context"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"fx/internal/fail"
	"fx/internal/testenv"
)

// A download that was interrupted or killed goes on where it stopped.
func TestAKilledDownloadGoesOn(t *testing.T) {
	if testenv.IsChild() {
		_, _ = Install(t.Context(), InstallOptions{}, &notes{}) // killed in here
		return
	}
	cache := isolate(t)
	library := append(aRuntime(t, Version), bytes.Repeat([]byte("some padding 12345"), 50_000)...)
	archive := tgz(t, releaseMembers(library)...)
	behind := serve(t, archive)
	half := len(archive) / 2
	var stop sync.WaitGroup
	stop.Add(1)
	sent := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Range") != "" {
			behind.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Last-Modified", time.Date(2024, 5, 6, 0, 0, 0, 0, time.UTC).Format(http.TimeFormat))
		w.Header().Set("Content-Length", fmt.Sprint(len(archive)))
		_, _ = w.Write(archive[:half])
		_ = http.NewResponseController(w).Flush()
		sent <- struct{}{}
		stop.Wait()
	}))
	defer server.Close()
	defer stop.Done()
	mirror := server.URL + "/mirror"
	part := filepath.Join(cache, "runtime", "downloads", filepath.Base(archivePath(cpuBuild))+".part")
	arrived := func() {
		t.Helper()
		select {
		case <-sent:
		case <-time.After(time.Minute):
			t.Fatal("nobody asks for the archive")
		}
		for range 500 {
			if info, err := os.Stat(part); err == nil && info.Size() == int64(half) {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
		t.Fatalf("%s has not got the half", part)
	}
	child := testenv.Child(t, mirrorVariable+"="+mirror)
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	arrived()
	if err := child.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait() // killed
	if _, err := Find(""); err == nil {
		t.Error("half a library is in use")
	}
	t.Setenv(mirrorVariable, mirror)
	if _, err := Install(t.Context(), InstallOptions{}, &notes{}); err != nil {
		t.Fatal(err)
	}
	want := archivePath(cpuBuild) + fmt.Sprintf(" bytes=%d-", half)
	if !slices.Equal(behind.requests(), []string{want}) {
		t.Errorf("asked for %q, want %q", behind.requests(), want)
	}

	// Ctrl+C leaves the installed library and the part.
	ctx, cancel := context.WithCancel(t.Context())
	go func() { arrived(); cancel() }()
	if _, err := Install(ctx, InstallOptions{Force: true}, &notes{}); fail.KindOf(err) != fail.Interrupted {
		t.Errorf("after Ctrl+C: %v", err)
	}
	have := contents(t, filepath.Join(cache, "runtime"))
	if !strings.HasPrefix(have, "downloads lock "+cpuBuild.folder()) || strings.Contains(have, stagingPrefix) {
		t.Errorf("after Ctrl+C there is %s", have)
	}
	if _, err := Find(""); err != nil {
		t.Error(err)
	}
}

// HTTPS_PROXY leads to the release, whose name this machine can't look up.
func TestTheReleaseThroughAProxy(t *testing.T) {
	if testenv.IsChild() {
		if _, err := Install(t.Context(), InstallOptions{}, &notes{}); err != nil {
			t.Fatal(err)
		}
		return
	}
	if runtime.GOOS != "linux" {
		t.Skip("needs SSL_CERT_FILE")
	}
	isolate(t)
	s := serve(t, tgz(t, releaseMembers(aRuntime(t, Version))...))
	release := httptest.NewTLSServer(s) // its certificate is for example.com
	defer release.Close()
	var asked []string
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Method+" "+r.Host)
		to, err := net.Dial("tcp", release.Listener.Addr().String())
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = to.Close() }()
		from, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = from.Close() }()
		_, _ = io.WriteString(from, "HTTP/1.1 200 OK\r\n\r\n")
		go func() { _, _ = io.Copy(to, buffered) }()
		_, _ = io.Copy(from, to)
	}))
	defer proxy.Close()
	certificate := filepath.Join(t.TempDir(), "authority.pem")
	write(t, certificate, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: release.Certificate().Raw}))
	said, err := testenv.Rerun(t, "HTTPS_PROXY="+proxy.URL, "NO_PROXY=", "SSL_CERT_FILE="+certificate,
		mirrorVariable+"=https://example.com/mirror")
	if err != nil || !slices.Equal(asked, []string{"CONNECT example.com:443"}) || len(s.requests()) != 1 {
		t.Errorf("%v: %s; the proxy was asked for %q, the release for %q", err, said, asked, s.requests())
	}
}
