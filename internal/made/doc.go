// Package made recognizes the folders that fx made, by their format files.
package made
