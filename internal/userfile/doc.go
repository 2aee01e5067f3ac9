// Package userfile reads files that come from a user or a stranger, none of
// which is trusted: sizes are bounded before anything is allocated, what is no
// file never blocks for good, and what is quoted of it fits on a line.
//
// The common case:
//
//	text, err := userfile.ReadJSON(path) // bounded, ready for json.Unmarshal
package userfile
