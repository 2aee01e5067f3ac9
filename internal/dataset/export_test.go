package dataset

import "testing"

// LowerMaxAgain sets maxAgain for a test.
func LowerMaxAgain(t testing.TB, n int) {
	before := maxAgain
	maxAgain = n
	t.Cleanup(func() { maxAgain = before })
}
