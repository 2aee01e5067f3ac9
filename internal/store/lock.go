package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"fx/internal/durable"
	"fx/internal/fail"
	"fx/internal/progress"
)

// holder says who has a lock. It is written into the lock file.
type holder struct {
	PID     int       `json:"pid"`
	Host    string    `json:"host"`
	Started time.Time `json:"started"`
	Shard   string    `json:"shard,omitempty"`
}

func (h holder) String() string {
	if h.PID == 0 {
		return "another process"
	}
	s := fmt.Sprintf("process %d on %s since %s", h.PID, h.Host, h.Started.Format("2006-01-02 15:04:05"))
	if h.Shard != "" {
		s += " (shard " + h.Shard + ")"
	}
	return s
}

// locks are the flocks of one writer. The kernel frees them when the process
// ends, however it ends. The whole job holds the file lock exclusively; a
// shard holds it shared, and its own lock file exclusively. Shards take
// maintenance.lock for the moments in which they touch what belongs to all.
type locks struct {
	dir         string
	shard       Shard
	files       []*os.File
	maintenance *os.File // open, not held; nil for the whole job
}

// pollInterval is how often a lock that is held is tried again.
const pollInterval = 50 * time.Millisecond

// acquire takes the writer's locks, waiting up to wait for others. A shard's
// locks come with the maintenance lock held: the caller must call endMaintenance.
func acquire(ctx context.Context, dir string, shard Shard, wait time.Duration, report progress.Reporter) (*locks, error) {
	deadline := time.Now().Add(wait)
	told := ""
	for {
		l := &locks{dir: dir, shard: shard}
		held, err := l.try(ctx)
		if err == nil && held == nil {
			return l, nil
		}
		l.release()
		if err != nil {
			return nil, err
		}
		who := joinHolders(held)
		if !time.Now().Before(deadline) {
			return nil, fail.New(fail.Locked, "Wait until it has ended, or take another folder.", "%s is being written by %s", dir, who)
		}
		if who != told {
			report.Note(fmt.Sprintf("waiting up to %s for %s, which writes %s", wait, who, dir))
			told = who
		}
		if err := sleep(ctx, min(pollInterval, time.Until(deadline))); err != nil {
			return nil, err
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(max(d, time.Millisecond)):
		return nil
	}
}

// try takes all locks or returns who holds one of them (never an empty list).
func (l *locks) try(ctx context.Context) ([]holder, error) {
	all, err := l.open(lockFile)
	if err != nil {
		return nil, err
	}
	if l.shard.whole() {
		if free, err := flock(all, unix.LOCK_EX); err != nil || !free {
			return l.holders(ctx, all), err
		}
		return nil, writeHolder(all, l.shard)
	}
	if l.maintenance, err = l.open(maintenanceFile); err != nil {
		return nil, err
	}
	if err := l.beginMaintenance(ctx); err != nil {
		return nil, err
	}
	// Being alone for a moment, the first shard clears up after killed processes.
	if alone, err := flock(all, unix.LOCK_EX); err != nil {
		return nil, err
	} else if alone {
		if err := errors.Join(durable.RemoveStale(l.dir), all.Truncate(0)); err != nil {
			return nil, fail.Wrap(fail.KindOf(err), err, "", "cannot clear up in %s", l.dir)
		}
	}
	if free, err := flock(all, unix.LOCK_SH); err != nil || !free {
		return []holder{readHolder(all)}, err
	}
	own, err := l.open("shard" + l.shard.suffix() + ".lock")
	if err != nil {
		return nil, err
	}
	if free, err := flock(own, unix.LOCK_EX); err != nil || !free {
		return []holder{readHolder(own)}, err
	}
	return nil, writeHolder(own, l.shard)
}

func (l *locks) open(name string) (*os.File, error) {
	path := filepath.Join(l.dir, name)
	f, err := durable.Open(path, os.O_RDWR|os.O_CREATE)
	if err != nil {
		return nil, writeFailed(err, path, 0)
	}
	l.files = append(l.files, f)
	return f, nil
}

// beginMaintenance waits for the maintenance lock, which others hold only for moments.
func (l *locks) beginMaintenance(ctx context.Context) error {
	for l.maintenance != nil {
		free, err := flock(l.maintenance, unix.LOCK_EX)
		if err != nil || free {
			return err
		}
		if err := sleep(ctx, pollInterval/5); err != nil {
			return err
		}
	}
	return nil
}

func (l *locks) endMaintenance() {
	if l.maintenance != nil {
		_, _ = flock(l.maintenance, unix.LOCK_UN) // cannot fail on an open file
	}
}

// release frees every lock.
func (l *locks) release() {
	for _, f := range l.files {
		_ = f.Close() // nothing was buffered; closing frees the lock
	}
	l.files, l.maintenance = nil, nil
}

// flock tries to take or free a lock without waiting.
func flock(f *os.File, how int) (bool, error) {
	for {
		err := unix.Flock(int(f.Fd()), how|unix.LOCK_NB)
		switch {
		case err == nil:
			return true, nil
		case errors.Is(err, unix.EWOULDBLOCK):
			return false, nil
		case !errors.Is(err, unix.EINTR):
			return false, fail.Wrap(fail.Usage, err, "Keep the store on a file system with locks, such as a local disk.", "cannot lock %s", f.Name())
		}
	}
}

func writeHolder(f *os.File, shard Shard) error {
	host, err := os.Hostname()
	if err != nil {
		host = "this host"
	}
	text, err := json.Marshal(holder{PID: os.Getpid(), Host: host, Started: time.Now().Truncate(time.Second), Shard: shard.String()})
	if err != nil {
		return err
	}
	if err := f.Truncate(0); err != nil {
		return writeFailed(err, f.Name(), len(text))
	}
	_, err = f.WriteAt(append(text, '\n'), 0)
	return writeFailed(err, f.Name(), len(text))
}

// readHolder returns who last wrote into the lock file; unreadable, nobody known.
func readHolder(f *os.File) holder {
	var h holder
	text := make([]byte, 4096)
	n, err := f.ReadAt(text, 0)
	if err != nil && !errors.Is(err, io.EOF) || json.Unmarshal(text[:n], &h) != nil {
		return holder{}
	}
	return h
}

// holders finds who keeps the whole job from locking all: the whole job that
// wrote into it, or the shards whose own locks are held.
func (l *locks) holders(ctx context.Context, all *os.File) []holder {
	unknown := []holder{{}}
	if h := readHolder(all); h.PID != 0 {
		return []holder{h}
	}
	// Shards take their own locks while they hold this one, so that they never
	// meet the trial below; where it stays taken, nobody is named.
	maintenance, err := l.open(maintenanceFile)
	for tries := 0; ; tries++ {
		if err != nil || tries == 20 {
			return unknown
		}
		var free bool
		if free, err = flock(maintenance, unix.LOCK_EX); free {
			break
		}
		if err == nil {
			err = sleep(ctx, pollInterval/5)
		}
	}
	entries, err := os.ReadDir(l.dir)
	if err != nil {
		return unknown
	}
	var found []holder
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), "shard-") || !strings.HasSuffix(e.Name(), ".lock") {
			continue
		}
		f, err := durable.Open(filepath.Join(l.dir, e.Name()), os.O_RDONLY)
		if err != nil {
			continue
		}
		if free, err := flock(f, unix.LOCK_SH); err == nil && !free {
			found = append(found, readHolder(f))
		}
		_ = f.Close() // only read
	}
	if len(found) == 0 {
		return unknown
	}
	return found
}

func joinHolders(held []holder) string {
	var who []string
	for i, h := range held {
		if i == 3 {
			who = append(who, fmt.Sprintf("%d more", len(held)-i))
			break
		}
		who = append(who, h.String())
	}
	return strings.Join(who, ", ")
}
