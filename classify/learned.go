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
	// learnedBytes of a SHA-256 tell a training photo from others in modeldir.Metrics.LearnedFrom.
	learnedBytes = 8
	// maxLearned bounds the size of model.json, to which each photo adds 11 bytes.
	maxLearned = 50_000
)

// remember notes in m what the head trained on, and what the store held: a later evaluation
// tells by it whether it says anything of new photos.
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

// photosSum is the SHA-256 over the content, split and class of the store's photos of the splits
// that the training trained on and was evaluated on.
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

// changed tells whether the store in the folder where is the one of the training and no longer as
// it was then. A MODEL of an older fx, or of `fx finetune`, tells by the number of photos alone.
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

// learnedNotes warns where m trained on some of the photos of a split that it is evaluated on.
// A MODEL of an older fx, or of `fx finetune`, knows its training photos by their split alone.
func learnedNotes(m modeldir.Model, photos []store.SHA256, split string) []string {
	known := m.Metrics.LearnedFrom
	known = known[:len(known)/learnedBytes*learnedBytes] // whatever an edited file says
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
