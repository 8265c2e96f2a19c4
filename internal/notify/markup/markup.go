// Package markup keeps what strangers wrote from meaning anything in a chat. Commit subjects, names and reasons reach
// messages, and a chat reads its markup in all of a text: so each chat has a [Markup], through which all goes that is not
// ours. What was quoted opens nothing, ends nothing, calls nobody and leads nowhere, whatever stands around it.
package markup

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/skyisland/skyisland/internal/notify"
)

// ownBegins and ownEnds stand around what is our own in a line. They are no characters of any writing, and
// [notify.OneLine] removes them, so that nobody brings them along.
const (
	ownBegins = "\uFDD0"
	ownEnds   = "\uFDD1"
)

// Own marks a part of a [notify.Notice]'s line as the words of whoever wrote its template. What is not marked anybody can
// have written.
func Own(text string) string { return ownBegins + text + ownEnds }

// Markup is how one chat is written to.
type Markup struct {
	// Literal is how a character of a stranger is written, given what stands before and after it in the same text, which
	// is one line and may be the beginning of one.
	Literal func(before string, r rune, after string) string
	// Own is how a template's own words are written; ** around some of them is bold.
	Own func(text string) string
	// Size is how long the chat takes a text to be; nil counts bytes.
	Size func(text string) int
}

const ellipsis = "…"

// Quote is a stranger's text as one line that means itself, of at most so much size. What is longer is cut between
// characters as they are written, and an ellipsis says so.
func (m Markup) Quote(text string, most int) string {
	text = notify.OneLine(text)
	var out strings.Builder
	room := most - m.size(ellipsis)
	used, read, written := 0, 0, 0 // read of the text is written so that an ellipsis has room
	for i, r := range text {
		next := i + utf8.RuneLen(r)
		one := m.Literal(text[:i], r, text[next:])
		if used += m.size(one); used > most {
			return out.String()[:m.end(text, read, written)] + ellipsis
		}
		out.WriteString(one)
		if used <= room {
			read, written = next, out.Len()
		}
	}
	return out.String()
}

// end moves the end of what was written back over characters that mean something else before an ellipsis than before
// what was cut.
func (m Markup) end(text string, read, written int) int {
	for read > 0 {
		r, size := utf8.DecodeLastRuneInString(text[:read])
		before := text[:read-size]
		one := m.Literal(before, r, text[read:])
		if m.Literal(before, r, ellipsis) == one {
			break
		}
		read, written = len(before), written-len(one)
	}
	return written
}

// Line is a [notify.Notice]'s line of at most so much size. A template's own words come first when there is not room for
// all, so that whatever they open they also close; a line whose own words are too long by themselves is quoted whole.
func (m Markup) Line(line string, most int) string {
	parts := split(line)
	left := most
	for _, part := range parts {
		if part.own {
			left -= m.size(m.Own(part.text))
		}
	}
	if left < 0 {
		return m.Quote(line, most)
	}
	var out strings.Builder
	for _, part := range parts {
		said := part.text
		switch {
		case part.own:
			said = m.Own(said)
		case m.size(ellipsis) > left:
			said = ""
		default:
			said = m.spaced(said, left)
			left -= m.size(said)
		}
		out.WriteString(said)
	}
	return strings.TrimSpace(out.String())
}

// spaced quotes what stands between our own words, and keeps a space at either end.
func (m Markup) spaced(text string, most int) string {
	said := m.Quote(text, most)
	if strings.HasPrefix(text, " ") && m.size(said) < most {
		said = " " + said
	}
	if said != " " && strings.HasSuffix(text, " ") && m.size(said) < most {
		said += " "
	}
	return said
}

func (m Markup) size(text string) int {
	if m.Size == nil {
		return len(text)
	}
	return m.Size(text)
}

type part struct {
	text string
	own  bool
}

// split takes a line apart into what is our own and what is not. An end that was cut off is at the end of the line.
func split(line string) (parts []part) {
	for line != "" {
		others, rest, _ := strings.Cut(line, ownBegins)
		if others != "" {
			parts = append(parts, part{text: others})
		}
		var own string
		if own, line, _ = strings.Cut(rest, ownEnds); own != "" {
			parts = append(parts, part{text: framed(own), own: true})
		}
	}
	return parts
}

// framed is a template's own text as [notify.OneLine] has it, with the spaces around it.
func framed(text string) string {
	said := notify.OneLine(text)
	if said == "" {
		return " "
	}
	if strings.TrimLeftFunc(text, unicode.IsSpace) != text {
		said = " " + said
	}
	if strings.TrimRightFunc(text, unicode.IsSpace) != text {
		said += " "
	}
	return said
}
