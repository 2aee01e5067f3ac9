// Package arrowmeta checks the metadata of Arrow's messages before arrow-go reads it: arrow-go allocates whatever the
// length of a list or of compressed values says, and a process without memory can't recover.
package arrowmeta
