package store

// Info counts the content of a store.
type Info struct {
	Manifest Manifest       `json:"manifest"`
	Rows     int            `json:"rows"`
	Photos   int            `json:"photos"` // rows of the centre view
	Bytes    int64          `json:"bytes"`  // of the shards
	Shards   int            `json:"shards"`
	Finished bool           `json:"finished"`          // the last extract finished
	Lacking  string         `json:"lacking,omitempty"` // why rows may be missing, see Incomplete
	Splits   map[string]int `json:"rows_by_split"`     // rows of every view
	Views    map[int]int    `json:"rows_by_view"`      // view → rows
	Classes  []ClassCount   `json:"photos_by_class"`   // in the order of the labels, split by split
	Rejected int            `json:"rejected"`          // photos that can't be used
	// RejectedPhotos are those photos, with their reasons.
	RejectedPhotos []Rejected `json:"rejected_photos,omitempty"`
}

// ClassCount is the number of photos of a class in a split.
type ClassCount struct {
	Split  string `json:"split"`
	Class  string `json:"class"`
	Photos int    `json:"photos"`
}

// ReadInfo counts the content of the store in dir from the descriptions of its rows, without the embeddings. Errors
// are those of Open.
func ReadInfo(dir string) (Info, error) {
	s, err := openUnchecked(dir)
	if err != nil {
		return Info{}, err
	}
	defer func() { _ = s.Close() }() // only read
	s.collect()
	info := s.Info()
	info.RejectedPhotos, err = s.Rejected()
	info.Rejected = len(info.RejectedPhotos)
	return info, err
}

// Info counts the rows of the open store.
func (s *Store) Info() Info {
	info := Info{Manifest: s.Manifest, Rows: len(s.rows), Shards: len(s.folder.files), Finished: s.Finished(),
		Lacking: s.Incomplete(),
		Splits:  map[string]int{}, Views: map[int]int{}, Classes: []ClassCount{}}
	for _, f := range s.folder.files {
		info.Bytes += int64(len(f.data))
	}
	for i := range s.rows {
		r := &s.rows[i]
		info.Splits[r.Split]++
		info.Views[r.View]++
		if r.View != 0 {
			continue
		}
		info.Photos++
		if n := len(info.Classes); n == 0 || info.Classes[n-1].Split != r.Split || info.Classes[n-1].Class != r.Class {
			info.Classes = append(info.Classes, ClassCount{Split: r.Split, Class: r.Class})
		}
		info.Classes[len(info.Classes)-1].Photos++
	}
	return info
}
