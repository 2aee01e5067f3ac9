// Package durable writes files, and folders of files, that are either whole or
// absent.
//
// Everything that a later command reads goes through it: the bytes are written
// to a temporary file beside the target, fsynced, renamed over it, and the
// directory is fsynced, so that neither a kill nor a power cut leaves half a
// file. WriteDir does the same for a folder that belongs to one writer, and Replace
// for files that belong together in a folder which holds files of others too.
package durable
