// Package forward measures the frozen network of `fx extract` alone, on decoded photos:
// Run returns its photos a second.
package forward
