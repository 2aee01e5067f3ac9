// Package printable makes text safe to show on a terminal, whoever wrote the
// names in it: a file name may hold escape sequences that move the cursor,
// retitle the window or colour what follows, and line ends that imitate
// another message.
//
// The common case:
//
//	fmt.Fprintf(w, "rejected %s\n", printable.Name(path))
//
// [Writer] is the net under it, through which all of fx's text goes.
package printable
