package doctor

import (
	"encoding/pem"
	"io/fs"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"fx/internal/nativelib"
	"fx/internal/ort"
	"fx/internal/ort/orttest"
)

// telemetryVariable is what dynlib sets before anything is opened.
const telemetryVariable = "ORT_DISABLE_TELEMETRY"

// longEnough is how long the workload lives: ONNX Runtime's telemetry sends
// first after about ten seconds.
const longEnough = 20 * time.Second

// A process that looks for libraries, examines the machine, opens ONNX Runtime
// and lives on sends nothing and leaves no file.
func TestNothingIsSent(t *testing.T) {
	if inNamespace(t, work) {
		return
	}
	if seen, files := sentBy(t); len(seen) > 0 || len(files) > 0 {
		t.Errorf("it sent %q and left %q", seen, files)
	}
}

// Who wants ONNX Runtime's telemetry gets it. This is also what TestNothingIsSent
// would see of it.
func TestTelemetryThatTheUserAsksFor(t *testing.T) {
	if inNamespace(t, work) {
		return
	}
	seen, files := sentBy(t, telemetryVariable+"=0")
	if len(files) == 0 {
		t.Skip("this ONNX Runtime was built without telemetry")
	}
	if len(seen) == 0 {
		t.Errorf("it left %q, and nothing was seen of what it sent", files)
	}
}

// sentBy runs the workload with an empty home and returns what it sent and
// which files it left there.
func sentBy(t *testing.T, environment ...string) (seen, files []string) {
	t.Helper()
	if testing.Short() {
		t.Skip("takes 20 seconds")
	}
	t.Parallel()
	library := orttest.Runtime(t).Library()
	home := t.TempDir()
	server := httptest.NewTLSServer(nil) // for its certificate: without one ONNX Runtime does not try to send
	server.Close()
	authorities := filepath.Join(t.TempDir(), "authorities.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(authorities, block, 0o644); err != nil {
		t.Fatal(err)
	}
	// An environment of its own: ONNX Runtime sends nothing from the machines of CI that it knows by theirs.
	seen = watched(t, append(environment, "PATH="+os.Getenv("PATH"), "LD_LIBRARY_PATH="+os.Getenv("LD_LIBRARY_PATH"),
		"FX_ORT_LIB="+library.Path, "FX_CACHE_DIR="+t.TempDir(), "TMPDIR="+t.TempDir(),
		"HOME="+home, "XDG_CACHE_HOME="+filepath.Join(home, "cache"), "SSL_CERT_FILE="+authorities)...)
	err := filepath.WalkDir(home, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return seen, files
}

// work uses ONNX Runtime in all the ways in which fx does, and lives on.
func work(t *testing.T) {
	start := time.Now()
	if _, err := nativelib.Find(""); err != nil {
		t.Fatal(err)
	}
	if r := Examine(t.Context(), ""); !r.CPU.Works {
		t.Fatalf("report %+v", r)
	}
	model, err := selfTestModel()
	if err != nil {
		t.Fatal(err)
	}
	s, err := orttest.Runtime(t).NewSession(model, ort.SessionOptions{Device: ort.CPU, Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Until(start.Add(longEnough)))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
