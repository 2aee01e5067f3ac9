// Package progress is how libraries tell that they move on. They report to a
// Reporter; only cli draws. The zero value of nothing is needed: Discard
// serves where nobody watches.
package progress
