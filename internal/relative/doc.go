// Package relative says how far results lie from those they should be.
package relative
