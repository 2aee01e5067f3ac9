package photoio

import (
	"context"
	"errors"
	"fmt"
	"syscall"

	"fx/internal/fail"
	"fx/internal/imaging"
)

// Options of a Reader. The zero value suits most.
type Options struct {
	// Memory bounds the bytes that all photos take which are read at once, and any one of
	// them. 0 is a quarter of the memory that this process may use, and for a photo alone
	// three quarters.
	Memory int64
	// Hash asks for each file's SHA-256.
	Hash bool
}

// Reader reads and decodes photos. It is safe for concurrent use, and meant to be shared by all
// who decode at the same time.
type Reader struct {
	decoder *imaging.Decoder
	budget  *budget
	hash    bool
}

// NewReader returns a Reader that decodes by d.
func NewReader(d *imaging.Decoder, o Options) *Reader {
	return &Reader{decoder: d, budget: newBudget(o.Memory), hash: o.Hash}
}

// Photo is a decoded photo and the file that it came from. Its pixels are the Reader's, from
// Read to Release.
type Photo struct {
	imaging.Image
	File
	lease *lease
}

// Release gives the pixels back. The photo must not be used any more.
func (p *Photo) Release() {
	pixels := p.Pix
	p.Pix = nil // nothing but the budget holds them now
	p.lease.release(pixels)
}

// Read reads the photo at path. It waits until there is memory for it. The caller releases the
// Photo before it waits for anything else, or for another photo. Errors: Unusable where the
// photo is to blame; fail.System; fail.Rejected for a photo that asks for more memory than any
// may; the context's.
func (r *Reader) Read(ctx context.Context, path string) (*Photo, error) {
	bytes, err := size(ctx, path)
	if err != nil {
		return nil, err
	}
	// What decoding takes stands in the file, whose bytes take memory themselves. Where there is
	// no more to be had at once, all is given back and asked for together.
	for wanted := bytes; ; {
		if wanted > r.budget.most {
			return nil, r.tooLarge(path, fmt.Sprintf("of %d bytes", bytes), wanted)
		}
		l, err := r.budget.lease(ctx, wanted)
		if err != nil {
			return nil, err
		}
		p, more, err := r.read(ctx, path, l)
		if err == nil && more == 0 {
			return p, nil
		}
		l.release(nil)
		if err != nil {
			return nil, err
		}
		wanted = more
	}
}

// read reads the photo within l. more, where not 0, is how many bytes it takes instead.
func (r *Reader) read(ctx context.Context, path string, l *lease) (p *Photo, more int64, err error) {
	data, file, err := content(ctx, path, request{limit: l.n, photo: true, hash: r.hash})
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
		if err := r.decoder.Vet(data); err != nil { // no memory would help
			return nil, 0, &Unusable{err}
		}
		return nil, 0, r.tooLarge(path, fmt.Sprintf("of %d×%d pixels", m.W, m.H), needed)
	}
	if !l.grow(needed) {
		return nil, needed, nil
	}
	p = &Photo{File: file, lease: l}
	p.Pix = l.pixels(m.Pixels)
	if err := r.decoder.DecodeInto(&p.Image, data); errors.Is(err, syscall.ENOMEM) {
		return nil, 0, fail.Wrap(fail.System, err, "Give it fewer --workers, or a smaller --decode-memory.", "cannot decode %s", path)
	} else if err != nil {
		return nil, 0, &Unusable{err}
	}
	l.shrink(int64(cap(p.Pix)))
	return p, 0, nil
}

// tooLarge is for a photo that nobody but the machine is to blame for.
func (r *Reader) tooLarge(path, what string, bytes int64) error {
	const mib = 1 << 20
	hint := fmt.Sprintf("Allow it with --decode-memory %dMiB on a machine that has so much, or take the photo out.", bytes/mib+1)
	return fail.New(fail.Rejected, hint,
		"%s, a photo %s, takes %d MiB of memory to be decoded, and %d are allowed", path, what, bytes/mib+1, r.budget.most/mib)
}
