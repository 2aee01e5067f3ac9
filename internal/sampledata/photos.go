package sampledata

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"fx/internal/durable"
	"fx/internal/fail"
	"fx/internal/fetch"
	"fx/internal/lockfile"
	"fx/internal/paths"
	"fx/internal/progress"
)

// officialName is the name of the tutorial's photos, wherever they are.
const officialName = "hymenoptera_data"

// drawnName is the name of pictures that fx drew, wherever they are used.
const drawnName = "drawn pictures"

// Options of Photos. The zero value looks everywhere.
type Options struct {
	Dir     string        // the user's folder; nothing else is looked at
	Offline bool          // nothing is downloaded
	Lock    lockfile.Lock // that the photos must match, unless the user names some

	archive *archive // nil is official
	client  fetch.Client
	draw    func(ctx context.Context, dir string) error // nil means drawAll
}

// Found is a folder of photos, with a folder per split and in each a folder per class.
type Found struct {
	Dir    string   `json:"dir"`
	Origin string   `json:"origin"` // for people: "--data", "FX_DATA_DIR", "a folder here", "fx's cache" …
	Drawn  bool     `json:"-"`      // there are no photos, fx drew pictures
	Notes  []string `json:"notes"`  // every place that could not be used, and why, and how the photos were verified

	Inputs []lockfile.Input `json:"inputs,omitempty"` // what fx fetched, for a lock
}

// Photos finds photos. It fails only if the user named a folder that does not exist, ctx ends, not even the cache can
// be written, the system fails (fail.System, fail.DiskFull), or the photos are not those of their first use or of the
// lock (fail.Model).
func Photos(ctx context.Context, o Options, report progress.Reporter) (Found, error) {
	f := Found{Notes: []string{}}
	if o.Dir != "" {
		return f.take(o.Dir, "--data")
	}
	if dir := os.Getenv("FX_DATA_DIR"); dir != "" {
		return f.take(dir, "FX_DATA_DIR")
	}
	for _, dir := range []string{officialName, filepath.Join("data", officialName)} {
		if here, err := isFolder(dir); err != nil {
			return f, err
		} else if here {
			return f.take(dir, "a folder here")
		}
	}
	cached, err := paths.Cache("data", officialName)
	if err != nil {
		return f, err
	}
	if here, err := isFolder(cached); err != nil {
		return f, err
	} else if here {
		return f.takeKnown(ctx, o.Lock, cached, "fx's cache", report)
	}
	wanted, locked, err := o.wanted()
	if err != nil {
		return f, err
	}
	if err := f.download(ctx, o, wanted, cached, report); err == nil {
		return f.takeKnown(ctx, o.Lock, cached, "download", report)
	} else if ctx.Err() != nil {
		return f, ctx.Err()
	} else if fail.BySystem(err) {
		return f, fail.Wrap(fail.KindOf(err), err, "", "the tutorial's photos")
	} else if locked {
		return f, fail.Wrap(fail.Model, fmt.Errorf("%w: %w", lockfile.ErrHeld, err),
			"Take the photos from the machine that wrote the lock, and name their folder with --data or FX_DATA_DIR.",
			"the lock names %s with SHA-256 %s, which is not available", officialName+".zip", wanted.sha256)
	} else {
		if errors.Is(err, fetch.ErrUnreachable) {
			err = fetch.ErrUnreachable // the line before has the address
		}
		f.note(report, fmt.Sprintf("the tutorial's photos are not available (%v); taking %s instead", err, drawnName))
	}
	return f.takeDrawn(ctx, o.draw, report)
}

// takeDrawn takes the drawn pictures in fx's cache, and draws them if they are not there.
func (f Found) takeDrawn(ctx context.Context, draw func(ctx context.Context, dir string) error,
	report progress.Reporter) (Found, error) {
	drawn, err := paths.Cache("data", fmt.Sprintf("drawn-v%d", drawnVersion))
	if err != nil {
		return f, err
	}
	if here, err := isFolder(drawn); err != nil {
		return f, err
	} else if !here {
		if draw == nil {
			draw = drawAll
		}
		err := whole(drawn, func(temporary string) error { return draw(ctx, temporary) })
		if ctx.Err() != nil {
			return f, ctx.Err()
		}
		if err != nil {
			return f, fail.Wrap(fail.KindOf(err), err, "Set FX_CACHE_DIR to a folder that fx may write.",
				"draw pictures in %s", drawn)
		}
	}
	if _, _, err := f.checkFirstUse(ctx, drawn, report); err != nil {
		return f, err
	}
	f.Drawn = true
	return f.take(drawn, drawnName)
}

func (f Found) take(dir, origin string) (Found, error) {
	if here, err := isFolder(dir); err != nil {
		return f, fail.Wrap(fail.KindOf(err), err, "", "%s", origin)
	} else if !here {
		return f, fail.New(fail.Usage, "Name a folder that holds train/ and val/, each with a folder a class.",
			"%s: there is no folder %s", origin, dir)
	}
	f.Dir, f.Origin = dir, origin
	return f, nil
}

// takeKnown takes the folder in fx's cache if it has not changed and matches the lock.
func (f Found) takeKnown(ctx context.Context, lock lockfile.Lock, dir, origin string,
	report progress.Reporter) (Found, error) {
	if err := f.hold(ctx, lock, dir, report); err != nil {
		return f, err
	}
	return f.take(dir, origin)
}

func (f *Found) note(report progress.Reporter, line string) {
	f.Notes = append(f.Notes, line)
	report.Note(line)
}

func (f *Found) download(ctx context.Context, o Options, wanted archive, dir string, report progress.Reporter) error {
	if o.Offline {
		return fail.New(fail.Other, "", "downloading is switched off")
	}
	f.note(report, "no photos here; fetching the tutorial's ants and bees (47 MB) from "+wanted.url)
	zipped := dir + ".zip"
	if err := os.MkdirAll(filepath.Dir(dir), 0o777); err != nil {
		return err
	}
	got, err := o.client.Get(ctx,
		fetch.File{URL: wanted.url, Path: zipped, SHA256Prefix: wanted.sha256, Bytes: wanted.bytes,
			MaxBytes: maxArchiveBytes,
			Check:    func(part string) error { return checkZip(ctx, part) }}, report)
	if err != nil {
		return err
	}
	f.note(report, "the tutorial's photos: "+got.Seen.Say(got.SHA256))
	if err := whole(dir, func(temporary string) error { return unzip(ctx, zipped, temporary) }); err != nil {
		return err
	}
	return os.Remove(zipped)
}

// whole creates dir with everything that fill writes, or not at all.
func whole(dir string, fill func(temporary string) error) (err error) {
	if err := os.MkdirAll(filepath.Dir(dir), 0o777); err != nil {
		return err
	}
	if err := sweep(dir); err != nil {
		return err
	}
	temporary, err := durable.MakeTempDir(filepath.Dir(dir), filepath.Base(dir)+".tmp-")
	if err != nil {
		return err
	}
	defer func() {
		if removeErr := os.RemoveAll(temporary); err == nil {
			err = removeErr
		}
	}()
	if err := fill(temporary); err != nil {
		return err
	}
	if err := os.Rename(temporary, dir); err != nil {
		if here, _ := isFolder(dir); !here { // another process may have made it
			return err
		}
	}
	return nil
}

// sweep removes what killed processes left of dir at least a day ago. Younger folders may belong to a running process.
func sweep(dir string) error {
	left, err := filepath.Glob(dir + ".tmp-*")
	if err != nil {
		return err
	}
	for _, old := range left {
		if info, err := os.Stat(old); err == nil && time.Since(info.ModTime()) > 24*time.Hour {
			if err := os.RemoveAll(old); err != nil {
				return err
			}
		}
	}
	return nil
}

// isFolder reports whether dir is a folder. The error is the system's.
func isFolder(dir string) (bool, error) {
	info, err := os.Stat(dir)
	if fail.BySystem(err) {
		return false, err
	}
	return err == nil && info.IsDir(), nil
}
