// Package checksum gives a JSON document a SHA-256 of its own content, by which
// a flipped bit or an edit is noticed when the document is read again:
//
//	text, err := checksum.Marshal(model)       // indented, with the field "content_sha256" at its end
//	err = checksum.Verify("model.json", text)  // nil, or model.json was changed after fx wrote it
//
// The checksum is of the canonical form: the document without that field, its
// members sorted by name at every level, without white space, numbers as they are
// written. A document that was only laid out anew still fits its checksum. One
// without the field, as an older fx wrote it, is taken as it is.
package checksum
