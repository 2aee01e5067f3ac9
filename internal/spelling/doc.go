// Package spelling finds the names that a user may have meant:
//
//	spelling.Nearest([]string{"epochs", "batch-size"}, "epoch") // epochs
package spelling
