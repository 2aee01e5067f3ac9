package fetch_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"fx/internal/fetch"
	"fx/internal/progress"
)

func ExampleGet() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprint(w, "weights")
	}))
	defer server.Close()
	dir, err := os.MkdirTemp("", "fetch")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	_ = os.Setenv("FX_CACHE_DIR", dir)
	defer func() { _ = os.Unsetenv("FX_CACHE_DIR") }()

	file := fetch.File{
		URL:          server.URL + "/net-9a129038.pth",
		Path:         filepath.Join(dir, "weights", "net-9a129038.pth"),
		SHA256Prefix: "9a129038",
	}
	for range 2 {
		got, err := fetch.Get(context.Background(), file, progress.Discard)
		fmt.Println(filepath.Base(got.Path), got.Bytes, got.SHA256[:12], got.Downloaded, err)
	}
	// Output:
	// net-9a129038.pth 7 9a129038d9a0 true <nil>
	// net-9a129038.pth 7 9a129038d9a0 false <nil>
}

// rerun runs the calling test again in a process of its own with more environment.
func rerun(t *testing.T, environment ...string) {
	t.Helper()
	command := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	command.Env = append(os.Environ(), environment...)
	if out, err := command.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
