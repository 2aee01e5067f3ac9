//go:build linux

package faults

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"fx/cli"
	"fx/internal/ort/orttest"
	"fx/internal/testenv"
)

var (
	count = flag.Int("faults", 44, "how many faults are tried over all commands")
	seed  = flag.Uint64("seed", 0, "of the choice of faults")
	only  = flag.String("only", "", "the one scenario to try")
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"fx": func() { os.Exit(cli.Main(os.Args)) }})
}

// TestFaults lets calls of the system fail in commands that write, and in some that only read.
func TestFaults(t *testing.T) {
	needStrace(t)
	for i, s := range scenarios {
		if *only != "" && *only != s.name {
			continue
		}
		t.Run(strings.ReplaceAll(s.name, " ", "_"), func(t *testing.T) {
			share := *count / len(scenarios)
			if *only != "" {
				share = *count
			}
			sweep(t, s, share, *seed+uint64(i))
		})
	}
}

// needStrace skips a test where strace can't let calls fail.
func needStrace(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("-short: starts hundreds of processes")
	}
	testenv.StraceProgram(t)
	t.Setenv("FX_ORT_LIB", orttest.Library(t).Path)
}

// A sandbox is a folder in which a scenario's command runs again and again.
type sandbox struct {
	t      *testing.T
	before string // a copy of what is there before
	dir    string
}

func newSandbox(t *testing.T, s scenario) sandbox {
	t.Helper()
	b := sandbox{t, filepath.Join(t.TempDir(), "before"), filepath.Join(t.TempDir(), "w")}
	// Tiles are tried in the system's temporary folder. Where that fails fx goes on without
	// them, as the manifest then says, and with features of other roundings.
	t.Setenv("FX_CONV_TILES", "off")
	// What fx remembers of files lies outside of dir.
	t.Setenv("HOME", t.TempDir())
	t.Setenv("XDG_CACHE_HOME", "")
	t.Setenv("FX_CACHE_DIR", t.TempDir())
	if err := os.Mkdir(b.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	s.prepare(t, b.dir)
	if err := copyFolder(b.before, b.dir); err != nil {
		t.Fatal(err)
	}
	return b
}

// renew fills the folder with what is there before.
func (b sandbox) renew() {
	b.t.Helper()
	if err := errors.Join(os.RemoveAll(b.dir), copyFolder(b.dir, b.before)); err != nil {
		b.t.Fatal(err)
	}
}

// killed is the exit code of a command that a signal ended.
const killed = -1

// crashedInRuntime is how Go tells that ONNX Runtime's code met no memory where it had asked
// for some, as after a read of /proc that was interrupted.
var crashedInRuntime = regexp.MustCompile(`(?s)signal arrived during cgo execution.*onnxruntime_go\._Cfunc`)

// sweep tries n faults of the scenario.
func sweep(t *testing.T, s scenario, n int, seed uint64) {
	b := newSandbox(t, s)
	dir, old := b.dir, read(t, b.dir)
	wanted, says := reference(t, s, b)

	b.renew()
	all := possible(t, s, dir)
	outcomes := map[string]int{}
	for _, f := range sample(all, n, seed) {
		b.renew()
		code, stdout, stderr := fxApart(dir, f.strace(), s.command+" --json")
		if crashedInRuntime.MatchString(stderr) {
			code = killed // by the runtime, whose faults are not fx's; nothing may be lost all the same
		}
		problems := afterFault(f, code, old, wanted, read(t, dir))
		if code == 0 {
			problems = append(problems, says.differs(stdout)...)
		}
		again := s.again
		if again == "" || code == 0 {
			again = s.command
		}
		if code == 0 && s.again != "" {
			again = "" // it is finished
		}
		if again != "" {
			if code, said := fx(dir, nil, again); code != 0 {
				problems = append(problems, fmt.Sprintf("the next run ends with exit code %d: %s", code, said))
			} else {
				problems = append(problems, afterSuccess("after the next run ", wanted, read(t, dir))...)
			}
		}
		if len(problems) > 0 {
			t.Errorf("%v (exit code %d):\n\t%s\n%s", f, code, strings.Join(problems, "\n\t"), stderr)
		}
		outcomes[fmt.Sprint(code)]++
	}
	t.Logf("%d of %d possible faults; exit codes (-1: killed): %v", min(n, len(all)), len(all), outcomes)
}

// files maps every file of a folder to the SHA-256 of its content.
type files map[string]string

// volatile is the content of a file that is another one after each run, as one
// that holds a time is.
const volatile = "volatile"

// differs reports whether the file is another one after each run, though two may be equal by chance: a report and its
// table tell how many seconds a training took, and the files of a plan of parts hold inode numbers.
func differs(name string) bool {
	base := filepath.Base(name)
	return base == "report.html" || base == "report-table.png" || base == "parts.jsonl" || base == "planned.json" ||
		strings.HasPrefix(base, "part-") && strings.HasSuffix(base, ".log")
}

// reference runs the command twice, without a fault, and returns what it leaves and says.
func reference(t *testing.T, s scenario, b sandbox) (files, said) {
	t.Helper()
	var runs [2]files
	var says [2]said
	for i := range runs {
		b.renew()
		code, stdout, stderr := fxApart(b.dir, nil, s.command+" --json")
		if code != 0 {
			t.Fatalf("fx %s: exit code %d\n%s", s.command, code, stderr)
		}
		var err error
		if says[i], err = parseSaid(stdout); err != nil {
			t.Fatalf("fx %s --json: %v", s.command, err)
		}
		runs[i] = read(t, b.dir)
	}
	for _, r := range runs {
		maps.DeleteFunc(r, func(name, _ string) bool { return passing(name) })
	}
	if a, b := slices.Sorted(maps.Keys(runs[0])), slices.Sorted(maps.Keys(runs[1])); !slices.Equal(a, b) {
		t.Fatalf("two runs leave other files:\n%v\n%v", a, b)
	}
	for name, sum := range runs[0] {
		if runs[1][name] != sum || differs(name) {
			runs[0][name] = volatile
		}
	}
	says[0].keepCommon(says[1])
	return runs[0], says[0]
}

// afterFault returns what is wrong with the files that a command left which met a fault.
func afterFault(f fault, code int, old, wanted, found files) (problems []string) {
	if code == 0 {
		problems = afterSuccess("exit code 0, but ", wanted, found)
	}
	const notLoaded, noRuntime = 127, 7 // the system's loader failed with fx, or with ONNX Runtime
	if f.what == "EINTR" && code != 0 && code != notLoaded && code != noRuntime && code != killed {
		problems = append(problems, "a call that was interrupted is not made again")
	}
	for name, sum := range old {
		switch now, ok := found[name]; {
		case passing(name), !ok && waits(found, name):
		case !ok:
			// A store's index is removed before shards are touched, and made from them again.
			if _, kept := wanted[name]; kept && filepath.Base(name) != "index.json" {
				problems = append(problems, "lost: "+name)
			}
		case now != sum && now != wanted[name] && wanted[name] != volatile:
			problems = append(problems, "damaged: "+name)
		}
	}
	return problems
}

// waits reports whether the successor of a file is there under the name with which it
// waits for the next run: durable.Replace has passed its step.
func waits(found files, name string) bool {
	dir, base := filepath.Split(name)
	for other := range found {
		d, b := filepath.Split(other)
		if d == dir && strings.HasPrefix(b, ".fx-new-") && strings.HasSuffix(b, "."+base) {
			return true
		}
	}
	return false
}

// afterSuccess returns where the files found differ from those wanted.
func afterSuccess(when string, wanted, found files) (problems []string) {
	for name, sum := range wanted {
		switch now, ok := found[name]; {
		case passing(name):
		case !ok:
			problems = append(problems, when+"missing: "+name)
		case now != sum && sum != volatile:
			problems = append(problems, when+"other content: "+name)
		}
	}
	for name := range found {
		if _, ok := wanted[name]; !ok && !passing(name) {
			problems = append(problems, when+"left over: "+name)
		}
	}
	slices.Sort(problems)
	return problems
}

// passing reports whether a file is one whose content no command relies on:
// locks, and what saves another look at files that have not changed.
func passing(name string) bool {
	base := filepath.Base(name)
	return base == "lock" || base == "statcache" || strings.HasPrefix(base, "checked")
}

// eventFile is the name of a TensorBoard log, which holds the time.
var eventFile = regexp.MustCompile(`(events\.out\.tfevents\.)\d+\.fx$`)

// read returns the files of dir.
func read(t *testing.T, dir string) files {
	t.Helper()
	all := files{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(content)
		name, err := filepath.Rel(dir, path)
		name = eventFile.ReplaceAllString(name, "${1}fx")
		all[name] = hex.EncodeToString(sum[:])
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// copyFolder copies a folder with the times of its files, which fx compares.
func copyFolder(to, from string) error {
	if out, err := exec.Command("cp", "-a", from, to).CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}
