//go:build !cgo || !unix

package imaging

import "errors"

// turboJPEG stands for the library where fx is built without C.
type turboJPEG struct{ file, name string }

func openTurboJPEG(string) (*turboJPEG, error) {
	return nil, errors.New("fx was built without cgo")
}

func (*turboJPEG) decompress([]byte, []uint8, int, int, bool) error {
	return errors.New("fx was built without cgo")
}
