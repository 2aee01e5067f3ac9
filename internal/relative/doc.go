// Package relative measures how far results are from their expected values.
package relative
