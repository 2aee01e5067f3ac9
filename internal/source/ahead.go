package source

import (
	"bytes"
	"context"
	"io"
	"sync"
)

// Bounds of what is fetched before it is needed.
const (
	fetchers     = 32        // requests at once
	aheadPhotos  = 256       // photos in memory
	aheadBytes   = 128 << 20 // their bytes, but for those being fetched
	longestAhead = 64 << 20  // a longer photo is fetched when it is needed
)

// Ahead fetches sources in memory before they are read, so that the time for an answer is hidden.
type Ahead struct {
	ctx     context.Context
	sources []Source
	mutex   sync.Mutex
	change  *sync.Cond // of what follows
	next    int        // the first that nobody fetches yet
	held    int        // photos fetched or being fetched, and not read yet
	size    int64      // bytes of those fetched
	state   []aheadState
	found   map[int]fetchedAhead
}

type aheadState uint8

const (
	waiting aheadState = iota
	fetching
	ready
	taken
)

type fetchedAhead struct {
	data []byte
	stat Stat
	err  error
}

// NewAhead begins to fetch the sources, which are read about in their order, until ctx ends.
func NewAhead(ctx context.Context, sources []Source) *Ahead {
	a := &Ahead{ctx: ctx, sources: sources, state: make([]aheadState, len(sources)), found: map[int]fetchedAhead{}}
	a.change = sync.NewCond(&a.mutex)
	context.AfterFunc(ctx, func() {
		a.mutex.Lock() // so that nobody begins to wait now
		defer a.mutex.Unlock()
		a.change.Broadcast()
	})
	for range min(fetchers, len(sources)) {
		go a.fetchAll()
	}
	return a
}

// Source returns the i-th source, whose bytes are fetched already or soon.
func (a *Ahead) Source(i int) Source { return &aheadSource{a.sources[i], a, i} }

// fetchAll fetches one photo after another, as far as the bounds allow.
func (a *Ahead) fetchAll() {
	for {
		a.mutex.Lock()
		for a.ctx.Err() == nil && a.next < len(a.sources) && (a.held >= aheadPhotos || a.size >= aheadBytes) {
			a.change.Wait()
		}
		for a.next < len(a.sources) && a.state[a.next] != waiting {
			a.next++
		}
		if a.ctx.Err() != nil || a.next == len(a.sources) {
			a.mutex.Unlock()
			return
		}
		i := a.next
		a.next++
		a.held++
		a.state[i] = fetching
		a.mutex.Unlock()

		f := fetch(a.sources[i])

		a.mutex.Lock()
		if a.state[i] == fetching {
			a.state[i] = ready
			a.found[i] = f
			a.size += int64(len(f.data))
		}
		a.change.Broadcast()
		a.mutex.Unlock()
	}
}

func fetch(s Source) (f fetchedAhead) {
	if f.stat, f.err = s.Stat(); f.err != nil || f.stat.Size > longestAhead {
		return f
	}
	c, err := s.Open()
	if err != nil {
		f.err = err
		return f
	}
	defer func() { _ = c.Close() }() // only read
	if f.stat, f.err = c.Stat(); f.err != nil || f.stat.Size > longestAhead {
		return f
	}
	f.data = make([]byte, f.stat.Size)
	_, f.err = io.ReadFull(c, f.data)
	return f
}

// take returns what was fetched of the i-th source, after waiting for a fetch that has begun. ok is false if it must be
// opened: it was not fetched, or has been taken before.
func (a *Ahead) take(i int) (f fetchedAhead, ok bool) {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	for a.state[i] == fetching && a.ctx.Err() == nil {
		a.change.Wait()
	}
	before := a.state[i]
	a.state[i] = taken
	if before == fetching || before == ready {
		a.held--
	}
	if before != ready {
		a.change.Broadcast()
		return f, false
	}
	f = a.found[i]
	delete(a.found, i)
	a.size -= int64(len(f.data))
	a.change.Broadcast()
	return f, f.err != nil || f.data != nil
}

// look returns what was fetched of the i-th source, after waiting for a fetch that has begun.
func (a *Ahead) look(i int) (f fetchedAhead, ok bool) {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	for a.state[i] == fetching && a.ctx.Err() == nil {
		a.change.Wait()
	}
	f = a.found[i]
	return f, a.state[i] == ready && f.err == nil
}

// aheadSource is a source whose first Open takes what was fetched.
type aheadSource struct {
	Source
	of *Ahead
	i  int
}

// Stat describes the fetched bytes where nothing is known before.
func (s *aheadSource) Stat() (Stat, error) {
	if stat, err := s.Source.Stat(); err != nil || !stat.ModTime.IsZero() {
		return stat, err
	}
	if f, ok := s.of.look(s.i); ok {
		return f.stat, nil
	}
	return s.Source.Stat()
}

// Open returns the fetched bytes, or the error of fetching them; after that it opens the source itself.
func (s *aheadSource) Open() (Content, error) {
	f, ok := s.of.take(s.i)
	if !ok {
		return s.Source.Open()
	}
	if f.err != nil {
		return nil, f.err
	}
	return openedAhead{openedBytes{bytes.NewReader(f.data), Bytes{}}, f.stat}, nil
}

type openedAhead struct {
	openedBytes
	stat Stat
}

func (o openedAhead) Stat() (Stat, error) { return o.stat, nil }
