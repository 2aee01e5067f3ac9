// Package filehash hashes files, and remembers the SHA-256 of large ones, so that
// weights of hundreds of megabytes are not hashed by every command:
//
//	sum, bytes, err := filehash.RememberedSum(ctx, path)
//
// Known and Remember are for those who read the file anyway.
//
// A file is known again by device, inode, length, and the times of its last
// change of content and of any change; whatever writes to it changes the last of
// these. A file that was changed within two seconds before is not
// remembered. The memory is a small file for each in fx's cache, folder hashes, which
// may be deleted at any time; where there is no cache, nothing is remembered.
package filehash
