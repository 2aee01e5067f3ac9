package photoio

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"fx/internal/fail"
	"fx/internal/imaging"
	"fx/internal/source"
)

// Options of a Reader. The zero value suits most callers.
type Options struct {
	// Memory limits the bytes of all photos that are read at once, and of any one of them. 0 is a quarter of the
	// memory that this process may use, and three quarters for one photo alone.
	Memory int64
	// Hash asks for each file's SHA-256.
	Hash bool
	// Timeout makes a photo Unusable whose reading and decoding takes longer, without the wait for memory; 0 is no
	// limit. Decoding can't be cancelled: it goes on in the background, and its memory is not free before it ends.
	Timeout time.Duration
}

// Reader reads and decodes photos. It is safe for concurrent use; all goroutines that decode at the same time should
// share one.
type Reader struct {
	decoder *imaging.Decoder
	budget  *budget
	hash    bool
	timeout time.Duration
	decode  func(*imaging.Image, []byte) error // of the decoder; tests replace it
}

// NewReader returns a Reader that decodes with d.
func NewReader(d *imaging.Decoder, o Options) *Reader {
	return &Reader{decoder: d, budget: newBudget(o.Memory), hash: o.Hash, timeout: o.Timeout,
		decode: d.DecodeInto}
}

// Photo is a decoded photo and the file that it came from. Its pixels are valid from Read to Release.
type Photo struct {
	imaging.Image
	File
	lease *lease
}

// Release returns the pixels to the Reader. The photo must not be used afterwards.
func (p *Photo) Release() {
	pixels := p.Pix
	p.Pix = nil // now only the budget refers to them
	p.lease.release(pixels)
}

// Read reads the photo of the source, after waiting for enough memory. The caller must release the Photo before it
// waits for anything, another photo included. Errors: Unusable for a fault of the photo; fail.System; fail.Rejected
// for a photo that needs more memory than the limit; the context's.
func (r *Reader) Read(ctx context.Context, from source.Source) (*Photo, error) {
	bytes, err := r.size(ctx, from)
	if err != nil {
		return nil, err
	}
	// The file's header determines the memory for decoding, and the file itself takes memory. If that much more is not
	// free at once, the lease is returned, and all of it is requested together.
	for wanted := bytes; ; {
		if wanted > r.budget.most {
			return nil, r.tooLarge(from, fmt.Sprintf("of %d bytes", bytes), wanted)
		}
		l, err := r.budget.lease(ctx, wanted)
		if err != nil {
			return nil, err
		}
		p, more, err := r.inTime(ctx, from, l)
		if err != nil || more == 0 {
			return p, err
		}
		wanted = more
	}
}

// read reads the photo within l. If more is not 0, the photo needs that many bytes instead. It releases l unless it
// returns a photo.
func (r *Reader) read(ctx context.Context, from source.Source, l *lease) (p *Photo, more int64, err error) {
	defer func() {
		if err != nil || more != 0 {
			l.release(nil)
		}
	}()
	data, file, err := content(ctx, from, request{limit: l.n, photo: true, hash: r.hash})
	var grown *longer
	if errors.As(err, &grown) {
		return nil, grown.size, nil
	}
	if err != nil {
		return nil, 0, err
	}
	m := r.decoder.Memory(data)
	needed := int64(len(data)) + m.Pixels + m.Work
	if needed > r.budget.most {
		if err := r.decoder.Vet(data); err != nil { // more memory would not help
			return nil, 0, &Unusable{err, file}
		}
		return nil, 0, r.tooLarge(from, fmt.Sprintf("of %d×%d pixels", m.W, m.H), needed)
	}
	if !l.grow(needed) {
		return nil, needed, nil
	}
	p = &Photo{File: file, lease: l}
	p.Pix = l.pixels(m.Pixels)
	if err := r.decode(&p.Image, data); errors.Is(err, syscall.ENOMEM) {
		return nil, 0, fail.Wrap(fail.System, err, "Use fewer --workers, or a smaller --decode-memory.",
			"cannot decode %s", from)
	} else if err != nil {
		if errors.Is(err, imaging.ErrNoLibrary) {
			file = File{} // the content is not at fault
		}
		return nil, 0, &Unusable{err, file}
	}
	l.shrink(int64(cap(p.Pix)))
	return p, 0, nil
}

// tooLarge is the error for a valid photo that needs more memory than the limit.
func (r *Reader) tooLarge(from source.Source, what string, bytes int64) error {
	const mib = 1 << 20
	hint := fmt.Sprintf("Allow it with --decode-memory %dMiB on a machine with that much memory, or remove the photo.",
		bytes/mib+1)
	return fail.New(fail.Rejected, hint,
		"%s, a photo %s, needs %d MiB of memory to be decoded, and %d are allowed", from, what, bytes/mib+1,
		r.budget.most/mib)
}
