// Package program is the main function that the benchmark programs share.
package program
