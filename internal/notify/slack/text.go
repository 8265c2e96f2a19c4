package slack

import (
	"net/url"
	"strings"
	"unicode/utf16"

	"github.com/skyisland/skyisland/internal/notify"
	"github.com/skyisland/skyisland/internal/notify/markup"
)

// The limits of Slack (docs.slack.dev/reference/block-kit/blocks, chat.postMessage). Whether it counts characters or
// UTF-16 units no document says, so the larger of the two is counted here.
const (
	mostBlocks   = 50
	mostSection  = 3000
	mostHeader   = 150
	mostFallback = 3000
	mostAddress  = 3000
	mostMetadata = 3000
)

// Bounds of what is quoted.
const (
	mostName    = 80
	mostTitle   = 200
	mostLine    = 600
	mostComment = 1000
)

// plain is a text as one line without what a terminal or a chat would act on, cut to so many units.
func plain(s string, most int) string { return cut(notify.OneLine(s), most) }

// mrkdwn is how Slack is written to (docs.slack.dev: formatting message text). Three characters are escaped as Slack says.
// For those that format there is no escape, so they are replaced by what looks alike.
var mrkdwn = markup.Markup{Literal: literal, Own: own, Size: units}

func literal(before string, r rune, after string) string {
	switch r {
	case '`':
		return "'"
	case '*', '~':
		return markup.Wide(r)
	case '_':
		if !markup.Inner(before, after) {
			return markup.Wide(r)
		}
	case '>':
		if markup.Opens(before, r, after) {
			return markup.Wide(r) // a line is a quotation also when it begins with &gt;
		}
	case ':':
		// Names of pictures are of small letters: 05:00Z: is none.
		if name := markup.Emoji(before, after); name != "" && name == strings.ToLower(name) {
			return markup.Wide(r)
		}
	}
	return escape(string(r))
}

// own leaves a template's words their formatting; bold may be written as for the other chats.
func own(text string) string { return strings.ReplaceAll(escape(text), "**", "*") }

// quoted is a stranger's text as one line of mrkdwn that means itself, cut to so many units as they are sent.
func quoted(s string, most int) string { return mrkdwn.Quote(s, most) }

// escape is a text within mrkdwn. Slack takes three characters for its own.
func escape(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s)
}

// units is how long Slack takes a text to be.
func units(s string) (n int) {
	for _, r := range s {
		n += max(1, utf16.RuneLen(r))
	}
	return n
}

// cut cuts a text to so many units; an ellipsis says so. What is escaped has to be cut before.
func cut(s string, most int) string {
	if units(s) <= most {
		return s
	}
	var n int
	for i, r := range s {
		if n += max(1, utf16.RuneLen(r)); n > most-1 {
			return s[:i] + "…"
		}
	}
	return s
}

// address is an address of the web that a button may open, and empty for anything else.
func address(s string) string {
	to, err := url.Parse(s)
	if err != nil || to.Scheme != "https" && to.Scheme != "http" || to.Host == "" || to.User != nil || units(s) > mostAddress {
		return ""
	}
	return s
}

// pack joins lines into texts of at most so many units, at most so many of them; the last one says when more was left
// out. No line may be longer than a text.
func pack(lines []string, most, texts int) (out []string) {
	const more = "\n… and more"
	var text string
	for _, line := range lines {
		if line == "" {
			continue
		}
		limit := most
		if len(out) == texts-1 {
			limit -= units(more) // room for saying so
		}
		switch joined := text + "\n" + line; {
		case text == "":
			text = line
		case units(joined) <= limit:
			text = joined
		case len(out) == texts-1:
			return append(out, text+more)
		default:
			out, text = append(out, text), line
		}
	}
	if text != "" {
		out = append(out, text)
	}
	return out
}
