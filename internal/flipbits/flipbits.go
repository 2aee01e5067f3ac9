package flipbits

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// EachFile flips, one after the other, bits of every regular file below dir: of each
// every-th byte all eight bits in turn where the file has at most 4 KiB, else one.
// check is called with the file damaged, and told where. The files are as before
// afterwards. It returns how many bits were flipped.
func EachFile(t testing.TB, dir string, every int, check func(damaged string)) (flipped int) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		n, err := file(path, every, check)
		flipped += n
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return flipped
}

func file(path string, every int, check func(damaged string)) (flipped int, err error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return 0, err
	}
	defer func() { err = closed(f, err) }()
	for i := 0; i < len(content); i += every {
		for bit := range 8 {
			if len(content) > 4096 && bit != i/every%8 {
				continue
			}
			if _, err := f.WriteAt([]byte{content[i] ^ 1<<bit}, int64(i)); err != nil {
				return flipped, err
			}
			check(fmt.Sprintf("%s, byte %d, bit %d", path, i, bit))
			flipped++
		}
		if _, err := f.WriteAt(content[i:i+1], int64(i)); err != nil {
			return flipped, err
		}
	}
	return flipped, nil
}

func closed(f *os.File, err error) error {
	if closeErr := f.Close(); err == nil {
		return closeErr
	}
	return err
}
