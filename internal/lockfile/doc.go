// Package lockfile reads, checks and writes lock.json, which lists the SHA-256 of every input that a command took from
// the network or found on the machine, so that another machine, or a later run, gets the same inputs or fails.
// Lock.Check compares an input with its entry before it is used; Lock.Hold checks again and adds a missing entry.
//
// The first Hold creates a missing file. Any number of processes may use one file at once; no entry is lost. Inputs
// that a user names, such as `--weights FILE`, are not locked.
package lockfile
