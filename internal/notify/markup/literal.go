package markup

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Wide is the full-width form of a printable character of ASCII: it looks alike, and no markup knows it.
func Wide(r rune) string { return string(r - '!' + '！') }

// Opens says whether a character would begin a heading, a quotation, a list, a definition or a rule if its text begins a
// line.
func Opens(before string, r rune, after string) bool {
	switch r {
	case '#', '>', '=':
		return strings.Trim(before, string(r)) == ""
	case '-', '+', ':':
		return before == "" && (after == "" || after[0] == ' ' || strings.Trim(after, "- ") == "")
	case '.', ')':
		return before != "" && len(before) < 10 && strings.Trim(before, "0123456789") == "" && (after == "" || after[0] == ' ')
	}
	return false
}

// Leads says whether a character begins, with what is beside it, an address that a chat makes a link by itself.
func Leads(before string, r rune, after string) bool {
	switch r {
	case ':':
		return strings.HasPrefix(after, "//")
	case '.':
		host, found := strings.CutSuffix(strings.ToLower(before), "www")
		return found && !wordEnds(host)
	}
	return false
}

// Inner says whether a character stands alone between letters or digits, as in a_b.
func Inner(before, after string) bool {
	r, _ := utf8.DecodeRuneInString(after)
	return wordEnds(before) && (unicode.IsLetter(r) || unicode.IsDigit(r))
}

func wordEnds(text string) bool {
	r, _ := utf8.DecodeLastRuneInString(text)
	return unicode.IsLetter(r) || unicode.IsDigit(r)
}

// Entity says whether an ampersand before this text may begin a character in the way of HTML, where the final semicolon
// is not always needed.
func Entity(after string) bool { return entity.MatchString(after) }

// Emoji is the name by which a colon between these texts begins a picture, such as tada of :tada:, and empty for one that
// begins none: the minutes of a time, the line of a file. At the end of a text it may begin one, because what stands
// behind it may be a colon of ours.
func Emoji(before, after string) string {
	name := strings.TrimSuffix(emoji.FindString(after), ":")
	if digits.MatchString(name) && wordEnds(before) {
		return ""
	}
	return name
}

// Short is as much of a hash as people compare, and empty for what has no digits or letters.
func Short(hash string) string {
	const most = 12
	var short strings.Builder
	for _, r := range hash {
		if short.Len() < most && r <= unicode.MaxASCII && (unicode.IsDigit(r) || unicode.IsLetter(r)) {
			short.WriteRune(r)
		}
	}
	return short.String()
}

var (
	entity = regexp.MustCompile(`^(#|[A-Za-z])`)
	emoji  = regexp.MustCompile(`^[0-9A-Za-z+_'-]{1,100}(:|$)`)
	digits = regexp.MustCompile(`^[0-9]+$`)
)
