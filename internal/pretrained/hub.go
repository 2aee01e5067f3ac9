package pretrained

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"fx/internal/fail"
	"fx/internal/fetch"
	"fx/internal/hub"
	"fx/internal/weights"
)

// hubFiles calls get with the official file, and with the index of its shards if there is no such file. It calls get
// with the shards of an index too. It returns the path of the file or of the index, or get's error for the file.
func (s *search) hubFiles(get func(file string) (string, error)) (string, error) {
	found, err := get(s.Official.File)
	if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, hub.ErrNoFile) {
		return found, err
	}
	index, indexErr := get(s.Official.File + weights.IndexEnding)
	if errors.Is(indexErr, fs.ErrNotExist) || errors.Is(indexErr, hub.ErrNoFile) {
		return "", err
	}
	if indexErr != nil {
		return "", indexErr
	}
	shards, err := weights.Shards(index)
	if err != nil {
		return "", err
	}
	for _, shard := range shards {
		if _, err := get(path.Join(path.Dir(s.Official.File), shard)); err != nil {
			return "", err
		}
	}
	return index, nil
}

// hubUserCache looks in the user's cache of the Hugging Face hub. It skips a bad file there, which is not fx's.
func (s *search) hubUserCache(ctx context.Context) (Found, error) {
	file, err := s.hubFiles(func(file string) (string, error) { return s.repo.UserFile(ctx, file) })
	found := Found{}
	if err == nil {
		found, err = s.official(ctx, file, FromHubCache)
	}
	switch {
	case err == nil || fail.BySystem(err) || ctx.Err() != nil:
		return found, err
	case !errors.Is(err, fs.ErrNotExist):
		s.note("not taking the one in the Hugging Face hub's cache: %v", err)
	}
	return Found{}, errNotHere
}

// hubCache looks in fx's cache.
func (s *search) hubCache(ctx context.Context) (Found, error) {
	if s.repo.Commit == "" {
		return Found{}, errNotHere
	}
	file, err := s.hubFiles(func(file string) (string, error) {
		path, err := s.repo.Path(file)
		if err == nil {
			_, err = os.Stat(path)
		}
		return path, err
	})
	if errors.Is(err, fs.ErrNotExist) {
		return Found{}, errNotHere
	}
	if err != nil {
		return Found{}, err
	}
	return s.official(ctx, file, FromCache)
}

// hubDownload downloads the official file from the Hugging Face hub.
func (s *search) hubDownload(ctx context.Context) (Found, error) {
	address := s.repo.URL(s.Official.File)
	if s.Offline {
		s.note("not downloading %s: fx must stay offline", address)
		return Found{}, errNotHere
	}
	s.note("not on this machine yet; downloading %s", address)
	file, err := s.hubFiles(func(file string) (string, error) {
		got, err := s.repo.Fetch(ctx, file, maxWeights, s.report)
		return got.Path, err
	})
	if err == nil {
		return s.official(ctx, file, FromDownload)
	}
	err = s.held(err)
	if ctx.Err() != nil || errors.Is(err, fetch.ErrDigest) || fail.BySystem(err) {
		return Found{}, err
	}
	s.note("the download failed: %v", err)
	var refused *fetch.StatusError
	switch {
	case errors.Is(err, hub.ErrOffline):
		s.hint = fail.HintOf(err) + " " + s.byHand()
	case errors.As(err, &refused) || !errors.Is(err, fetch.ErrUnreachable):
		s.hint = fail.HintOf(err)
	}
	return Found{}, errNotHere
}

// byHand is the hint for a machine that does not reach the hub.
func (s *search) byHand() string {
	name := path.Base(s.repo.Name) + filepath.Ext(s.Official.File)
	return fmt.Sprintf("On a machine with a network, download %s, and put it as %s into a folder that FX_WEIGHTS_DIR "+
		"names.", s.repo.URL(s.Official.File), name)
}
