package sample

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
	"fx/internal/paths"
	"fx/internal/progress"
)

// The tutorial's photos: ants and bees, 244 for training and 153 for validation.
const (
	officialURL  = "https://download.pytorch.org/tutorial/hymenoptera_data.zip"
	officialName = "hymenoptera_data"
	officialSize = 47286322 // bytes of the zip
)

// DrawnName is what pictures drawn by fx are called wherever they are used.
const DrawnName = "drawn pictures"

// Options of Photos. The zero value looks everywhere.
type Options struct {
	Dir     string // the user's folder; nothing else is looked at
	Offline bool   // nothing is downloaded

	url    string // of the zip, for tests
	client fetch.Client
	draw   func(ctx context.Context, dir string) error // nil is Draw
}

// Found is a folder of photos, with a folder a split and a folder a class in each.
type Found struct {
	Dir    string   `json:"dir"`
	Origin string   `json:"origin"` // "--data", "FX_DATA_DIR", "a folder here", "fx's cache", "download" or DrawnName
	Notes  []string `json:"notes"`  // every place that did not serve, and why
}

// Photos finds photos. It fails only where the user named a folder that does
// not exist, where ctx ends, or where not even the cache can be written.
func Photos(ctx context.Context, o Options, report progress.Reporter) (Found, error) {
	f := Found{Notes: []string{}}
	if o.Dir != "" {
		return f.take(o.Dir, "--data")
	}
	if dir := os.Getenv("FX_DATA_DIR"); dir != "" {
		return f.take(dir, "FX_DATA_DIR")
	}
	for _, dir := range []string{officialName, filepath.Join("data", officialName)} {
		if isFolder(dir) {
			return f.take(dir, "a folder here")
		}
	}
	cached, err := paths.Cache("data", officialName)
	if err != nil {
		return f, err
	}
	if isFolder(cached) {
		return f.take(cached, "fx's cache")
	}
	if err := f.download(ctx, o, cached, report); err == nil {
		return f.take(cached, "download")
	} else if ctx.Err() != nil {
		return f, ctx.Err()
	} else {
		if errors.Is(err, fetch.ErrUnreachable) {
			err = fetch.ErrUnreachable // the address stands in the line before
		}
		f.note(report, fmt.Sprintf("the tutorial's photos can't be had (%v); taking %s instead", err, DrawnName))
	}
	drawn, err := paths.Cache("data", fmt.Sprintf("drawn-v%d", drawnVersion))
	if err != nil {
		return f, err
	}
	if !isFolder(drawn) {
		draw := o.draw
		if draw == nil {
			draw = Draw
		}
		err := whole(drawn, func(temporary string) error { return draw(ctx, temporary) })
		if ctx.Err() != nil {
			return f, ctx.Err()
		}
		if err != nil {
			return f, fail.Wrap(fail.KindOf(err), err, "Set FX_CACHE_DIR to a folder that fx may write.", "draw pictures in %s", drawn)
		}
	}
	return f.take(drawn, DrawnName)
}

func (f Found) take(dir, origin string) (Found, error) {
	if !isFolder(dir) {
		return f, fail.New(fail.Usage, "Name a folder that holds train/ and val/, each with a folder a class.", "%s: there is no folder %s", origin, dir)
	}
	f.Dir, f.Origin = dir, origin
	return f, nil
}

func (f *Found) note(report progress.Reporter, line string) {
	f.Notes = append(f.Notes, line)
	report.Note(line)
}

func (f *Found) download(ctx context.Context, o Options, dir string, report progress.Reporter) error {
	if o.Offline {
		return fail.New(fail.Other, "", "downloading is switched off")
	}
	url := o.url
	if url == "" {
		url = officialURL
	}
	f.note(report, "no photos here; fetching the tutorial's ants and bees (47 MB) from "+url)
	zipped := dir + ".zip"
	if err := os.MkdirAll(filepath.Dir(dir), 0o777); err != nil {
		return err
	}
	if _, err := o.client.Get(ctx, fetch.File{URL: url, Path: zipped, MaxBytes: 10 * officialSize,
		Check: func(part string) error { return checkZip(ctx, part) }}, report); err != nil {
		return err
	}
	if err := whole(dir, func(temporary string) error { return unzip(ctx, zipped, temporary) }); err != nil {
		return err
	}
	return os.Remove(zipped)
}

// whole makes dir appear with everything that fill writes, or not at all.
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
	if err := os.Rename(temporary, dir); err != nil && !isFolder(dir) { // another fx may have been faster
		return err
	}
	return nil
}

// sweep removes what killed processes left of dir a day ago or before; younger
// folders may be another process's.
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

func isFolder(dir string) bool {
	info, err := os.Stat(dir)
	return err == nil && info.IsDir()
}
