// Package machine tells what the computer is that a measurement was made on, and what a process
// may take of it.
package machine
