// Package source opens the bytes of photos, wherever they lie: in files, in members of tar and zip archives, in rows of
// parquet and Arrow files, in buckets, at addresses, in memory.
//
// List lists what an archive contains, with a Source for each photo in it. A Source reads its bytes where they lie, at
// any time and in any order. It checks that the archive is still the one that was listed, and that the bytes are those
// that the archive describes; a member that is longer than the archive says, or has another checksum, is Damaged.
//
// Ahead fetches what takes a request before it is needed.
package source
