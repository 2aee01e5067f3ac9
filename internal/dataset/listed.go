package dataset

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"path/filepath"
	"strings"

	"fx/internal/fail"
	"fx/internal/userfile"
)

// ListedFolders returns the folders that a list names, each once, the deepest of a path first: photos/ants and photos
// for photos/ants/1.jpg. For an absolute path it returns only the photo's own folder. It does not examine the photos.
// With an error it returns the folders before it.
func ListedFolders(file string) ([]string, error) {
	content, err := userfile.Read(file, maxList)
	if err != nil {
		return nil, fail.Wrap(fail.Usage, err, listHint, "cannot read the list %s", file)
	}
	r := csv.NewReader(bytes.NewReader(withLineFeeds(bytes.TrimPrefix(content, []byte("\ufeff")))))
	r.ReuseRecord = true
	columns, err := header(r, file, true)
	if err != nil {
		return nil, err
	}
	l := &list{file: file, folder: filepath.Dir(file)}
	var folders []string
	seen := map[string]bool{}
	for {
		record, err := r.Read()
		if errors.Is(err, io.EOF) {
			return folders, nil
		}
		if err != nil {
			return folders, fail.Wrap(fail.Usage, err, listHint, "%s", file)
		}
		path := filepath.Clean(strings.TrimSpace(record[columns.path]))
		folder := filepath.Dir(path)
		for !seen[folder] {
			seen[folder] = true
			folders = append(folders, l.open(folder))
			above := filepath.Dir(folder)
			if filepath.IsAbs(path) || above == "." || filepath.Base(folder) == ".." || filepath.Base(above) == ".." {
				break
			}
			folder = above
		}
	}
}

// IsPhoto reports whether a file of that name counts as a photo by default.
func IsPhoto(name string) bool {
	return defaultExtensions[strings.ToLower(filepath.Ext(name))]
}

var defaultExtensions = extensionSet(nil)

// IsList reports whether a file of that name is a list of photos.
func IsList(name string) bool { return strings.EqualFold(filepath.Ext(name), ".csv") }
