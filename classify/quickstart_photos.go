package classify

import (
	"fx/head"
	"fx/internal/dataset"
	"fx/internal/store"
)

// leastPhotos is the smallest number of different photos of a class: one photo can't be used for both training and
// evaluation.
const leastPhotos = 2

// choosePhotos divides the features' photos into those for training and for evaluation, and finds copies.
func (q *quickstart) choosePhotos() error {
	s, rows := &q.summary, q.features.Rows()
	var err error
	if q.train, err = dataOf(q.features, q.splits.Train); err != nil {
		return err
	}
	classes := q.features.Manifest.Classes
	counts, different := countLabels(q.train.Photos, len(classes)), make([]int, len(classes))
	seen := map[store.SHA256]int{} // → its first row
	copied := make([]copyPair, len(classes))
	for _, photo := range q.train.Photos {
		row := photo.Rows[0]
		if first, twice := seen[rows[row].SHA256]; twice {
			copied[photo.Label] = copyPair{rows[row].Path, rows[first].Path}
			continue
		}
		different[photo.Label]++
		seen[rows[row].SHA256] = row
	}
	if err := checkCopies(classes, counts, different, copied); err != nil {
		return err
	}
	if err := dataset.CheckLearnable(classes, different, leastPhotos, q.splits.Train, "usable photo"); err != nil {
		return err
	}
	val := head.Data{}
	if q.splits.Val != "" {
		if val, err = dataOf(q.features, q.splits.Val); err != nil {
			return err
		}
	}
	q.val, s.Leaked = head.Data{Row: val.Row}, 0
	valCounts := make([]int, len(classes))
	for _, photo := range val.Photos {
		if _, learned := seen[rows[photo.Rows[0]].SHA256]; learned {
			s.Leaked++
			continue
		}
		q.val.Photos = append(q.val.Photos, photo)
		valCounts[photo.Label]++
	}
	for i, name := range classes {
		s.Classes = append(s.Classes, QuickstartClass{Name: name, Train: counts[i], Val: valCounts[i]})
	}
	s.Twins = twins(rows)
	s.Notes = append(s.Notes, q.splits.Notes()...)
	return nil
}

// twins finds files with the same content in two classes: one of the labels is wrong.
func twins(rows []store.Row) []Twin {
	found := []Twin{}
	first := map[store.SHA256]int{}
	for i := range rows {
		at, known := first[rows[i].SHA256]
		if !known {
			first[rows[i].SHA256] = i
		} else if rows[at].Class != rows[i].Class {
			found = append(found, Twin{Paths: [2]string{rows[at].Path, rows[i].Path},
				Classes: [2]string{rows[at].Class, rows[i].Class}})
		}
	}
	return found
}
