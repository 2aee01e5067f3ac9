package classify

import (
	"fmt"
	"strings"

	"fx/head"
	"fx/internal/dataset"
	"fx/internal/fail"
	"fx/internal/store"
)

// quickstartSplits are the names of the splits in use.
type quickstartSplits struct {
	train  string
	val    string   // "" where none
	unused []string // there, but neither
}

// quickstartSplitsOf gives the splits their parts by name.
func quickstartSplitsOf(have []string, data string) (quickstartSplits, error) {
	s := quickstartSplits{train: have[0]}
	if len(have) == 1 {
		return s, nil
	}
	named := func(names ...string) (string, bool) {
		for _, name := range names {
			for _, split := range have {
				if strings.EqualFold(split, name) {
					return split, true
				}
			}
		}
		return "", false
	}
	var ok bool
	if s.train, ok = named("train", "training"); !ok {
		return s, fail.New(fail.Usage, "Call the folder to learn from train and the one to judge by val; without val fx judges by cross-validation.",
			"%s has %s: which is to learn from?", data, quoted(have))
	}
	s.val, _ = named("val", "valid", "validation", "test", "testing", "eval")
	for _, split := range have {
		if split != s.train && split != s.val {
			s.unused = append(s.unused, split)
		}
	}
	return s, nil
}

// enoughPhotos refuses classes that nothing can be learned of.
func enoughPhotos(photos *dataset.Dataset, splits quickstartSplits) error {
	counts := make([]int, len(photos.Classes))
	for _, item := range photos.Items {
		if item.Split == splits.train {
			counts[item.Label]++
		}
	}
	return enough(photos.Classes, counts, splits.train, "photo")
}

func enough(classes []string, counts []int, split, what string) error {
	for i, class := range classes {
		if counts[i] >= 2 {
			continue
		}
		if split != "" {
			class = split + "/" + class
		}
		return fail.New(fail.Usage, "Two are the least, twenty or more are better; or take the folder away.",
			"the class %s has %s to learn from", class, plural(counts[i], what))
	}
	return nil
}

// choosePhotos divides the features' photos into those to learn from and those
// to judge by, and finds what is there twice.
func (q *quickstart) choosePhotos() error {
	s, rows := &q.summary, q.features.Rows()
	var err error
	if q.train, err = dataOf(q.features, q.splits.train); err != nil {
		return err
	}
	classes := q.features.Manifest.Classes
	counts, unseen := make([]int, len(classes)), make([]int, len(classes))
	seen := map[store.SHA256]bool{}
	for _, photo := range q.train.Photos {
		row := rows[photo.Rows[0]]
		counts[photo.Label]++
		if !seen[row.SHA256] {
			unseen[photo.Label]++
		}
		seen[row.SHA256] = true
	}
	if err := enough(classes, unseen, q.splits.train, "usable photo"); err != nil {
		return err
	}
	val := head.Data{}
	if q.splits.val != "" {
		if val, err = dataOf(q.features, q.splits.val); err != nil {
			return err
		}
	}
	q.val, s.Leaked = head.Data{Row: val.Row}, 0
	judged := make([]int, len(classes))
	for _, photo := range val.Photos {
		if seen[rows[photo.Rows[0]].SHA256] {
			s.Leaked++
			continue
		}
		q.val.Photos = append(q.val.Photos, photo)
		judged[photo.Label]++
	}
	for i, name := range classes {
		s.Classes = append(s.Classes, QuickstartClass{Name: name, Train: counts[i], Val: judged[i]})
	}
	s.Twins = twins(rows)
	for _, split := range q.splits.unused {
		s.Notes = append(s.Notes, fmt.Sprintf("the photos in %s/ were not used: fx learns from %s/ and judges by %s/", split, q.splits.train, q.splits.val))
	}
	return nil
}

// twins finds files of the same content that lie in two classes: one of the labels is wrong.
func twins(rows []store.Row) []Twin {
	found := []Twin{}
	first := map[store.SHA256]int{}
	for i := range rows {
		at, known := first[rows[i].SHA256]
		if !known {
			first[rows[i].SHA256] = i
		} else if rows[at].Class != rows[i].Class {
			found = append(found, Twin{Paths: [2]string{rows[at].Path, rows[i].Path}, Classes: [2]string{rows[at].Class, rows[i].Class}})
		}
	}
	return found
}
