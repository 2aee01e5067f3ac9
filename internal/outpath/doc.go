// Package outpath decides whether a command may write to its --out. A command calls Prepare
// with the kind of its output.
//
// A folder may be absent, empty, of that kind, or what the same command left unfinished;
// hidden files do not count. A file may be absent, empty, or one of the kind that fx wrote.
// Without --force anything else is an error of kind fail.Usage, and nothing is touched.
package outpath
