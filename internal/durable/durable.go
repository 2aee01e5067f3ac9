package durable

import (
	"bufio"
	"io"
	"os"
	"path/filepath"
)

// WriteFile writes the file path with write. The file appears, complete, only after write and every sync have
// succeeded; after any error the old file is untouched and no temporary file is left. Its mode is 0666 less the umask.
// If path is a link, the link is replaced, not followed.
func WriteFile(path string, write func(w io.Writer) error) (err error) {
	f, lock, err := createTemp(path)
	if err != nil {
		return err
	}
	defer lock.Release() // once it has its name
	defer func() {
		if err != nil {
			_ = f.Close() // the first error is the one to report
			_ = os.Remove(f.Name())
		}
	}()
	buffered := bufio.NewWriterSize(f, 1<<20)
	if err = write(buffered); err != nil {
		return err
	}
	if err = buffered.Flush(); err != nil {
		return err
	}
	if err = f.Sync(); err != nil {
		return err
	}
	if err = f.Close(); err != nil {
		return err
	}
	if err = renameOver(f.Name(), path); err != nil {
		return err
	}
	return SyncDir(filepath.Dir(path))
}

// WriteBytes is WriteFile for content in memory.
func WriteBytes(path string, content []byte) error {
	return WriteFile(path, func(w io.Writer) error {
		_, err := w.Write(content)
		return err
	})
}
