//go:build cgo && unix

package imaging

/*
#cgo linux LDFLAGS: -ldl
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

// The part of TurboJPEG's API (version 2.0 and later; version 3 keeps its symbols) that fx calls, by its documented
// signatures, so that no header is needed.
typedef struct {
	void *(*init)(void);
	int (*destroy)(void *);
	int (*decompress)(void *, const unsigned char *, unsigned long, unsigned char *, int, int, int, int, int);
	char *(*error_string)(void *);
} fx_turbo;

// Loads the library. Returns NULL, or an error message.
static const char *fx_turbo_open(const char *path, fx_turbo *t, char *file, size_t size) {
	void *lib = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!lib) return dlerror();
	t->init = (void *(*)(void))dlsym(lib, "tjInitDecompress");
	t->destroy = (int (*)(void *))dlsym(lib, "tjDestroy");
	t->decompress = (int (*)(void *, const unsigned char *, unsigned long, unsigned char *, int, int, int, int,
		int))dlsym(lib, "tjDecompress2");
	t->error_string = (char *(*)(void *))dlsym(lib, "tjGetErrorStr2");
	if (!t->init || !t->destroy || !t->decompress || !t->error_string) {
		dlclose(lib);
		return "not libjpeg-turbo 2.0 or later";
	}
	Dl_info info;
	if (dladdr((void *)t->init, &info) && info.dli_fname) {
		strncpy(file, info.dli_fname, size - 1);
	}
	return NULL;
}

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

	"fx/internal/fail"
)

// turboJPEG is the loaded library. It is safe for concurrent use.
type turboJPEG struct {
	api        C.fx_turbo
	file, name string
}

func openTurboJPEG(path string) (*turboJPEG, error) {
	l := &turboJPEG{file: path}
	cPath := C.CString(path)
	defer C.free(unsafe.Pointer(cPath))
	var file [4096]C.char
	why := C.fx_turbo_open(cPath, &l.api, &file[0], C.size_t(len(file)))
	for range 10 { // the loader does not repeat a call that a signal interrupted
		if why == nil || !strings.HasSuffix(strings.ToLower(C.GoString(why)), syscall.EINTR.Error()) {
			break
		}
		why = C.fx_turbo_open(cPath, &l.api, &file[0], C.size_t(len(file)))
	}
	if why != nil {
		message := C.GoString(why)
		if number := fail.ErrnoIn(message); number != nil {
			return nil, fmt.Errorf("%s: %s: %w", path, message, number)
		}
		return nil, fmt.Errorf("%s: %s", path, message)
	}
	if file[0] != 0 {
		l.file = C.GoString(&file[0])
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
