//go:build !cgo || !unix

package imaging

import (
	"errors"
	"fmt"
)

// turboJPEG replaces the library if fx is built without cgo.
type turboJPEG struct{ file, name string }

func openTurboJPEG(path string) (*turboJPEG, error) {
	return nil, fmt.Errorf("%s: fx was built without cgo", path)
}

func (*turboJPEG) decompress([]byte, []uint8, int, int, bool) error {
	return errors.New("fx was built without cgo")
}
