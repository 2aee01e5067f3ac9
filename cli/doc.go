// Package cli is the fx command line: Main runs it and returns the exit code.
//
// Each command has a file: flags become an options struct, one call does the
// work, one function prints the result. It is the only package that prints, draws
// progress or sets exit codes; other packages make the decisions.
//
// The contract with scripts: results go to stdout, everything else to stderr;
// --json prints exactly one JSON document on stdout, also for a failure
// ({"error", "hint", "exit_code"}); exit codes are the kinds of internal/fail.
package cli
