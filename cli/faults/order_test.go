//go:build linux

package faults

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Whether a power cut can tear a file shows in the order of system calls alone:
// a file has to be on the disk before it gets its name, and its name before the
// command ends.

// event is a system call of fx that makes a file durable.
type event struct {
	call       string // write, fsync, close or rename
	path       string // of the file, or the old name
	to         string // rename: the new name
	successful bool   // it returned no error
	thread     string // that made it
	nth        int    // which call of this name in this thread it is
}

var (
	descriptor = regexp.MustCompile(`^\d+<([^>]*)>`)
	renamed    = regexp.MustCompile(`^AT_FDCWD<([^>]*)>, "([^"]*)", AT_FDCWD<([^>]*)>, "([^"]*)"`)
)

// traced runs the command of s in dir under strace and returns its events in order.
func traced(t *testing.T, s scenario, dir string) (events []event) {
	t.Helper()
	log := filepath.Join(t.TempDir(), "strace.log")
	trace := []string{"strace", "-f", "--seccomp-bpf", "-qqq", "-y", "-o", log, "-e",
		"trace=write,pwrite64,fsync,close,renameat,renameat2"}
	if code, said := fx(dir, trace, s.command); code != 0 {
		t.Fatalf("fx %s under strace: exit code %d\n%s", s.command, code, said)
	}
	f, err := os.Open(log)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	count := map[string]int{}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		m := entered.FindStringSubmatch(lines.Text())
		if m == nil {
			continue
		}
		thread, call, args := m[1], m[2], m[3]
		count[thread+call]++
		e := event{call: call, successful: !strings.Contains(args, "= -1 "), thread: thread, nth: count[thread+call]}
		if d := descriptor.FindStringSubmatch(args); d != nil {
			e.path = d[1]
		}
		if r := renamed.FindStringSubmatch(args); r != nil {
			e.path, e.to = absolute(r[1], r[2]), absolute(r[3], r[4])
		}
		if strings.HasPrefix(e.path, dir) {
			events = append(events, e)
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return events
}

func absolute(folder, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(folder, path)
}

// tornByPowerCut returns which renamings of the events a power cut could undo or leave with torn content.
func tornByPowerCut(events []event) (problems []string) {
	written, synced := map[string]int{}, map[string]int{} // when last
	for at, e := range events {
		switch {
		case !e.successful:
		case e.call == "write" || e.call == "pwrite64":
			written[e.path] = at + 1
		case e.call == "fsync":
			synced[e.path] = at + 1
		}
		if e.to == "" || !e.successful {
			continue
		}
		for path, last := range written { // the file, or those in the folder, that gets its name
			if (path == e.path || strings.HasPrefix(path, e.path+"/")) && synced[path] < last {
				problems = append(problems, fmt.Sprintf("%s gets its name before its content is synced",
					filepath.Base(path)))
			}
		}
		folder := filepath.Dir(e.to)
		if !slices.ContainsFunc(events[at:], func(s event) bool {
			return s.call == "fsync" && s.successful && s.path == folder
		}) {
			problems = append(problems, fmt.Sprintf("the folder of %s is not synced after it got its name",
				filepath.Base(e.to)))
		}
	}
	return problems
}

// TestPowerCut holds every command to the order in which files get durable,
// and to telling errors that a disk reports as late as when a file is closed.
func TestPowerCut(t *testing.T) {
	needStrace(t)
	met := map[string]int{}
	for _, s := range scenarios {
		if s.readOnly {
			continue
		}
		t.Run(strings.ReplaceAll(s.name, " ", "_"), func(t *testing.T) {
			b := newSandbox(t, s)
			b.renew()
			events := traced(t, s, b.dir)
			if !slices.ContainsFunc(events, func(e event) bool { return e.to != "" }) {
				t.Fatal("no file got its name by a renaming: nothing was looked at")
			}
			for _, problem := range tornByPowerCut(events) {
				t.Error(problem)
			}
			for _, call := range []string{"close", "fsync"} {
				met[call] += lateErrors(t, b, s, call, events)
			}
		})
	}
	for _, call := range []string{"close", "fsync"} {
		if met[call] < 3 {
			t.Errorf("%d times a %s of a file that was being written failed: too few to say anything", met[call], call)
		}
	}
}

// lateErrors lets the call fail on files that are being written, demands that
// fx says so, and returns how often that came about.
func lateErrors(t *testing.T, b sandbox, s scenario, call string, events []event) (met int) {
	t.Helper()
	log := filepath.Join(t.TempDir(), "strace.log")
	tries := 0
	for _, e := range events {
		if e.call != call || !isTemporary(e.path) || met == 2 || tries == 6 {
			continue
		}
		tries++
		// Threads take turns, so that the call may be another one this time: the log says which.
		f := fault{call: call, what: "EIO", nth: e.nth}
		b.renew()
		code, said := fx(b.dir, f.straceTo(log, "-y"), s.command)
		lines, err := os.ReadFile(log)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(lines)) {
			if !strings.Contains(line, "(INJECTED)") || !isTemporary(line) {
				continue
			}
			met++
			if code == 0 {
				t.Errorf("%v: exit code 0\n%s%s", f, line, said)
			}
		}
	}
	return met
}

// isTemporary tells a file that is being written by its path, or by strace's
// words on a call with its descriptor. A folder is not written to, and a file that
// has got its name may stay open for its lock alone.
func isTemporary(path string) bool {
	if _, after, ok := strings.Cut(path, "<"); ok {
		path, _, _ = strings.Cut(after, ">")
	}
	base := filepath.Base(path)
	return strings.Contains(base, ".fx-tmp-") && !strings.HasSuffix(base, ".fx-tmp-new")
}

func TestTornByPowerCut(t *testing.T) {
	ok := func(call, path, to string) event { return event{call: call, path: path, to: to, successful: true} }
	good := []event{ok("write", "/d/f.fx-tmp-1", ""), ok("fsync", "/d/f.fx-tmp-1", ""),
		ok("renameat", "/d/f.fx-tmp-1", "/d/f"), ok("fsync", "/d", "")}
	if problems := tornByPowerCut(good); len(problems) > 0 {
		t.Errorf("a durable file: %v", problems)
	}
	for i, what := range map[int]string{1: "not synced", 3: "folder not synced"} {
		if problems := tornByPowerCut(slices.Delete(slices.Clone(good), i, i+1)); len(problems) != 1 {
			t.Errorf("%s: %v", what, problems)
		}
	}
	late := []event{good[0], good[2], good[1], good[3]}
	if problems := tornByPowerCut(late); len(problems) != 1 {
		t.Errorf("synced after it got its name: %v", problems)
	}
}
