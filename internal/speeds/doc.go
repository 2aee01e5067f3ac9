// Package speeds remembers how many photos a second each network processed on this machine: Record writes a measurement
// to speeds.json in fx's cache, and Here returns them. The file may be deleted at any time. A cache that can't be read
// or written means that nothing is remembered.
package speeds
