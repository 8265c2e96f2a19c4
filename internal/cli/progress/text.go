package progress

import (
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// look is how a piece of text looks where colours are shown.
type look string

// The looks, as parameters of the terminal's "select graphic rendition".
const (
	plain  look = ""
	bold   look = "1"
	dim    look = "2"
	red    look = "31"
	green  look = "32"
	yellow look = "33"
	cyan   look = "36"
)

// span is text with one look.
type span struct {
	text string
	look look
}

// line is one line of a view.
type line []span

func text(s string) span       { return span{Clean(s), plain} }
func in(l look, s string) span { return span{Clean(s), l} }
func (l line) and(s span) line { return append(l, s) }
func (l line) draw(width int, color bool) string {
	var b strings.Builder
	left := width
	for _, s := range l {
		cut := Truncate(s.text, left)
		left -= Width(cut)
		if color && s.look != plain && cut != "" {
			b.WriteString("\x1b[" + string(s.look) + "m" + cut + "\x1b[0m")
		} else {
			b.WriteString(cut)
		}
		if cut != s.text {
			break
		}
	}
	return strings.TrimRight(b.String(), " ")
}

func (l line) width() int {
	n := 0
	for _, s := range l {
		n += Width(s.text)
	}
	return n
}

// apart puts right at the right edge. Where there is no room for both, left gives way.
func apart(left line, right line, width int) line {
	room := width - right.width() - 1
	if room < 8 {
		return left
	}
	var out line
	for _, s := range left {
		cut := Truncate(s.text, room)
		room -= Width(cut)
		out = out.and(span{cut, s.look})
		if cut != s.text {
			break
		}
	}
	return append(out.and(span{strings.Repeat(" ", room+1), plain}), right...)
}

// sequence is an escape sequence that ordinary programs print, for colours mostly.
var sequence = regexp.MustCompile(`\x1b\[[\x30-\x3f]*[\x20-\x2f]*[\x40-\x7e]`)

// Clean is s without what could move a terminal's cursor, hide text or say it backwards: escape
// sequences, control characters and direction marks are left out, and white space becomes spaces.
func Clean(s string) string {
	s = sequence.ReplaceAllString(s, "")
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t' || r == '\r':
			return ' '
		case r == utf8.RuneError, unicode.IsControl(r), unicode.Is(unicode.Cf, r):
			return -1
		default:
			return r
		}
	}, s)
}

// Width is the number of columns that s takes on a terminal.
func Width(s string) int {
	n := 0
	for _, r := range s {
		n += columns(r)
	}
	return n
}

// columns follows UAX #11: East Asian wide and full-width characters and pictographs take two.
func columns(r rune) int {
	switch {
	case unicode.In(r, unicode.Mn, unicode.Me):
		return 0
	case r < 0x1100:
		return 1
	case r <= 0x115f, // Hangul Jamo
		r >= 0x2e80 && r <= 0xa4cf && r != 0x303f, // CJK, kana, Yi
		r >= 0xa960 && r <= 0xa97f,
		r >= 0xac00 && r <= 0xd7a3,   // Hangul syllables
		r >= 0xf900 && r <= 0xfaff,   // CJK compatibility ideographs
		r >= 0xfe30 && r <= 0xfe6f,   // CJK compatibility forms
		r >= 0xff00 && r <= 0xff60,   // full-width forms
		r >= 0xffe0 && r <= 0xffe6,   // full-width signs
		r >= 0x1f300 && r <= 0x1f64f, // pictographs
		r >= 0x1f680 && r <= 0x1f6ff,
		r >= 0x1f900 && r <= 0x1f9ff,
		r >= 0x20000 && r <= 0x3fffd:
		return 2
	default:
		return 1
	}
}

// Truncate is s in at most width columns, with an ellipsis where something is left out.
func Truncate(s string, width int) string {
	if Width(s) <= width {
		return s
	}
	if width <= 0 {
		return ""
	}
	var b strings.Builder
	left := width - 1
	for _, r := range s {
		if left -= columns(r); left < 0 {
			break
		}
		b.WriteRune(r)
	}
	return b.String() + "…"
}

// Pad is s with spaces up to width columns.
func Pad(s string, width int) string {
	return s + strings.Repeat(" ", max(0, width-Width(s)))
}

func padLeft(s string, width int) string {
	return strings.Repeat(" ", max(0, width-Width(s))) + s
}

// wrap breaks s at spaces into lines of at most width columns, and ends with an ellipsis when there
// are more than most.
func wrap(s string, width, most int) []string {
	var out []string
	current := ""
	for _, word := range strings.Fields(Clean(s)) {
		switch {
		case current == "":
			current = word
		case Width(current)+1+Width(word) <= width:
			current += " " + word
		default:
			out = append(out, current)
			current = word
		}
	}
	if current != "" {
		out = append(out, current)
	}
	if len(out) > most {
		out = out[:most]
		out[most-1] = Truncate(out[most-1]+" …", width)
	}
	return out
}

// count is n with a comma between thousands.
func count(n int64) string {
	digits := strconv.FormatInt(n, 10)
	var b strings.Builder
	for i, d := range digits {
		if i > 0 && d != '-' && digits[i-1] != '-' && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	return b.String()
}
