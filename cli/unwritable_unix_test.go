//go:build unix

package cli

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// asNobody returns the process without root's rights, which go past those of files. The folders
// above dir and above fx are opened for it.
func asNobody(t *testing.T, dir string, args ...string) *exec.Cmd {
	t.Helper()
	binary, err := exec.LookPath("fx")
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(binary, args...)
	if os.Geteuid() != 0 {
		return c
	}
	temp := filepath.Clean(os.TempDir())
	for _, at := range []string{dir, filepath.Dir(binary)} {
		for ; strings.HasPrefix(at, temp+string(filepath.Separator)); at = filepath.Dir(at) {
			if err := os.Chmod(at, 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
	const nobody = 65534
	c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	c.Env = append(os.Environ(), "HOME="+dir, "FX_CACHE_DIR="+filepath.Join(dir, "cache"))
	c.Dir = dir
	return c
}

// needNobody skips the test where a process without rights can't reach fx, as where a folder above
// the temporary one is closed.
func needNobody(t *testing.T, dir string) {
	t.Helper()
	if err := asNobody(t, dir, "--help").Run(); errors.Is(err, fs.ErrPermission) {
		t.Skipf("nobody can't run fx here: %v", err)
	}
}

// Where fx may not write what --out names, or the folder of a file is missing, every command says
// so before its work, by exit code 2 and a hint that names --out.
func TestAnOutThatCannotBeWritten(t *testing.T) {
	dir := outputsDir(t)
	all := writers(dir)
	needNobody(t, dir)
	network, err := os.ReadFile(tinyNetwork)
	if err != nil {
		t.Fatal(err)
	}
	readable := filepath.Join(dir, "tiny.onnx") // the repository may lie where nobody may not look
	if err := os.WriteFile(readable, network, 0o644); err != nil {
		t.Fatal(err)
	}
	closed := filepath.Join(dir, "closed")
	if err := os.Mkdir(closed, 0o555); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(dir, "little.yaml"), 0o644); err != nil { // for nobody to read
		t.Fatal(err)
	}
	// What a command would add to, made by somebody else.
	for name, own := range map[string]string{"fx extract": "store", "fx fit-head": "model"} {
		w := all[name]
		w.again = []string{"--out", filepath.Join(dir, own)}
		all[name+" again"] = w
	}
	for _, own := range []string{"store", "model"} {
		if err := os.Chmod(filepath.Join(dir, own), 0o555); err != nil {
			t.Fatal(err)
		}
	}
	refused := func(name string, args []string) {
		t.Helper()
		a := run(t, asNobody(t, dir, append(args, "--json")...))
		var said struct {
			Error, Hint string
			Code        int `json:"exit_code"`
		}
		if err := json.Unmarshal([]byte(a.stdout), &said); err != nil {
			t.Errorf("%s: %v\n%s%s", name, err, a.stdout, a.stderr)
		} else if a.code != 2 || said.Code != 2 || !strings.Contains(said.Hint, "--out") {
			t.Errorf("%s: exit code %d, hint %q: %s", name, a.code, said.Hint, said.Error)
		}
	}
	for name, w := range all {
		args := slices.Clone(w.args)
		for i, arg := range args {
			if arg == tinyNetwork {
				args[i] = readable
			}
		}
		if strings.HasSuffix(name, " again") {
			refused(name, append(args, w.again...))
			continue
		}
		refused(name, append(args, "--out", filepath.Join(closed, "new"+w.ending)))
		if !w.folder && name != "fx report" { // which makes the folder
			refused(name+" into a missing folder",
				append(args, "--out", filepath.Join(dir, "missing", "new"+w.ending)))
		}
	}
}
