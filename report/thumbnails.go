package report

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"path/filepath"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"

	"fx/internal/dataset"
	"fx/internal/fail"
	"fx/internal/photoio"
	"fx/internal/preprocess"
	"fx/internal/progress"
	"fx/internal/store"
	"fx/report/page"
)

// thumbnailQuality is JPEG's: about 3 KB a thumbnail.
const thumbnailQuality = 70

// thumbnails holds each photo of the page once, whatever the number of runs.
type thumbnails struct {
	photos []photo
	byHash map[store.SHA256]int
	roots  map[source]map[string]dataset.Item // source → relative path → photo
}

// source is where a run found its photos.
type source struct {
	data          string // folder or list, "" where that is not known
	noFollowLinks bool   // as the run was told
}

type photo struct {
	page.Photo
	source source
	sha256 store.SHA256
	shown  bool // gets a thumbnail

	tooLarge bool // to be decoded within the memory that is allowed, so that it has none
}

func newThumbnails() *thumbnails {
	return &thumbnails{byHash: map[store.SHA256]int{}, roots: map[source]map[string]dataset.Item{}}
}

// add returns the number of the photo called rel in from.
func (a *thumbnails) add(from source, rel string, hash store.SHA256) int {
	if at, known := a.byHash[hash]; known {
		return at
	}
	a.byHash[hash] = len(a.photos)
	a.photos = append(a.photos, photo{Photo: page.Photo{Name: rel}, source: from, sha256: hash})
	return len(a.photos) - 1
}

// choose picks the photos that get thumbnails, at most limit: those that runs
// list as mistakes, then an even sample of those on maps. It returns how many
// have none.
func (a *thumbnails) choose(runs []*run, limit int) (left int) {
	count := 0
	show := func(i int) {
		if !a.photos[i].shown && count < limit {
			a.photos[i].shown = true
			count++
		}
	}
	for rank := range maxMistakes {
		for _, r := range runs {
			if j := r.shown.Evaluation; j != nil && rank < len(j.Mistakes) {
				show(j.Mistakes[rank].Photo)
			}
		}
	}
	var rest []int
	for i, p := range a.photos {
		if !p.shown {
			rest = append(rest, i)
		}
	}
	room := limit - count
	for k := range min(room, len(rest)) {
		show(rest[k*len(rest)/min(room, len(rest))])
	}
	return len(a.photos) - count
}

// draw makes the thumbnails of the chosen photos. Those that can't be made, since the photo is
// gone, changed, damaged or too large, stay nil. The error is not about a photo.
func (a *thumbnails) draw(ctx context.Context, reader *photoio.Reader, watch progress.Reporter) error {
	var wanted []int
	for i, p := range a.photos {
		if p.shown {
			wanted = append(wanted, i)
			if err := a.scan(ctx, p.source); err != nil {
				return err
			}
		}
	}
	task := watch.Begin("thumbnails", int64(len(wanted)), "photos")
	defer task.End()
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for _, i := range wanted {
		group.Go(func() (err error) {
			p := &a.photos[i]
			p.JPEG, err = thumbnail(groupCtx, reader, a.roots[p.source][p.Name], p.sha256) // nil is counted by missing
			task.Add(1)
			if p.tooLarge = err != nil && fail.KindOf(err) == fail.Rejected; p.tooLarge {
				return nil
			}
			return err
		})
		if groupCtx.Err() != nil {
			break
		}
	}
	return cmp.Or(group.Wait(), ctx.Err())
}

// scan finds the photos of a source, once. A folder that is gone holds none.
func (a *thumbnails) scan(ctx context.Context, from source) error {
	if _, known := a.roots[from]; known {
		return nil
	}
	photos := map[string]dataset.Item{}
	a.roots[from] = photos
	if from.data == "" {
		return nil
	}
	var extensions []string // of photos that runs were told to take
	for _, p := range a.photos {
		if e := filepath.Ext(p.Name); p.source == from && !slices.Contains(extensions, e) {
			extensions = append(extensions, e)
		}
	}
	found, err := dataset.Scan(ctx, from.data, dataset.Options{
		Extensions: extensions, NoFollowLinks: from.noFollowLinks, ByName: true,
	})
	if fail.BySystem(err) {
		return fail.Wrap(fail.KindOf(err), err, "", "the photos of the report")
	}
	if err != nil {
		return nil
	}
	for _, item := range found.Items {
		photos[item.Rel] = item
	}
	return nil
}

// thumbnail returns the photo as a small square JPEG, or nil where it
// is not the one of the hash or can't be used. Errors: those of photoio.Reader.Read but Unusable.
func thumbnail(ctx context.Context, reader *photoio.Reader, photo dataset.Item, hash store.SHA256) ([]byte, error) {
	read, err := reader.Read(ctx, photo.Source())
	var bad *photoio.Unusable
	if errors.As(err, &bad) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	defer read.Release()
	if store.SHA256(read.SHA256) != hash {
		return nil, nil
	}
	const side = page.ThumbnailSide
	pixels := make([]uint8, 3*side*side)
	if err := read.CenterView(preprocess.ImageNet(side, side), pixels); err != nil {
		return nil, err
	}
	square := image.NewRGBA(image.Rect(0, 0, side, side))
	for i := range side * side {
		copy(square.Pix[4*i:], pixels[3*i:3*i+3])
		square.Pix[4*i+3] = 0xff
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, square, &jpeg.Options{Quality: thumbnailQuality}); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// shown are the photos as the page takes them.
func (a *thumbnails) shown() []page.Photo {
	all := make([]page.Photo, len(a.photos))
	for i, p := range a.photos {
		all[i] = p.Photo
	}
	return all
}

// notes say what of the photos is not in the page.
func (a *thumbnails) notes(left int) []string {
	var notes []string
	missing, large := 0, 0
	for _, p := range a.photos {
		switch {
		case !p.shown || p.JPEG != nil:
		case p.tooLarge:
			large++
		default:
			missing++
		}
	}
	if left > 0 {
		notes = append(notes,
			fmt.Sprintf("%d of the %d photos shown have thumbnails: the mistakes listed, and an even sample of the "+
				"others", len(a.photos)-left, len(a.photos)))
	}
	if missing > 0 {
		notes = append(notes,
			fmt.Sprintf("%d photos have no thumbnail: they are gone or have changed since the runs saw them (--data "+
				"names their folder)", missing))
	}
	if large > 0 {
		notes = append(notes,
			fmt.Sprintf("%d photos have no thumbnail: they take more memory to be decoded than is allowed "+
				"(--decode-memory)", large))
	}
	return notes
}
