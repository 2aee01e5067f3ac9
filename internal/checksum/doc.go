// Package checksum adds to a JSON document a SHA-256 of its content, so that a flipped bit or an edit is noticed when
// the document is read. Marshal adds the field "content_sha256" at the end, Verify checks it.
//
// The checksum is of the canonical form: the document without that field, its members sorted by name at every level,
// without white space, numbers as written. A document that was only reformatted still matches its checksum. A document
// without the field, which an older fx wrote, is accepted.
package checksum
