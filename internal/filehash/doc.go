// Package filehash hashes files, and remembers the SHA-256 of large ones, so that weights of hundreds of megabytes are
// not hashed by every command. RememberedSum returns the sum of a file; Known and Remember serve callers that read the
// file anyway.
//
// A file is recognised by its device, inode, length, mtime and ctime; any write changes the ctime. A file that changed
// less than two seconds ago is not remembered. Each sum is a small file in fx's cache, folder hashes, which may be
// deleted at any time; without a cache nothing is remembered.
package filehash
