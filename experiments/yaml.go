package experiments

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"fx/internal/userfile"
)

// Bounds of an experiment file, far above what a matrix of trainings needs. The parser's time and memory grow with the
// square of nesting, of tokens in a line and of keys in a mapping, and it expands aliases without a bound.
const (
	maxFileBytes = 256 << 10
	maxTokens    = 20_000
	maxNesting   = 32
	maxNodes     = 50_000 // after aliases are expanded
	maxKeys      = 500    // of one mapping
)

// unmarshal decodes YAML into v. It refuses unknown fields, and texts for which the parser would need far more memory
// than their size.
func unmarshal(text []byte, v any) error {
	if err := vetYAML(text); err != nil {
		return err
	}
	return yaml.UnmarshalWithOptions(text, v, yaml.Strict())
}

// vetYAML checks the bounds on size, nesting and aliases.
func vetYAML(text []byte) error {
	if len(text) > maxFileBytes {
		return fmt.Errorf("it has %d bytes, more than the %d that an experiment file may have", len(text), maxFileBytes)
	}
	if !utf8.Valid(text) {
		return errors.New("it is not valid UTF-8")
	}
	tokens := lexer.Tokenize(string(text))
	if len(tokens) > maxTokens {
		return fmt.Errorf("it has %d words and signs, more than the %d that an experiment file may have", len(tokens),
			maxTokens)
	}
	if err := vetNesting(tokens); err != nil {
		return err
	}
	file, err := parser.Parse(tokens, 0)
	if err != nil {
		return err
	}
	c := nodeCounter{open: map[string]bool{}, sizes: map[string]int{}}
	for _, document := range file.Docs {
		if _, err := c.count(document.Body); err != nil {
			return err
		}
	}
	return nil
}

// vetNesting checks the depth of brackets and the number of block entries that begin on one line ("- - - a").
func vetNesting(tokens token.Tokens) error {
	brackets, entries, line := 0, 0, 0
	for _, t := range tokens {
		if t.Position.Line != line {
			line, entries = t.Position.Line, 0
		}
		switch t.Type {
		case token.SequenceStartType, token.MappingStartType:
			brackets++
		case token.SequenceEndType, token.MappingEndType:
			brackets--
		case token.SequenceEntryType, token.MappingKeyType:
			entries++
		}
		if brackets > maxNesting || entries > maxNesting {
			return fmt.Errorf("line %d: lists and mappings nest more than %d deep", line, maxNesting)
		}
	}
	return nil
}

// nodeCounter counts the nodes of a tree with expanded aliases.
type nodeCounter struct {
	open  map[string]bool // anchors around the node that is counted
	sizes map[string]int  // of what anchors name
}

func (c *nodeCounter) count(n ast.Node) (size int, err error) {
	switch n := n.(type) {
	case *ast.AnchorNode:
		name := nameOf(n.Name)
		around := c.open[name]
		c.open[name] = true
		size, err = c.count(n.Value)
		c.open[name] = around
		c.sizes[name] = max(c.sizes[name], size)
	case *ast.AliasNode:
		name := nameOf(n.Value)
		if c.open[name] {
			return 0, fmt.Errorf("line %d: *%s is inside of what it repeats", n.Start.Position.Line,
				userfile.Cut(name, 40))
		}
		size = max(1, c.sizes[name])
	case *ast.TagNode:
		size, err = c.count(n.Value)
	case *ast.MappingKeyNode:
		size, err = c.count(n.Value)
	case *ast.MappingValueNode:
		size, err = c.sum(n.Key, n.Value)
	case *ast.MappingNode:
		if len(n.Values) > maxKeys {
			return 0, fmt.Errorf("line %d: a mapping of %d keys", n.GetToken().Position.Line, len(n.Values))
		}
		for _, value := range n.Values {
			inner, err := c.count(value)
			if size += inner; err != nil || size > maxNodes {
				return size, c.tooMany(err, n)
			}
		}
	case *ast.SequenceNode:
		size, err = c.sum(n.Values...)
	default:
		return 1, nil
	}
	return size + 1, err
}

func (c *nodeCounter) sum(nodes ...ast.Node) (size int, err error) {
	for _, n := range nodes {
		inner, err := c.count(n)
		if size += inner; err != nil || size > maxNodes {
			return size, c.tooMany(err, n)
		}
	}
	return size, nil
}

// tooMany returns err, or the error for a node that contains more than maxNodes.
func (c *nodeCounter) tooMany(err error, n ast.Node) error {
	if err != nil {
		return err
	}
	line := 0
	if n != nil && n.GetToken() != nil {
		line = n.GetToken().Position.Line
	}
	return fmt.Errorf("line %d: aliases repeat more than %d values", line, maxNodes)
}

func nameOf(n ast.Node) string {
	if n == nil || n.GetToken() == nil {
		return ""
	}
	return n.GetToken().Value
}

// maxMessageLine is the largest number of characters in a line of a message, which quotes lines of the file.
const maxMessageLine = 160

// plainly returns the parser's message with the quoted line, without colours and names of Go types.
func plainly(err error) error {
	text := goTypes.ReplaceAllStringFunc(yaml.FormatError(err, false, true), func(found string) string {
		what := strings.Fields(found)
		return "this is no " + map[string]string{"int": "whole number", "uint64": "whole number from 0 on",
			"float64": "number", "string": "text", "bool": "true or false"}[what[len(what)-1]]
	})
	text = strings.ReplaceAll(text, "was used where sequence is expected",
		"is given where a list in [brackets] is expected")
	lines := strings.Split(strings.TrimSpace(text), "\n")
	for i, line := range lines {
		if short := userfile.Cut(line, maxMessageLine); len(short) < len(line) {
			lines[i] = strings.TrimRight(short, " ") + "…"
		}
	}
	return errors.New(strings.Join(lines, "\n"))
}

var goTypes = regexp.MustCompile(`cannot unmarshal \S+ into Go (?:struct field \S+ of type|value of type) ` +
	`(?:int|uint64|float64|string|bool)\b`)
