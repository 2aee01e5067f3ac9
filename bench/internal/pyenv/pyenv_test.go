package pyenv

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

func write(path, text string) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		panic(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		panic(err)
	}
}

// An environment that is there is not made again.
func ExamplePython() {
	dir, _ := os.MkdirTemp("", "pyenv-")
	defer func() { _ = os.RemoveAll(dir) }()
	write(filepath.Join(dir, "requirements.txt"), "numpy==2.4.6\n")
	write(filepath.Join(dir, "peers", stamp), "numpy==2.4.6\n")
	python, err := Python(context.Background(), filepath.Join(dir, "peers"), filepath.Join(dir, "requirements.txt"),
		nil)
	relative, _ := filepath.Rel(dir, python)
	fmt.Println(filepath.ToSlash(relative), err)
	// Output: peers/bin/python <nil>
}

// A python3 of this name writes down what it is asked for.
func stub(t *testing.T) (calls string) {
	t.Helper()
	dir := t.TempDir()
	calls = filepath.Join(dir, "calls")
	script := "#!/bin/sh\necho \"$@\" >> " + calls +
		"\nif [ \"$3\" = venv ]; then mkdir -p \"$5/bin\" && cp \"$0\" \"$5/bin/python\"; fi\nif [ -e " + dir +
		"/broken ]; then exit 1; fi\n"
	if err := os.WriteFile(filepath.Join(dir, "python3"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	return calls
}

func TestAnEnvironmentIsMadeOnce(t *testing.T) {
	if _, err := os.Stat("/bin/sh"); err != nil {
		t.Skip("needs a shell")
	}
	calls := stub(t)
	dir, requirements := filepath.Join(t.TempDir(), "torch"), filepath.Join(t.TempDir(), "requirements.txt")
	write(requirements, "torch==2.15.0\n")
	write(filepath.Join(filepath.Dir(calls), "broken"), "")
	if _, err := Python(t.Context(), dir, requirements, t.Logf); err == nil {
		t.Fatal("no error of an installation that failed")
	}
	if err := os.Remove(filepath.Join(filepath.Dir(calls), "broken")); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := Python(t.Context(), dir, requirements, t.Logf); err != nil {
			t.Fatal(err)
		}
	}
	write(requirements, "torch==2.16.0\n") // another list makes it anew
	if _, err := Python(t.Context(), dir, requirements, t.Logf); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(calls)
	if err != nil {
		t.Fatal(err)
	}
	venv, pip := "-I -m venv --clear "+dir+"\n", "-I -m pip install --quiet -r "+requirements+"\n"
	if want := venv + venv + pip + venv + pip; string(text) != want {
		t.Errorf("calls\n%swant\n%s", text, want)
	}
}
