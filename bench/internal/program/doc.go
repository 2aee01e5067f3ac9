// Package program is the shared main function of the benchmark programs.
package program
