package feishu

import (
	"strconv"
	"strings"

	"github.com/skyisland/skyisland/internal/notify/markdown"
	"github.com/skyisland/skyisland/internal/notify/markup"
)

// writer writes Feishu's lark_md (open.feishu.cn: card components, Markdown). A character that would mean something is
// written as its number, as that page says. What could call people or lead them elsewhere is replaced by what looks alike
// instead, so that this holds even where a number were read before the markup.
var writer = markdown.Writer{Markup: markup.Markup{Literal: literal, Own: own}}

func literal(before string, r rune, after string) string {
	switch r {
	case '<':
		return markup.Wide(r)
	case '*', '~', '`', '[', ']', '\\', '$', '@':
		return number(r)
	case '(':
		if strings.HasSuffix(before, "]") {
			return markup.Wide(r)
		}
	case '_':
		if !markup.Inner(before, after) {
			return number(r)
		}
	case '&':
		if markup.Entity(after) {
			return number(r)
		}
	case ':':
		if markup.Emoji(before, after) != "" {
			return number(r)
		}
	}
	switch {
	case markup.Leads(before, r, after):
		return markup.Wide(r)
	case markup.Opens(before, r, after):
		return number(r)
	}
	return string(r)
}

func number(r rune) string { return "&#" + strconv.Itoa(int(r)) + ";" }

// own leaves a template's words their bold, and takes tags and links from them.
func own(text string) string {
	return strings.NewReplacer("<", markup.Wide('<'), "[", markup.Wide('['), "]", markup.Wide(']')).Replace(text)
}
