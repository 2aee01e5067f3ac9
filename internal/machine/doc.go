// Package machine names the computer that a measurement was made on.
package machine
