// Package cli is the fx command line: Main runs it and returns the exit code.
//
// One file holds one command: flags become an options struct, one call does the
// work, one function prints the result. It is the only room that prints, draws
// progress or knows exit codes; what a command decides is decided elsewhere.
//
// The contract with scripts: results go to stdout, everything else to stderr;
// --json prints exactly one JSON document on stdout, also for a failure
// ({"error", "hint", "exit_code"}); exit codes are the kinds of internal/fail.
package cli
