package imaging

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"

	"fx/internal/fail"
	"fx/internal/paths"
)

// TurboJPEGVariable is the name of the environment variable with the path of the TurboJPEG library, which replaces the
// search.
const TurboJPEGVariable = "FX_TURBOJPEG_LIB"

const (
	turboInstall = "Run `fx runtime install`, which fetches TurboJPEG with apt, or install libturbojpeg0 (Debian, " +
		"Ubuntu) or libjpeg-turbo (other systems)"
	turboHint = turboInstall + ", or set " + TurboJPEGVariable + " to the library; without it --decoder=go decodes " +
		"nearly the same pixels."
)

// errNoTurboJPEG is in the chain of loadTurboJPEG's error if no library is found.
var errNoTurboJPEG = errors.New("no TurboJPEG library found")

// loaded holds the libraries. Each path is loaded once and never unloaded.
var loaded struct {
	sync.Mutex
	libraries map[string]*turboJPEG
}

// loadTurboJPEG finds and loads the library: only $FX_TURBOJPEG_LIB if it is set, else from fx's cache, else with the
// system's loader.
func loadTurboJPEG() (*turboJPEG, error) {
	loaded.Lock()
	defer loaded.Unlock()
	if path := os.Getenv(TurboJPEGVariable); path != "" {
		library, err := openOnce(path)
		return library, fail.Wrap(fail.Device, err,
			"Set "+TurboJPEGVariable+" to a libturbojpeg.so that this system can load, or unset it.",
			"%s=%s", TurboJPEGVariable, path)
	}
	candidates, err := turboCandidates()
	if err != nil {
		return nil, fail.Wrap(fail.Device, err, turboHint, "JPEG decoder")
	}
	return firstTurboJPEG(candidates)
}

// firstTurboJPEG loads the first of the candidates that can be loaded. A system error is returned, because another
// decoder would give other pixels.
func firstTurboJPEG(candidates []string) (*turboJPEG, error) {
	why := errNoTurboJPEG
	for _, path := range candidates {
		library, err := openOnce(path)
		if err == nil {
			return library, nil
		}
		if fail.BySystem(err) {
			return nil, fail.Wrap(fail.Device, err, turboHint, "JPEG decoder")
		}
		// errNoTurboJPEG covers a name that the system's loader does not find; for an existing file that does not
		// load, add the reason.
		if _, missing := os.Stat(path); missing == nil && filepath.Base(path) != path {
			why = fmt.Errorf("%w; %w", why, err)
		}
	}
	return nil, fail.Wrap(fail.Device, why, turboHint, "JPEG decoder")
}

func openOnce(path string) (*turboJPEG, error) {
	if l := loaded.libraries[path]; l != nil {
		return l, nil
	}
	l, err := openTurboJPEG(path)
	if err != nil {
		return nil, err
	}
	if l.name, err = turboName(l.file); err != nil {
		return nil, err
	}
	if loaded.libraries == nil {
		loaded.libraries = make(map[string]*turboJPEG)
	}
	loaded.libraries[path] = l
	return l, nil
}

// turboCandidates lists what to try: files below fx's cache, newest name first, then names for the system's loader.
// The error is the system's; a folder that is missing or unreadable has no candidates.
func turboCandidates() ([]string, error) {
	var found []string
	if root, err := paths.Cache("runtime", "turbojpeg"); err == nil {
		err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
			if fail.BySystem(err) {
				return err
			}
			if err == nil && !e.IsDir() && (strings.HasPrefix(e.Name(), "libturbojpeg.so") ||
				e.Name() == "libturbojpeg.dylib" || e.Name() == "turbojpeg.dll") {
				found = append(found, path)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	slices.Sort(found)
	slices.Reverse(found)
	return append(found, "libturbojpeg.so.0", "libturbojpeg.so", "libturbojpeg.dylib", "turbojpeg.dll",
		"/opt/homebrew/lib/libturbojpeg.dylib", "/opt/libjpeg-turbo/lib64/libturbojpeg.so"), nil
}

// turboName returns the Decoder's name for the loaded file. The API does not report the library's version, but the
// file contains it as text. The error is the system's: it must be returned, because stores and runs record the name
// and refuse another.
func turboName(file string) (string, error) {
	data, err := readLibrary(file)
	if fail.BySystem(err) {
		return "", err
	}
	version := ""
	if _, after, ok := bytes.Cut(data, []byte("libjpeg-turbo version ")); err == nil && ok {
		after = after[:min(len(after), 16)]
		if end := bytes.IndexAny(after, " \x00("); end > 0 {
			version = " " + string(after[:end])
		}
	}
	return fmt.Sprintf("libjpeg-turbo%s (%s)", version, filepath.Base(file)), nil
}

// readLibrary reads a library, which has about a megabyte; it refuses much larger files.
func readLibrary(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, 16<<20))
	return data, errors.Join(err, f.Close())
}

// decode writes the picture in data, whose header h was read, into im. Its
// sides are divided by the denominator, 1, 2, 4 or 8, and rounded up.
func (l *turboJPEG) decode(im *Image, data []byte, h *jpegHeader, denominator int) error {
	im.reset((h.w+denominator-1)/denominator, (h.h+denominator-1)/denominator)
	if len(h.components) != 4 {
		return l.decompress(data, im.Pix, im.W, im.H, false)
	}
	cmyk := make([]uint8, 4*im.W*im.H)
	if err := l.decompress(data, cmyk, im.W, im.H, true); err != nil {
		return err
	}
	invertedCMYK(im.Pix, cmyk)
	return nil
}

// turboError returns the error for the library's message, or nil if it is a warning. It wraps syscall.ENOMEM if the
// library got no memory, which is no fault of the file.
func turboError(message string) error {
	if isWarning(message) {
		return nil
	}
	for _, part := range []string{
		"Insufficient memory", "Memory allocation failure", "Backing store not supported", "Memory limit exceeded",
	} {
		if strings.Contains(message, part) { // jerror.h, turbojpeg.c
			return fmt.Errorf("libjpeg-turbo: %s: %w", message, syscall.ENOMEM)
		}
	}
	return fmt.Errorf("damaged JPEG: %s", message)
}

// isWarning reports whether a message is a warning of libjpeg, after which the picture is decoded as far as the data
// went. TurboJPEG's tjGetErrorCode reports an error as a warning if a warning came before it; the texts have been the
// same since libjpeg 6 (jerror.h).
func isWarning(message string) bool {
	for _, begin := range []string{"Corrupt JPEG data", "Premature end of JPEG file",
		"Inconsistent progression sequence",
		"Invalid SOS parameters", "Unknown Adobe color transform", "Warning"} {
		if strings.HasPrefix(message, begin) {
			return true
		}
	}
	return false
}
