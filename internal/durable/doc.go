// Package durable writes files, and folders of files, that are either whole or
// absent.
//
// Everything that a later command reads goes through it: the bytes are written
// to a temporary file beside the target, fsynced, renamed over it, and the
// directory is fsynced, so that neither a kill nor a power cut leaves half a
// file. WriteDir does the same for files that belong together.
package durable
