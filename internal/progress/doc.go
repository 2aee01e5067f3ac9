// Package progress lets libraries report progress: they call a Reporter, and only cli draws. Discard is a Reporter
// that does nothing.
package progress
