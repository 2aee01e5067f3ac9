package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"fx/internal/fail"
)

func (r run) open(options WriteOptions) (*Writer, error) {
	return OpenForWriting(context.Background(), r.dir, r.manifest, options)
}

func TestSecondWriterIsToldWhoHoldsTheStore(t *testing.T) {
	r := newRun(t, somePhotos(1))
	shard0, shard1 := WriteOptions{Shard: Shard{0, 2}}, WriteOptions{Shard: Shard{1, 2}}
	for _, c := range []struct {
		name          string
		first, second WriteOptions
		locked        bool
	}{
		{"whole and whole", WriteOptions{}, WriteOptions{}, true},
		{"whole and shard", WriteOptions{}, shard0, true},
		{"shard and whole", shard0, WriteOptions{}, true},
		{"a shard twice", shard0, shard0, true},
		{"two shards", shard0, shard1, false},
	} {
		first, err := r.open(c.first)
		must(t, err)
		second, err := r.open(c.second)
		if !c.locked {
			must(t, err)
			second.Close()
		} else if who := fmt.Sprintf("process %d on ", os.Getpid()); fail.KindOf(err) != fail.Locked ||
			!strings.Contains(err.Error(), who) || fail.HintOf(err) == "" {
			t.Errorf("%s: %v of kind %d", c.name, err, fail.KindOf(err))
		}
		first.Close()
		first.Close()
		third, err := r.open(c.second)
		if err != nil {
			t.Errorf("%s: after the first ended: %v", c.name, err)
			continue
		}
		third.Close()
	}
}

func TestWriterWaits(t *testing.T) {
	r := newRun(t, somePhotos(1))
	for _, options := range []WriteOptions{{}, {Shard: Shard{0, 2}}} {
		first, err := r.open(WriteOptions{})
		must(t, err)
		time.AfterFunc(120*time.Millisecond, first.Close)
		n := &notes{}
		options.Wait, options.Progress = 20*time.Second, n
		second, err := r.open(options)
		must(t, err)
		second.Close()
		if len(n.lines) != 1 || !strings.Contains(n.lines[0], "waiting up to 20s for process") {
			t.Errorf("notes %q", n.lines)
		}
		first, err = r.open(WriteOptions{})
		must(t, err)
		options.Wait = 60 * time.Millisecond
		start := time.Now()
		if _, err := r.open(options); fail.KindOf(err) != fail.Locked || time.Since(start) < options.Wait {
			t.Errorf("after %s: %v", time.Since(start), err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		time.AfterFunc(50*time.Millisecond, cancel)
		options.Wait = time.Hour
		if _, err := OpenForWriting(ctx, r.dir, r.manifest, options); !errors.Is(err, context.Canceled) {
			t.Errorf("canceled: %v", err)
		}
		first.Close()
	}
}

// TestOneOfManyWritersAtATime lets goroutines, whose flocks exclude each other
// as processes' do, fight for the store.
func TestOneOfManyWritersAtATime(t *testing.T) {
	r := newRun(t, somePhotos(1))
	var inside, most int
	var mutex sync.Mutex
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			w, err := r.open(WriteOptions{Wait: time.Minute})
			if err != nil {
				t.Error(err)
				return
			}
			mutex.Lock()
			inside++
			most = max(most, inside)
			mutex.Unlock()
			time.Sleep(time.Millisecond)
			mutex.Lock()
			inside--
			mutex.Unlock()
			w.Close()
		})
	}
	group.Wait()
	if most != 1 {
		t.Errorf("%d writers at once", most)
	}
}

// TestLiveTemporaryFilesOfOtherShardsStay: only who is alone clears up.
func TestLiveTemporaryFilesOfOtherShardsStay(t *testing.T) {
	r := newRun(t, somePhotos(1))
	first, err := r.open(WriteOptions{Shard: Shard{0, 2}})
	must(t, err)
	temp := filepath.Join(r.dir, "shard-0-of-2-00000.arrow.fx-tmp-1")
	must(t, os.WriteFile(temp, nil, 0o644))
	second, err := r.open(WriteOptions{Shard: Shard{1, 2}})
	must(t, err)
	if _, err := os.Stat(temp); err != nil {
		t.Errorf("a temporary file of a shard at work: %v", err)
	}
	first.Close()
	second.Close()
	third, err := r.open(WriteOptions{Shard: Shard{1, 2}})
	must(t, err)
	third.Close()
	if _, err := os.Stat(temp); err == nil {
		t.Error("a stale temporary file is left")
	}
}
