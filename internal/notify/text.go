package notify

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// OneLine is a text as one line that shows all it has: without control characters, without what takes no room or turns
// the direction of writing, and without characters that are nobody's. Joined emoji come apart.
func OneLine(text string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		switch {
		case ' ' <= r && r <= '~':
			return r
		case unicode.IsSpace(r):
			return ' '
		case r == utf8.RuneError, unicode.In(r, hidden...):
			return -1
		}
		return r
	}, text))
}

// hidden are characters that show nothing. Those that nobody has assigned yet are kept: a younger system may show them.
var hidden = []*unicode.RangeTable{unicode.Cc, unicode.Cf, unicode.Co, unicode.Cs, unicode.Other_Default_Ignorable_Code_Point, unicode.Noncharacter_Code_Point}
