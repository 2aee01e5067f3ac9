//go:build linux

package faults

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A fault is what happens at the nth call of a system call, counted by thread.
type fault struct {
	call string
	what string // an error's name, or "kill"
	nth  int
}

func (f fault) String() string { return fmt.Sprintf("%s at %s number %d", f.what, f.call, f.nth) }

// strace returns the command that runs another one and lets the fault happen.
func (f fault) strace() []string { return f.straceTo(os.DevNull) }

// straceTo is strace with a log and further options.
func (f fault) straceTo(log string, options ...string) []string {
	inject := fmt.Sprintf("inject=%s:error=%s:when=%d", f.call, f.what, f.nth)
	if f.what == "kill" {
		inject = fmt.Sprintf("inject=%s:signal=SIGKILL:when=%d", f.call, f.nth)
	}
	words := []string{"strace", "-f", "--seccomp-bpf", "-qqq", "-o", log, "-e", "trace=" + f.call, "-e", inject}
	return append(words, options...)
}

// faultsOf are the faults that a call may meet.
var faultsOf = map[string][]string{
	"openat":    {"EIO", "EMFILE", "ENOSPC", "kill", "EINTR"},
	"read":      {"EIO", "ENOMEM", "kill", "EINTR"},
	"pread64":   {"EIO", "kill", "EINTR"},
	"write":     {"EIO", "ENOSPC", "kill", "EINTR"},
	"pwrite64":  {"EIO", "ENOSPC", "kill", "EINTR"},
	"fsync":     {"EIO", "ENOSPC", "kill", "EINTR"},
	"ftruncate": {"EIO", "kill"},
	"close":     {"EIO"},
	"mkdirat":   {"EIO", "ENOSPC", "kill"},
	"renameat":  {"EIO", "ENOSPC", "kill"},
	"renameat2": {"EIO", "ENOSPC", "kill"},
	"linkat":    {"EIO", "ENOSPC", "kill"},
	"unlinkat":  {"EIO", "kill"},
}

// entered matches strace's line of a call: process, name, arguments.
var entered = regexp.MustCompile(`^(\d+)\s+(\w+)\((.*)`)

// possible runs the scenario's command once in dir and lists the faults that
// can happen to it at calls on files in dir.
func possible(t *testing.T, s scenario, dir string) []fault {
	t.Helper()
	log := filepath.Join(t.TempDir(), "strace.log")
	var names []string
	for name := range faultsOf {
		names = append(names, name)
	}
	trace := []string{"strace", "-f", "--seccomp-bpf", "-qqq", "-y", "-o", log, "-e", "trace=" +
		strings.Join(names, ",")}
	if code, said := fx(dir, trace, s.command); code != 0 {
		t.Fatalf("fx %s under strace: exit code %d\n%s", s.command, code, said)
	}
	f, err := os.Open(log)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	seen := map[fault]bool{} // without its what
	count := map[string]int{}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		m := entered.FindStringSubmatch(lines.Text())
		if m == nil {
			continue // the rest of a call that another one interrupted
		}
		thread, call, args := m[1], m[2], m[3]
		count[thread+call]++
		if touches(args, dir) {
			seen[fault{call: call, nth: count[thread+call]}] = true
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	var all []fault
	for f := range seen {
		for _, what := range faultsOf[f.call] {
			if what == "EINTR" && f.nth > 1 && f.nth%7 != 0 {
				continue // once each is enough, a few to be sure
			}
			all = append(all, fault{f.call, what, f.nth})
		}
	}
	return all
}

// touches reports whether a call with the arguments is about a file in dir.
func touches(args, dir string) bool {
	if path, ok := strings.CutPrefix(args, "AT_FDCWD<"+dir+">, \""); ok {
		return !strings.HasPrefix(path, "/") || strings.HasPrefix(path, dir)
	}
	return strings.Contains(args, dir)
}

// sample returns n of the faults, the same ones for the same seed, by turns of
// calls and kinds, so that rare ones are among them.
func sample(all []fault, n int, seed uint64) []fault {
	groups := map[string][]fault{}
	var names []string
	for _, f := range all {
		name := f.call + f.what
		if groups[name] == nil {
			names = append(names, name)
		}
		groups[name] = append(groups[name], f)
	}
	random := rand.New(rand.NewPCG(seed, 0))
	random.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	for _, g := range groups {
		random.Shuffle(len(g), func(i, j int) { g[i], g[j] = g[j], g[i] })
	}
	var taken []fault
	for round := 0; len(taken) < min(n, len(all)); round++ {
		for _, name := range names {
			if g := groups[name]; round < len(g) && len(taken) < n {
				taken = append(taken, g[round])
			}
		}
	}
	return taken
}

// patience is how long a command may take before it counts as hanging.
const patience = 2 * time.Minute

// start runs c to its end, and ends it with all its children where it hangs.
func start(c *exec.Cmd) error {
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := c.Start(); err != nil {
		return err
	}
	hung := time.AfterFunc(patience, func() { _ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL) })
	_ = c.Wait() // the exit code says it
	if !hung.Stop() {
		return fmt.Errorf("%v hung", c.Args)
	}
	return nil
}
