package classify

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

	"fx/head"
	"fx/internal/modeldir"
	"fx/internal/paths"
	"fx/internal/store"
)

const (
	// learnedBytes is the length of the prefix of a SHA-256 that identifies a training photo in
	// modeldir.Metrics.LearnedFrom.
	learnedBytes = 8
	// maxLearned bounds the size of model.json, to which each photo adds 11 bytes.
	maxLearned = 50_000
)

// remember records in m the photos that the head was trained on, and the content of the store. Later evaluations use
// it to detect training photos.
func remember(m *modeldir.Metrics, s *store.Store, train head.Data) {
	m.PhotosSHA256 = photosSum(s, *m)
	if len(train.Photos) > maxLearned {
		return
	}
	var all [][]byte
	for _, sha := range sumsOf(s, train) {
		all = append(all, sha[:learnedBytes])
	}
	slices.SortFunc(all, bytes.Compare)
	m.LearnedFrom = bytes.Join(all, nil)
}

// photosSum returns the SHA-256 of content, split and class of the store's photos in the splits for training and
// evaluation.
func photosSum(s *store.Store, m modeldir.Metrics) string {
	var lines []string
	for _, row := range s.Rows() {
		if row.View == 0 && (row.Split == m.TrainSplit || row.Split == m.ValSplit) {
			lines = append(lines, fmt.Sprintf("%x %q %q\n", row.SHA256, row.Split, row.Class))
		}
	}
	slices.Sort(lines)
	h := sha256.New()
	for _, line := range lines {
		h.Write([]byte(line))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// changed reports whether the store in the folder where is that of the training, but has changed since. For a MODEL of
// an older fx, or of `fx finetune`, it compares only the number of photos.
func changed(m modeldir.Model, s *store.Store, where string) bool {
	if m.Features != "" && !paths.Same(m.Features, where) {
		return false
	}
	t := m.Metrics
	if t.PhotosSHA256 != "" {
		return t.PhotosSHA256 != photosSum(s, t)
	}
	var train, val int
	for _, row := range s.Rows() {
		switch {
		case row.View > 0:
		case row.Split == t.TrainSplit:
			train++
		case row.Split == t.ValSplit:
			val++
		}
	}
	switch {
	case t.Folds > 0:
		return train != t.TrainPhotos
	case t.ValFraction > 0:
		return train != t.TrainPhotos+t.ValPhotos
	}
	return val != t.ValPhotos || m.Features != "" && train != t.TrainPhotos
}

// learnedNotes returns a note if m was trained on some of the photos. A MODEL of an older fx, or of `fx finetune`,
// knows only the split of its training photos.
func learnedNotes(m modeldir.Model, photos []store.SHA256, split string) []string {
	known := m.Metrics.LearnedFrom
	known = known[:len(known)/learnedBytes*learnedBytes] // an edited file may have any length
	if len(known) == 0 {
		return trainedOn(m, split)
	}
	learned := map[[learnedBytes]byte]bool{}
	for sha := range slices.Chunk(known, learnedBytes) {
		learned[[learnedBytes]byte(sha)] = true
	}
	n := 0
	for _, sha := range photos {
		if learned[[learnedBytes]byte(sha[:])] {
			n++
		}
	}
	if n == 0 {
		return nil
	}
	return []string{fmt.Sprintf("the model was trained on %d of these %d photos: "+
		"its accuracy on them says little about new photos", n, len(photos))}
}
