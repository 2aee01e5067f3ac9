// Package durable writes files, and folders of files, that are either whole or
// absent.
//
// Everything that a later command reads goes through it: the bytes are written
// to a temporary file beside the target, fsynced, renamed over it, and the
// directory is fsynced, so that neither a kill nor a power cut leaves half a
// file. WriteDir does the same for a folder that belongs to one writer, and Replace
// for files that belong together in a folder which holds files of others too.
//
// Nothing is written through a link: Open, OpenAppend and Lock refuse one in the
// last component of a name, WriteFile and WriteDir replace it. A temporary file
// is locked while it is written, so that RemoveStale takes away those of ended
// processes and no others.
package durable
