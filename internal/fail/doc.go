// Package fail gives an error a kind and a hint.
//
// The kind decides the exit code of the program (cli maps it in one place). The hint tells the user what to do next.
// A library returns an error of New, or one of Wrap with its cause, and never prints or exits itself.
package fail
