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

	"fx/internal/durable"
	"fx/internal/fail"
	"fx/internal/progress"
)

// holder describes who holds a lock. It is written into the lock file.
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

// locks are the locks of one writer. The kernel frees them when the process ends. The whole job holds the file "lock"
// exclusively. A shard holds it shared, and its own lock file exclusively. Shards hold maintenance.lock briefly, while
// they change files that belong to all.
type locks struct {
	dir         string
	shard       Shard
	taken       []*durable.FileLock
	maintenance *durable.FileLock // nil for the whole job
}

// pollInterval is the time between tries of a lock that is held.
const pollInterval = 50 * time.Millisecond

// acquire takes the writer's locks, after waiting at most wait for others. A shard gets its locks with the maintenance
// lock: the caller must call endMaintenance.
func acquire(ctx context.Context, dir string, shard Shard, wait time.Duration,
	report progress.Reporter) (*locks, error) {
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
			return nil, fail.New(fail.Locked, "Wait until it has ended, or take another folder.",
				"%s is being written by %s", dir, who)
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

// try takes all locks, or returns the holders of one of them (at least one).
func (l *locks) try(ctx context.Context) ([]holder, error) {
	all := l.of(lockFile)
	if l.shard.whole() {
		if free, err := all.TryExclusive(); err != nil || !free {
			return l.holders(ctx, all), lockFailed(err, all)
		}
		return nil, writeHolder(all, l.shard)
	}
	l.maintenance = l.of(maintenanceFile)
	if err := l.beginMaintenance(ctx); err != nil {
		return nil, err
	}
	// The first shard is alone briefly; it cleans up after killed processes.
	if alone, err := all.TryExclusive(); err != nil {
		return nil, lockFailed(err, all)
	} else if alone {
		if err := errors.Join(durable.RemoveStale(l.dir), os.Truncate(all.Path(), 0)); err != nil {
			return nil, fail.Wrap(fail.KindOf(err), err, "", "cannot clear up in %s", l.dir)
		}
	}
	if free, err := all.TryShared(); err != nil || !free {
		return []holder{readHolder(all)}, lockFailed(err, all)
	}
	own := l.of("shard" + l.shard.suffix() + ".lock")
	if free, err := own.TryExclusive(); err != nil || !free {
		return []holder{readHolder(own)}, lockFailed(err, own)
	}
	return nil, writeHolder(own, l.shard)
}

// of returns the lock file of that name in the store, which release frees.
func (l *locks) of(name string) *durable.FileLock {
	lock := durable.NewFileLock(filepath.Join(l.dir, name))
	l.taken = append(l.taken, lock)
	return lock
}

// lockFailed returns the error for a lock that can't be taken, or nil.
func lockFailed(err error, lock *durable.FileLock) error {
	if durable.NoLocks(err) {
		return fail.Wrap(fail.Usage, err, "Keep the store on a file system with locks, such as a local disk.",
			"cannot lock %s", lock.Path())
	}
	return writeFailed(err, lock.Path(), 0)
}

// beginMaintenance waits for the maintenance lock, which others hold only briefly.
func (l *locks) beginMaintenance(ctx context.Context) error {
	if l.maintenance == nil {
		return nil
	}
	err := l.maintenance.WaitExclusive(ctx)
	if ctx.Err() != nil {
		return err
	}
	return lockFailed(err, l.maintenance)
}

func (l *locks) endMaintenance() {
	if l.maintenance != nil {
		l.maintenance.Release()
	}
}

// release frees every lock.
func (l *locks) release() {
	for _, lock := range l.taken {
		lock.Release()
	}
	l.taken, l.maintenance = nil, nil
}

// writeHolder writes this process into the lock file that it holds; an older fx reads it there.
func writeHolder(lock *durable.FileLock, shard Shard) error {
	host, err := os.Hostname()
	if err != nil {
		host = "this host"
	}
	h := holder{PID: os.Getpid(), Host: host, Started: time.Now().Truncate(time.Second), Shard: shard.String()}
	text, err := json.Marshal(h)
	if err != nil {
		return err
	}
	f, err := durable.Open(lock.Path(), os.O_WRONLY|os.O_TRUNC)
	if err == nil {
		_, err = f.Write(append(text, '\n'))
		err = errors.Join(err, f.Close())
	}
	return writeFailed(err, lock.Path(), len(text))
}

// readHolder returns the last holder in the lock file. It is the zero holder if the file can't be read.
func readHolder(lock *durable.FileLock) holder {
	var h holder
	f, err := durable.Open(lock.Path(), os.O_RDONLY)
	if err != nil {
		return holder{}
	}
	defer func() { _ = f.Close() }() // only read
	text, err := io.ReadAll(io.LimitReader(f, 4096))
	if err != nil || json.Unmarshal(text, &h) != nil {
		return holder{}
	}
	return h
}

// holders returns who prevents the whole job from locking all: the process that wrote into the lock, or the shards
// whose own locks are held.
func (l *locks) holders(ctx context.Context, all *durable.FileLock) []holder {
	unknown := []holder{{}}
	if h := readHolder(all); h.PID != 0 {
		return []holder{h}
	}
	// Shards take their own locks while they hold this one, so they do not meet the tries below. If it stays held, no
	// holder is named.
	ctx, cancel := context.WithTimeout(ctx, 4*pollInterval)
	defer cancel()
	if l.of(maintenanceFile).WaitExclusive(ctx) != nil {
		return unknown
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
		lock := durable.NewFileLock(filepath.Join(l.dir, e.Name()))
		if free, err := lock.TryShared(); err == nil && !free {
			found = append(found, readHolder(lock))
		}
		lock.Release()
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
