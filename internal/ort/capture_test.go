package ort

import (
	"sync"
	"testing"
)

// Stages run concurrently on one session: one may find that it cannot capture while others ask.
func TestCaptureProblemConcurrently(t *testing.T) {
	s := &Session{closed: true} // every run fails
	s.capture.thread = newCaptureThread()
	defer close(s.capture.thread.work)
	var stages sync.WaitGroup
	for n := range 4 {
		stages.Go(func() {
			if err := s.runBinding(t.Context(), &Binding{session: s, number: n + 1}); err == nil {
				t.Error("a run of a closed session succeeded")
			}
			if s.Captures() || s.CaptureProblem() == "" {
				t.Error("a failed capture is not noted")
			}
		})
	}
	stages.Wait()
}
