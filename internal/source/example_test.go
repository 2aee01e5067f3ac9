package source_test

import (
	"archive/tar"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"fx/internal/source"
)

// The photos of an archive are read where they lie.
func Example() {
	dir, err := os.MkdirTemp("", "fx")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path := filepath.Join(dir, "shard.tar")
	if err := writeShard(path); err != nil {
		fmt.Println(err)
		return
	}
	isLabel := func(name string) bool { return filepath.Ext(name) == ".cls" }
	err = source.List(path, isLabel, func(m source.Member) error {
		if m.Text != nil {
			fmt.Printf("%s: label %s\n", m.Name, m.Text)
			return nil
		}
		photo, err := m.At.Open()
		if err != nil {
			return err
		}
		defer func() { _ = photo.Close() }()
		content, err := io.ReadAll(photo)
		fmt.Printf("%s: %d bytes, %s\n", m.Name, m.Size, content)
		return err
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// 0001.jpg: 5 bytes, photo
	// 0001.cls: label ants
}

func writeShard(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	w := tar.NewWriter(f)
	for _, m := range [][2]string{{"0001.jpg", "photo"}, {"0001.cls", "ants"}} {
		if err := w.WriteHeader(&tar.Header{Name: m[0], Size: int64(len(m[1]))}); err != nil {
			return err
		}
		if _, err := io.WriteString(w, m[1]); err != nil {
			return err
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	return f.Close()
}
