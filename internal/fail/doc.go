// Package fail gives an error a kind and a hint.
//
// The kind decides the exit code of the program (cli maps it in one place);
// the hint tells the user what to do next. A library returns
//
//	fail.New(fail.Model, "fx backbones list shows the names", "unknown backbone %q", name)
//
// or keeps the cause with
//
//	fail.Wrap(fail.Store, err, "run `fx features verify` on it", "shard %s", path)
//
// and never prints or exits itself.
package fail
