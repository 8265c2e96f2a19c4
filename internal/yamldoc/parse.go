package yamldoc

import (
	"bytes"
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

	"github.com/skyisland/skyisland/internal/release"
)

// The bounds of a file. The parser recurses with every level, so what can nest is bounded before it
// starts: flow brackets by counting them, block indentation by the length of a line.
const (
	// MaxSize is the most bytes a file may have.
	MaxSize = 256 << 10
	maxLine = 8 << 10
	maxFlow = 32
	// The parser's time grows with the square of the entries of a mapping: 10,000 take 0.3 s.
	maxLines = 10_000
)

// syntaxError is a place where a text is no YAML.
type syntaxError struct {
	at      position
	message string
	fix     string
}

// text cleans and bounds a file. It reports false when there is no sense in reading on.
func (d *Document) text(data []byte) (string, bool) {
	if len(data) > MaxSize {
		d.add(release.Problem{
			Message: fmt.Sprintf("the file has %d bytes", len(data)), Fix: fmt.Sprintf("keep it under %d", MaxSize),
		}, position{1, 1})
		return "", false
	}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	data = bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n"))
	lines := bytes.Split(data, []byte("\n"))
	if len(lines) > maxLines {
		d.add(release.Problem{
			Message: fmt.Sprintf("the file has %d lines", len(lines)), Fix: fmt.Sprintf("keep it under %d", maxLines),
		}, position{1, 1})
		return "", false
	}
	sound := true
	for i, line := range lines {
		if at := invalidUTF8(line); at >= 0 {
			d.add(release.Problem{Message: fmt.Sprintf("byte 0x%02x is not UTF-8", line[at]), Fix: "save the file as UTF-8"},
				position{i + 1, utf8.RuneCount(line[:at]) + 1})
			sound = false
		}
		if at := bytes.IndexFunc(line, control); at >= 0 && sound {
			d.add(release.Problem{Message: fmt.Sprintf("control character %#U", rune(line[at])), Fix: "remove it"},
				position{i + 1, utf8.RuneCount(line[:at]) + 1})
			sound = false
		}
		if len(line) > maxLine {
			d.add(release.Problem{
				Message: fmt.Sprintf("the line has %d bytes", len(line)), Fix: fmt.Sprintf("keep it under %d", maxLine),
			}, position{i + 1, 1})
			sound = false
		}
	}
	return string(data), sound
}

// control says whether YAML has no place for r.
func control(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }

func invalidUTF8(line []byte) int {
	for i := 0; i < len(line); {
		r, size := utf8.DecodeRune(line[i:])
		if r == utf8.RuneError && size == 1 {
			return i
		}
		i += size
	}
	return -1
}

// parse is the file's mapping, in pieces where only pieces of it are YAML.
func (d *Document) parse(text string) []ast.Node {
	root, wrong := parseOne(text)
	if wrong == nil {
		return d.single(root)
	}
	var roots []ast.Node
	said := len(d.problems)
	for _, s := range sections(text) {
		body, err := parseOne(s.text)
		if err != nil {
			d.syntax(*err)
			d.broken[s.key] = true
			body = salvage(s.text, *err)
		}
		if found := bodies(body); len(found) > 0 {
			roots = append(roots, found[0])
		}
	}
	if len(d.problems) == said {
		// Every piece is fine alone, so it is how they stand together that is wrong.
		d.syntax(*wrong)
	}
	return roots
}

func (d *Document) syntax(e syntaxError) {
	d.add(release.Problem{Message: e.message, Fix: e.fix}, e.at)
}

// single is the only document of a file; the first one when there are several, which is a problem.
func (d *Document) single(file *ast.File) []ast.Node {
	found := bodies(file)
	if len(found) > 1 {
		d.add(release.Problem{Message: "a second YAML document", Fix: "keep one document in the file and remove ---"},
			positionOf(found[1]))
		found = found[:1]
	}
	return found
}

// bodies are the documents of a file that hold something.
func bodies(file *ast.File) []ast.Node {
	if file == nil {
		return nil
	}
	var out []ast.Node
	for _, doc := range file.Docs {
		if doc.Body != nil && doc.Body.Type() != ast.CommentType && doc.Body.Type() != ast.DirectiveType {
			out = append(out, doc.Body)
		}
	}
	return out
}

// parseOne parses a text and says where it is no YAML.
func parseOne(text string) (file *ast.File, wrong *syntaxError) {
	// The text comes from anybody who can push. A panic of the parser on some text nobody has
	// thought of must end in a refused file, not in a server that is down.
	defer func() {
		if r := recover(); r != nil {
			file, wrong = nil, &syntaxError{at: position{1, 1}, message: "the file cannot be parsed", fix: "check its YAML"}
		}
	}()
	if tab := indentedByTab(text); tab != nil {
		return nil, tab
	}
	tokens := lexer.Tokenize(text)
	if deep := tooDeep(tokens); deep != nil {
		return nil, deep
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err == nil {
		return file, nil
	}
	wrong = &syntaxError{at: position{1, 1}, message: "not YAML: " + err.Error(), fix: "check indentation, colons and quotes"}
	var syntax yaml.Error
	if errors.As(err, &syntax) {
		wrong.message = "not YAML: " + syntax.GetMessage()
		if t := syntax.GetToken(); t != nil && t.Position != nil {
			wrong.at = position{t.Position.Line, t.Position.Column}
		}
	}
	return nil, wrong
}

// indentedByTab finds a line that begins with a tab. A tab after spaces may belong to a block of
// text and is left to the parser.
func indentedByTab(text string) *syntaxError {
	line := 0
	for l := range strings.SplitSeq(text, "\n") {
		line++
		if strings.HasPrefix(l, "\t") && strings.TrimSpace(l) != "" {
			return &syntaxError{at: position{line, 1}, message: "the line is indented with a tab", fix: "indent with spaces"}
		}
	}
	return nil
}

func tooDeep(tokens token.Tokens) *syntaxError {
	depth := 0
	for _, t := range tokens {
		switch t.Type {
		case token.SequenceStartType, token.MappingStartType:
			depth++
		case token.SequenceEndType, token.MappingEndType:
			depth--
		}
		if depth > maxFlow {
			return &syntaxError{
				at:      position{t.Position.Line, t.Position.Column},
				message: fmt.Sprintf("more than %d brackets inside each other", maxFlow), fix: "nest less",
			}
		}
	}
	return nil
}

// section is one top-level field of a text, with all other lines blank so that its lines keep their
// numbers.
type section struct{ key, text string }

var topLevel = regexp.MustCompile(`^["']?([A-Za-z][\w-]*)["']?\s*:`)

// sections cuts a text at its top-level keys.
func sections(text string) []section {
	lines := strings.Split(text, "\n")
	var out []section
	start := -1
	cut := func(end int) {
		if start < 0 {
			return
		}
		key := topLevel.FindStringSubmatch(lines[start])[1]
		out = append(out, section{key, strings.Repeat("\n", start) + strings.Join(lines[start:end], "\n")})
	}
	for i, line := range lines {
		if topLevel.MatchString(line) {
			cut(i)
			start = i
		}
		if len(out) == maxProblems {
			return out
		}
	}
	cut(len(lines))
	return out
}

// salvage leaves out the lines of a text at which parsing stops, up to a few, and gives what is
// left, or nil.
func salvage(text string, wrong syntaxError) *ast.File {
	lines := strings.Split(text, "\n")
	for range 8 {
		if wrong.at.line > len(lines) {
			return nil
		}
		lines[wrong.at.line-1] = ""
		file, err := parseOne(strings.Join(lines, "\n"))
		if err == nil {
			return file
		}
		wrong = *err
	}
	return nil
}
