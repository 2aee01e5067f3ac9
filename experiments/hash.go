package experiments

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"runtime"

	"golang.org/x/sync/errgroup"

	"fx/internal/dataset"
	"fx/internal/photoio"
	"fx/internal/progress"
)

// contentSHA256 returns a hash of the names, splits, classes and contents of all photos. The content of an unusable
// photo counts as zeros; each run reports why it leaves the photo out.
func contentSHA256(ctx context.Context, photos *dataset.Dataset, report progress.Reporter) (string, error) {
	items := photos.Found() // including those that must not be opened, which count as empty
	task := report.Begin("hash photos", int64(len(items)), "photos")
	defer task.End()
	sums := make([][sha256.Size]byte, len(items))
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i, item := range items {
		if item.Size == 0 {
			sums[i] = sha256.Sum256(nil)
			task.Add(1)
			continue
		}
		group.Go(func() error {
			file, err := photoio.Hash(groupCtx, item.Source())
			task.Add(1)
			var bad *photoio.Unusable
			switch {
			case err == nil:
				sums[i] = file.SHA256
			case !errors.As(err, &bad):
				return err
			}
			return nil
		})
		if groupCtx.Err() != nil {
			break
		}
	}
	if err := cmp.Or(group.Wait(), ctx.Err()); err != nil {
		return "", err
	}
	h := sha256.New()
	for i, item := range items {
		fmt.Fprintf(h, "%s\x00%s\x00%s\x00%x\n", item.Rel, item.Split, item.Class, sums[i])
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
