package userfile

import "fmt"

// Bounds of fx's own JSON files. The largest are run.json and experiment.json:
// a rejected photo or a run takes a hundred bytes or more and one object.
const (
	maxJSONBytes   = 64 << 20
	maxJSONObjects = 500_000   // a decoded one may take a few hundred bytes
	maxJSONValues  = 4_000_000 // a decoded one may take 16 to 64 bytes, and two characters in the file
	maxJSONDepth   = 100
)

// ReadJSON is Read for a JSON file. Its number of values is limited, so that the memory for decoding it is of the
// order of the file's size. It does not check the syntax.
func ReadJSON(path string) ([]byte, error) {
	text, err := Read(path, maxJSONBytes)
	if err != nil {
		return nil, err
	}
	if err := surveyJSON(text); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return text, nil
}

// surveyJSON counts the objects and values of a JSON text and its depth.
func surveyJSON(text []byte) error {
	objects, values, depth, inString := 0, 0, 0, false
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			depth++
			values++
			if c == '{' {
				objects++
			}
		case c == '}' || c == ']':
			depth--
		case c == ',':
			values++
		}
		switch {
		case depth > maxJSONDepth:
			return fmt.Errorf("%w: nested more than %d deep", ErrTooLarge, maxJSONDepth)
		case objects > maxJSONObjects:
			return fmt.Errorf("%w: more than %d objects", ErrTooLarge, maxJSONObjects)
		case values > maxJSONValues:
			return fmt.Errorf("%w: more than %d values", ErrTooLarge, maxJSONValues)
		}
	}
	return nil
}
