// Package outpath decides whether a command may write where --out tells it to.
//
// A command names the kind of what it writes, and Prepare answers:
//
//	err := outpath.Prepare(force, outpath.Target{Kind: outpath.Store, Path: "features", Photos: "photos"})
//
// A folder may be absent, empty, of that kind, or what the same command left
// unfinished; hidden files do not count. A file may be absent, empty, or one of the
// kind that fx wrote. Anything else is a fail.Usage error, nothing is
// touched, and --force is the way to write all the same.
package outpath
