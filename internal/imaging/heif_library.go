package imaging

/*
#include <stddef.h>
#include <stdint.h>
#include <string.h>

// The part of libheif's API (1.6 and later) that fx calls, by its documented signatures, so that no header is needed.
typedef struct {
	int code, subcode;
	const char *message;
} fx_heif_error;

// The beginning of heif_decoding_options, which later versions only extend.
typedef struct {
	uint8_t version, ignore_transformations;
	void *start_progress, *on_progress, *end_progress, *progress_user_data;
	uint8_t convert_hdr_to_8bit, strict_decoding;
} fx_heif_options;

typedef struct {
	void *(*context_alloc)(void);
	void (*context_free)(void *);
	fx_heif_error (*read)(void *, const void *, size_t, const void *);
	fx_heif_error (*primary)(void *, void **);
	void (*handle_release)(const void *);
	int (*handle_width)(const void *);
	int (*handle_height)(const void *);
	fx_heif_options *(*options_alloc)(void);
	void (*options_free)(fx_heif_options *);
	fx_heif_error (*decode)(const void *, void **, int, int, const fx_heif_options *);
	void (*image_release)(const void *);
	int (*image_width)(const void *, int);
	int (*image_height)(const void *, int);
	const uint8_t *(*plane)(const void *, int, int *);
	const char *(*version)(void);
	void (*max_threads)(void *, int); // optional
} fx_heif;

enum { COLORSPACE_RGB = 1, CHROMA_INTERLEAVED_RGB = 10, CHANNEL_INTERLEAVED = 10, OUT_OF_MEMORY = 6 };

// fx_heif_decode writes the picture's declared size to w and h. Where pixels is not NULL, it then decodes, and writes
// the pixels, which must have this size. Returns 0, or the code of an error and its message.
static int fx_heif_decode(const fx_heif *t, const void *data, size_t size, int *w, int *h, uint8_t *pixels, char *why,
                          size_t room) {
	void *handle = NULL, *image = NULL;
	fx_heif_options *options = NULL;
	void *context = t->context_alloc();
	if (!context) {
		strncpy(why, "no memory", room - 1);
		return OUT_OF_MEMORY;
	}
	if (t->max_threads) t->max_threads(context, 0); // fx decodes photos beside each other
	fx_heif_error e = t->read(context, data, size, NULL);
	if (!e.code) e = t->primary(context, &handle);
	if (!e.code && !pixels) {
		*w = t->handle_width(handle);
		*h = t->handle_height(handle);
	}
	if (!e.code && pixels) {
		options = t->options_alloc();
		if (options && options->version >= 2) options->convert_hdr_to_8bit = 1;
		if (options && options->version >= 3) options->strict_decoding = 1;
		e = t->decode(handle, &image, COLORSPACE_RGB, CHROMA_INTERLEAVED_RGB, options);
	}
	if (!e.code && pixels) {
		int stride = 0;
		const uint8_t *from = t->plane(image, CHANNEL_INTERLEAVED, &stride);
		if (!from || t->image_width(image, CHANNEL_INTERLEAVED) != *w ||
		    t->image_height(image, CHANNEL_INTERLEAVED) != *h) {
			e.code = 1;
			e.message = "the picture has another size than it declares";
		} else {
			for (int y = 0; y < *h; y++) memcpy(pixels + (size_t)3 * *w * y, from + (size_t)stride * y, (size_t)3 * *w);
		}
	}
	// The message may belong to what is freed below.
	if (e.code) strncpy(why, e.message ? e.message : "unknown error", room - 1);
	if (image) t->image_release(image);
	if (options) t->options_free(options);
	if (handle) t->handle_release(handle);
	t->context_free(context);
	return e.code;
}

static const char *fx_heif_version(const fx_heif *t) { return t->version(); }
*/
import "C"

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"unsafe"

	"fx/internal/dynlib"
)

// HEIFVariable is the name of the environment variable with the path of libheif, which replaces the search.
const HEIFVariable = "FX_HEIF_LIB"

// libheif is the loaded library. It is safe for concurrent use.
type libheif struct {
	api     C.fx_heif
	version string
}

// heifLibrary loads libheif once, from $FX_HEIF_LIB or by the system's loader.
var heifLibrary = sync.OnceValues(func() (*libheif, error) {
	names := []string{"libheif.so.1", "libheif.so", "libheif.dylib", "/opt/homebrew/lib/libheif.dylib", "heif.dll",
		"libheif.dll"}
	if path := os.Getenv(HEIFVariable); path != "" {
		names = []string{path}
	}
	var first error
	for _, name := range names {
		l, err := openHEIF(name)
		if err == nil {
			return l, nil
		}
		if first == nil {
			first = err
		}
	}
	return nil, first
})

func openHEIF(path string) (*libheif, error) {
	library, err := dynlib.Open(path, false)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	l := new(libheif)
	if err := library.Bind(map[string]unsafe.Pointer{
		"heif_context_alloc":                         unsafe.Pointer(&l.api.context_alloc),
		"heif_context_free":                          unsafe.Pointer(&l.api.context_free),
		"heif_context_read_from_memory_without_copy": unsafe.Pointer(&l.api.read),
		"heif_context_get_primary_image_handle":      unsafe.Pointer(&l.api.primary),
		"heif_image_handle_release":                  unsafe.Pointer(&l.api.handle_release),
		"heif_image_handle_get_width":                unsafe.Pointer(&l.api.handle_width),
		"heif_image_handle_get_height":               unsafe.Pointer(&l.api.handle_height),
		"heif_decoding_options_alloc":                unsafe.Pointer(&l.api.options_alloc),
		"heif_decoding_options_free":                 unsafe.Pointer(&l.api.options_free),
		"heif_decode_image":                          unsafe.Pointer(&l.api.decode),
		"heif_image_release":                         unsafe.Pointer(&l.api.image_release),
		"heif_image_get_width":                       unsafe.Pointer(&l.api.image_width),
		"heif_image_get_height":                      unsafe.Pointer(&l.api.image_height),
		"heif_image_get_plane_readonly":              unsafe.Pointer(&l.api.plane),
		"heif_get_version":                           unsafe.Pointer(&l.api.version),
	}); err != nil {
		library.Close()
		return nil, fmt.Errorf("%s: no libheif of version 1.6 or later: %w", path, err)
	}
	if at := library.Symbol("heif_context_set_max_decoding_threads"); at != nil { // since 1.13
		*(*unsafe.Pointer)(unsafe.Pointer(&l.api.max_threads)) = at
	}
	l.version = C.GoString(C.fx_heif_version(&l.api))
	return l, nil
}

// size returns the declared size of the picture in data, after its rotation.
func (l *libheif) size(data []byte) (w, h int, err error) {
	var cw, ch C.int
	err = l.call(data, &cw, &ch, nil)
	return int(cw), int(ch), err
}

// decode writes the pixels of the picture in data, which declares w×h pixels, to out, RGB.
func (l *libheif) decode(data []byte, out []uint8, w, h int) error {
	cw, ch := C.int(w), C.int(h)
	return l.call(data, &cw, &ch, out)
}

func (l *libheif) call(data []byte, w, h *C.int, out []uint8) error {
	var why [200]C.char
	code := C.fx_heif_decode(&l.api, unsafe.Pointer(unsafe.SliceData(data)), C.size_t(len(data)), w, h,
		(*C.uint8_t)(unsafe.SliceData(out)), &why[0], C.size_t(len(why)))
	switch code {
	case 0:
		return nil
	case C.OUT_OF_MEMORY:
		return fmt.Errorf("libheif: %s: %w", C.GoString(&why[0]), syscall.ENOMEM)
	}
	return errors.New(C.GoString(&why[0]))
}
