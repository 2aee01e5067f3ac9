package checksum

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Field is the member of a document that holds the checksum, in lower-case hex.
const Field = "content_sha256"

// Hint is what to do if Verify finds a change.
const Hint = "Undo the change, or, if it is intended, remove the line " + Field + " from the file too."

// Marshal returns v as an indented JSON document whose last member is the checksum. v must encode to an object with at
// least one member and none named Field.
func Marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	sum, stored, err := sumOf(b.Bytes())
	if err != nil {
		return nil, err
	}
	text, isObject := bytes.CutSuffix(b.Bytes(), []byte("\n}\n"))
	if !isObject || stored != nil {
		return nil, fmt.Errorf("checksum: %T is no JSON object with members, or has a member %s", v, Field)
	}
	return fmt.Appendf(text, ",\n  %q: %q\n}\n", Field, sum), nil
}

// Verify compares the document with its checksum. If they differ, the error is a whole sentence that the file name was
// changed. A document without a checksum is no error, nor is one that is no JSON object: decoding it will fail.
func Verify(name string, text []byte) error {
	sum, stored, err := sumOf(text)
	if err != nil || stored == nil {
		return nil
	}
	if stored != sum {
		return fmt.Errorf("%s was changed after fx wrote it: its content does not match its %s", name, Field)
	}
	return nil
}

// sumOf returns the checksum of the document's canonical form, and the stored one, nil if there is none.
func sumOf(text []byte) (sum string, stored any, err error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var members map[string]any
	if err := d.Decode(&members); err != nil {
		return "", nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return "", nil, errors.New("text after the document")
	}
	stored = members[Field]
	delete(members, Field)
	canonical, err := json.Marshal(members)
	if err != nil {
		return "", nil, err
	}
	hash := sha256.Sum256(canonical)
	return hex.EncodeToString(hash[:]), stored, nil
}
