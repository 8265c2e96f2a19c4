package github

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Strangers write commit messages, names, reasons and what builds print. GitHub makes links, mentions and headings of text
// also where it is escaped with backslashes, so all of it stands within code, where it is nothing but itself.

// plain is text on one line, without what changes how the rest is read: control characters, and those that turn its
// direction or have no width.
func plain(text string) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case r == utf8.RuneError || unicode.Is(unicode.Cc, r) || unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Zl, r) || unicode.Is(unicode.Zp, r):
			return -1
		}
		return r
	}, text)
	return strings.Join(strings.Fields(text), " ")
}

// cut is text of at most so many bytes, and whole characters.
func cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	most -= len("…")
	for most > 0 && !utf8.RuneStart(text[most]) {
		most--
	}
	return text[:most] + "…"
}

// mostInline is the most bytes of a stranger's line that are shown, mostRead of which they are taken: a build may have
// printed anything.
const (
	mostInline = 300
	mostRead   = 8 * mostInline
)

// code is a stranger's line within a paragraph or a cell of a table. A bar would end the cell whatever is around it.
func code(text string) string {
	text = cut(strings.ReplaceAll(plain(cut(text, mostRead)), "|", "¦"), mostInline)
	if text == "" {
		return "–"
	}
	fence := strings.Repeat("`", longestRun(text)+1)
	if strings.HasPrefix(text, "`") || strings.HasSuffix(text, "`") {
		// One space at both ends belongs to the fence.
		text = " " + text + " "
	}
	return fence + text + fence
}

// block is a stranger's lines, at most so many; more is cut, and it says so.
func block(lines []string, most int) string {
	var kept []string
	run, more := 2, false
	for _, line := range lines {
		for part := range strings.SplitSeq(line, "\n") {
			if more = len(kept) == most; more {
				break
			}
			part = cut(plain(cut(part, mostRead)), mostInline)
			run = max(run, longestRun(part))
			kept = append(kept, part)
		}
		if more {
			break
		}
	}
	if len(kept) == 0 {
		return ""
	}
	if more {
		kept[most-1] = "… there is more"
	}
	fence := strings.Repeat("`", run+1)
	return fence + "text\n" + strings.Join(kept, "\n") + "\n" + fence + "\n"
}

// longestRun is the length of the longest run of backticks.
func longestRun(text string) int {
	longest, run := 0, 0
	for _, r := range text {
		if r == '`' {
			run++
			longest = max(longest, run)
		} else {
			run = 0
		}
	}
	return longest
}

// describe is a sentence of ours and strangers for where GitHub shows plain text: at most 140 characters.
func describe(text string) string {
	runes := []rune(plain(cut(text, mostRead)))
	if len(runes) > mostDescription {
		runes = append(runes[:mostDescription-1], '…')
	}
	return string(runes)
}

// mostDescription is the most characters of a status' or deployment's description.
const mostDescription = 140
