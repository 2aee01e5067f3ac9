package imaging

/*
#include <stddef.h>
#include <string.h>

// The part of TurboJPEG's API (version 2.0 and later; version 3 keeps its symbols) that fx calls, by its documented
// signatures, so that no header is needed.
typedef struct {
	void *(*init)(void);
	int (*destroy)(void *);
	int (*decompress)(void *, const unsigned char *, unsigned long, unsigned char *, int, int, int, int, int);
	char *(*error_string)(void *);
} fx_turbo;

// Returns 0 without a message, else 1 and the message: why it failed, or the first warning. The message must be read
// on this thread. Each picture gets a new decompressor: a used one would apply the tables of an earlier picture to a
// file without tables.
static int fx_turbo_decompress(const fx_turbo *t, const unsigned char *data, size_t size,
                               unsigned char *out, int w, int h, int format, char *why, size_t room) {
	void *handle = t->init();
	if (!handle) {
		strncpy(why, "Insufficient memory for a decompressor", room - 1);
		return 1;
	}
	int failed = t->decompress(handle, data, (unsigned long)size, out, w, 0, h, format, 0) != 0;
	if (failed) strncpy(why, t->error_string(handle), room - 1);
	t->destroy(handle);
	return failed;
}
*/
import "C"

import (
	"fmt"
	"strings"
	"syscall"
	"unsafe"

	"fx/internal/dynlib"
	"fx/internal/fail"
)

// turboJPEG is the loaded library. It is safe for concurrent use.
type turboJPEG struct {
	api        C.fx_turbo
	file, name string
}

func openTurboJPEG(path string) (*turboJPEG, error) {
	library, err := dynlib.Open(path, false)
	for range 10 { // the loader does not repeat a call that a signal interrupted
		if err == nil || !strings.HasSuffix(strings.ToLower(err.Error()), syscall.EINTR.Error()) {
			break
		}
		library, err = dynlib.Open(path, false)
	}
	if err != nil {
		if number := fail.ErrnoIn(err.Error()); number != nil {
			return nil, fmt.Errorf("%s: %w: %w", path, err, number)
		}
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	l := &turboJPEG{file: path}
	if err := library.Bind(map[string]unsafe.Pointer{
		"tjInitDecompress": unsafe.Pointer(&l.api.init),
		"tjDestroy":        unsafe.Pointer(&l.api.destroy),
		"tjDecompress2":    unsafe.Pointer(&l.api.decompress),
		"tjGetErrorStr2":   unsafe.Pointer(&l.api.error_string),
	}); err != nil {
		library.Close()
		return nil, fmt.Errorf("%s: not libjpeg-turbo 2.0 or later: %w", path, err)
	}
	if file := library.File("tjInitDecompress"); file != "" {
		l.file = file
	}
	return l, nil
}

// TurboJPEG's constants: TJPF_RGB, TJPF_CMYK. Without flags the transform is the slow integer one, and chroma
// upsampling is "fancy".
const (
	pixelsRGB  = 0
	pixelsCMYK = 11
)

// decompress writes the w×h pixels in data into out: RGB, or the four stored inks. If the data does not fill the
// image, the rest is gray or not written.
func (l *turboJPEG) decompress(data []byte, out []uint8, w, h int, inks bool) error {
	format := pixelsRGB
	if inks {
		format = pixelsCMYK
	}
	var why [200]C.char // JMSG_LENGTH_MAX of libjpeg
	failed := C.fx_turbo_decompress(&l.api,
		(*C.uchar)(unsafe.SliceData(data)), C.size_t(len(data)),
		(*C.uchar)(unsafe.SliceData(out)), C.int(w), C.int(h), C.int(format),
		&why[0], C.size_t(len(why)))
	if failed == 0 {
		return nil
	}
	return turboError(C.GoString(&why[0]))
}
