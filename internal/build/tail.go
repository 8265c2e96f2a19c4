package build

import (
	"bytes"
	"regexp"
	"strings"
	"unicode"
)

const (
	// tailLines and tailBytes bound the tail, lineBytes one line of it: enough for the end of a
	// compiler's or a test's complaint, little enough for a chat message and a workflow's history.
	tailLines = 40
	tailBytes = 8 << 10
	lineBytes = 1 << 10
)

// tail keeps the last lines of a stream, fit to be shown.
type tail struct {
	kept    []string
	size    int
	partial []byte
}

// escapes are terminal control sequences: CSI, OSC up to its end, and the two-byte kind.
var escapes = regexp.MustCompile(`\x1b(\[[\x30-\x3f]*[\x20-\x2f]*[\x40-\x7e]|\][^\x07\x1b]*(\x07|\x1b\\)?|[\x40-\x5a\x5c-\x5f])`)

func (t *tail) add(p []byte) {
	for len(p) > 0 {
		line, rest, ended := bytes.Cut(p, []byte{'\n'})
		// Twice the room of a line, since escapes take room and are taken out later. The start of
		// a longer line is what is kept.
		t.partial = append(t.partial, line[:min(len(line), max(2*lineBytes-len(t.partial), 0))]...)
		if ended {
			t.keep(readable(t.partial))
			t.partial = t.partial[:0]
		}
		p = rest
	}
}

func (t *tail) keep(line string) {
	t.kept = append(t.kept, line)
	t.size += len(line) + 1
	for len(t.kept) > tailLines || t.size > tailBytes {
		t.size -= len(t.kept[0]) + 1
		t.kept = t.kept[1:]
	}
}

// last ends a line that was begun and returns the tail.
func (t *tail) last() []string {
	if len(t.partial) > 0 {
		t.keep(readable(t.partial))
		t.partial = t.partial[:0]
	}
	return t.kept
}

// readable is a line as a person would have seen it: without colours and control characters, only
// the last state of a progress bar, valid UTF-8, and not too long.
func readable(raw []byte) string {
	line := strings.ToValidUTF8(string(raw), "\uFFFD")
	line = escapes.ReplaceAllString(line, "")
	line = strings.TrimRight(line, "\r")
	if cut := strings.LastIndexByte(line, '\r'); cut >= 0 {
		line = line[cut+1:]
	}
	line = strings.Map(func(r rune) rune {
		if r != '\t' && unicode.IsControl(r) {
			return -1
		}
		return r
	}, line)
	if len(line) > lineBytes {
		line = strings.ToValidUTF8(line[:lineBytes-len("…")], "") + "…"
	}
	return line
}
