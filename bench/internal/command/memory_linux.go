package command

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// memoryWatch samples the memory of a process group with more than one process. For a
// single process the kernel keeps the peak (largestMB).
type memoryWatch struct {
	done chan struct{}
	wait sync.WaitGroup
	mu   sync.Mutex
	peak float64
}

// watchShare is the share of one core that sampling may take: reading the
// memory of a process of 1 GB takes the kernel some 17 ms, in which the process
// can't get new pages. On a busy machine a look may seem long only because it
// waited, hence longestPause.
const (
	watchShare    = 0.01
	shortestPause = 50 * time.Millisecond
	longestPause  = 2 * time.Second
)

func watchMemory(pid int) *memoryWatch {
	w := &memoryWatch{done: make(chan struct{})}
	w.wait.Go(func() {
		pause := shortestPause
		for {
			select {
			case <-w.done:
				return
			case <-time.After(pause):
			}
			start := time.Now()
			if members := group(pid); len(members) > 1 {
				sum := 0.0
				for _, member := range members {
					sum += proportionalMB(member)
				}
				w.mu.Lock()
				w.peak = max(w.peak, sum)
				w.mu.Unlock()
			}
			pause = min(max(pause, time.Duration(float64(time.Since(start))/watchShare)), longestPause)
		}
	})
	return w
}

// seen is the peak so far.
func (w *memoryWatch) seen() float64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.peak
}

// stop ends the sampling and returns the peak, 0 if there was never more than one process.
func (w *memoryWatch) stop() float64 {
	close(w.done)
	w.wait.Wait()
	return w.seen()
}

// group returns the processes of a process group.
func group(leader int) []int {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var members []int
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		text, err := os.ReadFile(filepath.Join("/proc", e.Name(), "stat"))
		if err == nil && groupOf(string(text)) == leader {
			members = append(members, pid)
		}
	}
	return members
}

// groupOf reads the process group from /proc/PID/stat, 0 where it is not there.
// The command's name, in brackets, may hold anything.
func groupOf(stat string) int {
	_, rest, _ := cutLast(stat, ")")
	fields := strings.Fields(rest) // state, parent, group, …
	if len(fields) < 3 {
		return 0
	}
	group, _ := strconv.Atoi(fields[2])
	return group
}

func cutLast(s, separator string) (before, after string, found bool) {
	i := strings.LastIndex(s, separator)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(separator):], true
}

// proportionalMB is the proportional set size of a process: of a page that n
// processes share it counts the n-th part.
func proportionalMB(pid int) float64 {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "smaps_rollup"))
	if err != nil {
		return 0 // it has ended
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "Pss:"); ok {
			kib, _ := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 64)
			return kib * 1024 / 1e6
		}
	}
	return 0
}

// largestMB is the largest resident memory that any one process of an ended
// tree had.
func largestMB(state *os.ProcessState) float64 {
	if usage, ok := state.SysUsage().(*syscall.Rusage); ok {
		return float64(usage.Maxrss) * 1024 / 1e6
	}
	return 0
}
