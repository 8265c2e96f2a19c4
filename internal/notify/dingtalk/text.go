package dingtalk

import (
	"strings"

	"github.com/skyisland/skyisland/internal/notify"
	"github.com/skyisland/skyisland/internal/notify/markdown"
	"github.com/skyisland/skyisland/internal/notify/markup"
)

// writer writes DingTalk's markdown (open.dingtalk.com/document: message types and data formats). Nothing documents how a
// character is escaped there, and whether a backslash or an entity is honoured depends on the client and on the template
// of a card: so what could mean anything is replaced by what looks alike.
var writer = markdown.Writer{Markup: markup.Markup{Literal: literal, Own: own}}

func literal(before string, r rune, after string) string {
	switch r {
	case '`':
		return "'"
	case '*', '_', '~', '<', '[', ']', '\\', '$', '@':
		// Also within a word: not every client leaves a_b_c alone.
		return markup.Wide(r)
	case '&':
		if markup.Entity(after) {
			return markup.Wide(r)
		}
	}
	if markup.Opens(before, r, after) || markup.Leads(before, r, after) {
		return markup.Wide(r)
	}
	return string(r)
}

// own leaves a template's words their bold and their lists, and takes tags, links and pictures from them.
func own(text string) string {
	return strings.NewReplacer("<", markup.Wide('<'), "[", markup.Wide('['), "]", markup.Wide(']')).Replace(text)
}

// said is an answer of several lines for where a card's template may show markdown.
func said(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = writer.Quote(line, mostReply)
	}
	return markdown.Cut(strings.Join(lines, "\n"), mostReply)
}

// clean is a text of several lines for where there is no markup.
func clean(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = notify.OneLine(line)
	}
	return markdown.Cut(strings.Join(lines, "\n"), mostReply)
}
