package wheel_test

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"fx/internal/wheel"
)

// put writes an executable file.
func put(t *testing.T, content string, elem ...string) string {
	t.Helper()
	path := filepath.Join(elem...)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// tinyIndex is a folder with the wheel of a package tiny, the only place where pip and uv may look.
func tinyIndex(t *testing.T) {
	t.Helper()
	folder := t.TempDir()
	f, err := os.Create(filepath.Join(folder, "tiny-1.0-py3-none-any.whl"))
	if err != nil {
		t.Fatal(err)
	}
	archive := zip.NewWriter(f)
	for _, entry := range [][2]string{
		{"tiny/__init__.py", ""},
		{"tiny-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n"},
		{"tiny-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"},
		{"tiny-1.0.dist-info/RECORD", "tiny/__init__.py,,\ntiny-1.0.dist-info/METADATA,,\n" +
			"tiny-1.0.dist-info/WHEEL,,\ntiny-1.0.dist-info/RECORD,,\n"},
	} {
		w, err := archive.Create(entry[0])
		if err == nil {
			_, err = w.Write([]byte(entry[1]))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(archive.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
	for _, tool := range []string{"PIP", "UV"} {
		t.Setenv(tool+"_NO_INDEX", "1")
		t.Setenv(tool+"_FIND_LINKS", folder)
	}
}

// hostileFolder makes a folder the current one that has all that pip, Python and
// uv take from there, and returns a function that lists what of it ran.
func hostileFolder(t *testing.T) (ran func() []string) {
	t.Helper()
	folder, marks := t.TempDir(), t.TempDir()
	for _, name := range []string{"pip.py", "pip/__init__.py", "pip/__main__.py", "sitecustomize.py",
		"usercustomize.py",
		"zipfile.py"} {
		put(t, fmt.Sprintf("open(%q, 'w')\n", filepath.Join(marks, strings.ReplaceAll(name, "/", "-"))), folder, name)
	}
	put(t, "][", folder, "uv.toml") // uv fails where it reads it
	put(t, "[tool.uv]\n][", folder, "pyproject.toml")
	for _, name := range []string{"python", "python3"} {
		put(t, "#!/bin/sh\n: > "+filepath.Join(marks, "venv")+"\nexit 1\n", folder, ".venv", "bin", name)
		put(t, "#!/bin/sh\n: > "+filepath.Join(marks, "path")+"\nexit 1\n", folder, name)
	}
	put(t, "home = /usr/bin\n", folder, ".venv", "pyvenv.cfg")
	t.Chdir(folder)
	t.Setenv("PYTHONPATH", ".")
	return func() []string {
		entries, err := os.ReadDir(marks)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, e := range entries {
			names = append(names, e.Name())
			if err := os.Remove(filepath.Join(marks, e.Name())); err != nil {
				t.Fatal(err)
			}
		}
		return names
	}
}

// hide puts programs in PATH that have no pip, before the real ones.
func hide(t *testing.T, names ...string) {
	t.Helper()
	bin := t.TempDir()
	for _, name := range names {
		real, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		script := "exit 1"
		if strings.HasPrefix(name, "python") { // which uv needs
			script = `case "$*" in *"-m pip"*) exit 1;; esac; exec "` + real + `" "$@"`
		}
		put(t, "#!/bin/sh\n"+script+"\n", bin, name)
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
}

// isTiny says whether the package of tinyIndex was fetched.
func isTiny(got wheel.Fetched) error {
	if got.Tool == "uv" {
		_, err := os.Stat(filepath.Join(got.Site, "tiny", "__init__.py"))
		return err
	}
	if len(got.Wheels) != 1 || filepath.Base(got.Wheels[0]) != "tiny-1.0-py3-none-any.whl" {
		return fmt.Errorf("fetched %+v", got)
	}
	return nil
}

func TestNothingOfTheCurrentFolderRuns(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("needs a shell")
	}
	for name, c := range map[string]struct {
		hidden []string
		needs  []string // a command that works where the tool is there
	}{
		"python3 -m pip": {nil, []string{"python3", "-I", "-m", "pip", "--version"}},
		"pip3":           {[]string{"python3", "python"}, []string{"pip3", "--version"}},
		"uv":             {[]string{"python3", "python", "pip3", "pip"}, []string{"uv", "--version"}},
	} {
		t.Run(name, func(t *testing.T) {
			if err := exec.Command(c.needs[0], c.needs[1:]...).Run(); err != nil {
				t.Skipf("%s: %v", strings.Join(c.needs, " "), err)
			}
			tinyIndex(t)
			ran := hostileFolder(t)
			_ = exec.Command("python3", "-m", "pip", "--version").Run() // fails in whatever way the folder wants
			if !slices.Contains(ran(), "pip-__main__.py") {
				t.Fatal("python3 -m pip runs nothing of this folder: the test shows nothing")
			}
			hide(t, c.hidden...)
			got, err := wheel.Fetch(t.Context(), wheel.Request{Requirement: "tiny==1.0"}, t.TempDir())
			if err != nil {
				t.Error(err)
			} else if err := isTiny(got); err != nil {
				t.Error(err)
			}
			if names := ran(); len(names) > 0 {
				t.Errorf("of the current folder ran %s", names)
			}
		})
	}
}

// A tool starts in an empty folder below the caller's, without what leads Python elsewhere.
func TestHowAToolIsStarted(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("needs a shell")
	}
	const download = "download --disable-pip-version-check --no-input --progress-bar off --only-binary=:all: " +
		"--dest DIR/fetched "
	for name, c := range map[string]struct {
		program string
		request wheel.Request
		want    string
	}{
		"pip": {"python3", wheel.Request{Requirement: "tiny", Brief: true},
			"-I -m pip " + download + "--no-deps --retries 1 --timeout 10 tiny"},
		"pip for another machine": {"python", wheel.Request{Requirement: "tiny==1", Dependencies: true,
			Target: wheel.Target{Python: "3.12", ABIs: []string{"cp312", "none"}, Platforms: []string{"win_arm64"}}},
			"-I -m pip " + download +
				"--python-version 3.12 --implementation cp --abi cp312 --abi none --platform win_arm64 tiny==1"},
		"pip3": {"pip3", wheel.Request{Requirement: "tiny", Dependencies: true},
			download + "tiny"},
		"uv": {"uv", wheel.Request{Requirement: "tiny", Target: wheel.Target{Python: "3.12"}},
			"--no-config pip install --quiet --system --only-binary :all: --target DIR/fetched --no-deps " +
				"--python-version 3.12 tiny"},
	} {
		t.Run(name, func(t *testing.T) {
			bin, dir := t.TempDir(), t.TempDir()
			put(t, `#!/bin/sh
case "$*" in *--version) exit 0;; esac
{ echo "$@"; /bin/pwd; /bin/ls -A; /usr/bin/env; } > "$FX_FAKE_LOG"`, bin, c.program)
			logged := filepath.Join(t.TempDir(), "log")
			t.Setenv("FX_FAKE_LOG", logged)
			t.Setenv("PATH", bin)
			for _, variable := range []string{"PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "UV_WORKING_DIR"} {
				t.Setenv(variable, "/elsewhere")
			}
			t.Setenv("PYTHONUSERBASE", "/home/of/pip")
			if _, err := wheel.Fetch(t.Context(), c.request, dir); err != nil {
				t.Fatal(err)
			}
			text, err := os.ReadFile(logged)
			if err != nil {
				t.Fatal(err)
			}
			lines := strings.Split(string(text), "\n")
			if want := strings.ReplaceAll(c.want, "DIR", dir); lines[0] != want {
				t.Errorf("arguments\n%s\nwant\n%s", lines[0], want)
			}
			if lines[1] != filepath.Join(dir, "work") || !strings.Contains(lines[2], "=") {
				t.Errorf("it starts in %s, where there is %s", lines[1], lines[2])
			}
			all := string(text)
			if strings.Contains(all, "=/elsewhere") || !strings.Contains(all, "PYTHONUSERBASE=/home/of/pip") ||
				!strings.Contains(all, "PYTHONSAFEPATH=1") {
				t.Errorf("its environment is %s", lines[2:])
			}
		})
	}
}

func TestReasons(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("needs a shell")
	}
	for said, want := range map[string]wheel.Reason{
		"WARNING: Retrying after NewConnectionError\nERROR: No matching distribution found":       wheel.NoAnswer,
		"ERROR: Could not find a version that satisfies tiny (from versions: none)":               wheel.NoAnswer,
		"ERROR: Could not find a version that satisfies (from versions: 1)\nERROR: No matching d": wheel.NothingFits,
		"ERROR: an OSError: [Errno 28] No space left on device":                                   wheel.DiskFull,
		"ERROR: the sky falls": wheel.Failed,
	} {
		bin := t.TempDir()
		put(t, "#!/bin/sh\ncase \"$*\" in *--version) exit 0;; esac\necho '"+said+"' >&2; exit 3\n", bin, "pip")
		t.Setenv("PATH", bin)
		_, err := wheel.Fetch(t.Context(), wheel.Request{Requirement: "tiny"}, t.TempDir())
		var e *wheel.Error
		if !errors.As(err, &e) || e.Reason != want || e.Tool != "pip" || e.Requirement != "tiny" {
			t.Errorf("%s: %v, %+v", said, err, e)
		} else if last := said[strings.LastIndex(said, "\n")+1:]; !strings.Contains(err.Error(), last) {
			t.Errorf("%q does not hold %q", err, last)
		}
	}
}

func ExampleFetch() {
	dir, err := os.MkdirTemp("", "wheel")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path := os.Getenv("PATH")
	_ = os.Setenv("PATH", dir) // which holds neither
	defer func() { _ = os.Setenv("PATH", path) }()
	_, err = wheel.Fetch(context.Background(), wheel.Request{Requirement: "onnxruntime==1.31.1"}, dir)
	fmt.Println(err)
	// Output: neither pip nor uv found
}
