// Package made recognises the folders that fx made by their format files:
//
//	what, err := made.By(dir, entries) // "an embedding store"
package made
