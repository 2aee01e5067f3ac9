// Package machine describes the computer that a measurement was made on, and how much of it a process may use.
package machine
