package experiments

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"

	"fx/internal/dataset"
	"fx/internal/progress"
)

// contentSHA256 is a hash of all photos: names, splits, classes and contents.
// One that can't be read counts as empty: each run tells why it leaves it out.
func contentSHA256(ctx context.Context, photos *dataset.Dataset, report progress.Reporter) (string, error) {
	items := photos.Found() // those that must not be opened among them, whose content counts as empty
	task := report.Begin("hash photos", int64(len(items)), "photos")
	defer task.End()
	sums := make([][sha256.Size]byte, len(items))
	var group sync.WaitGroup
	next := make(chan int)
	for range runtime.GOMAXPROCS(0) {
		group.Go(func() {
			for i := range next {
				if items[i].Size == 0 {
					sums[i] = sha256.Sum256(nil)
				} else {
					sums[i] = fileSHA256(items[i].Path)
				}
				task.Add(1)
			}
		})
	}
	for i := range items {
		if ctx.Err() != nil {
			break
		}
		next <- i
	}
	close(next)
	group.Wait()
	if err := ctx.Err(); err != nil {
		return "", err
	}
	h := sha256.New()
	for i, item := range items {
		fmt.Fprintf(h, "%s\x00%s\x00%s\x00%x\n", item.Rel, item.Split, item.Class, sums[i])
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

func fileSHA256(path string) (sum [sha256.Size]byte) {
	f, err := os.Open(path)
	if err != nil {
		return sum
	}
	defer func() { _ = f.Close() }() // only read
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return sum
	}
	return [sha256.Size]byte(h.Sum(nil))
}
