// Package markdown writes notices in the little markdown that DingTalk and Feishu have in common: bold, links and
// lines. What it quotes comes from commits and comments, so anybody can have written it, and each of the two has its own
// way to make that mean itself: they are writers with a markup of their own.
package markdown

import (
	"cmp"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/skyisland/skyisland/internal/notify"
	"github.com/skyisland/skyisland/internal/notify/markup"
)

// mostLink is the longest address that is written, in bytes; several have to fit into one message.
const mostLink = 600

// Writer writes notices for one chat.
type Writer struct{ markup.Markup }

// Plain is a text as one line for where there is no markup, cut to so many bytes.
func Plain(s string, most int) string { return Cut(notify.OneLine(s), most) }

// Cut cuts a text to so many bytes without splitting a character; an ellipsis says so.
func Cut(s string, most int) string {
	const ellipsis = "…"
	if len(s) <= most {
		return s
	}
	return head(s, most-len(ellipsis)) + ellipsis
}

// head is the beginning of a text, at most so many bytes, without half a character.
func head(s string, most int) string {
	if len(s) <= most {
		return s
	}
	most = max(0, most)
	for most > 0 && !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most]
}

// Link is a link, and nothing for an address that is not of the web or too long.
func Link(text, address string) string {
	to, err := url.Parse(address)
	if err != nil || to.Scheme != "https" && to.Scheme != "http" || to.Host == "" || to.User != nil || len(address) > mostLink {
		return ""
	}
	return "[" + text + "](" + strings.NewReplacer("(", "%28", ")", "%29", " ", "%20").Replace(to.String()) + ")"
}

// Bounds of what is quoted, in bytes.
const (
	mostTitle = 200
	mostLine  = 400
)

// nameless stands for a title that says nothing: two asterisks around nothing would be a rule across the message.
const nameless = "Sky Island"

// Title is the title of a notice in one line, with its severity where that matters.
func (w Writer) Title(n notify.Notice) string {
	return n.Severity.Mark() + cmp.Or(w.Quote(n.Title, mostTitle), nameless)
}

// PlainTitle is the same for where there is no markup.
func PlainTitle(n notify.Notice) string {
	return n.Severity.Mark() + cmp.Or(Plain(n.Title, mostTitle), nameless)
}

// Body is what a notice says below its title, in at most so many bytes; what does not fit is left out, and a line
// says how much.
func (w Writer) Body(n notify.Notice, most int) string {
	lines := make([]string, 0, len(n.Lines))
	for _, line := range n.Lines {
		if said := w.Line(line, mostLine); said != "" {
			lines = append(lines, said)
		}
	}
	if n.Ask != nil {
		lines = append(lines, w.Ask(*n.Ask)...)
	}
	return fit(lines, most)
}

// links are the addresses that belong to a notice; an answer's first.
func links(n notify.Notice) (out []string) {
	if n.Ask == nil || n.Ask.Closed == "" {
		if link := Link("Answer", n.Answer); link != "" {
			out = append(out, link)
		}
	}
	if link := Link("See more", n.Link); link != "" {
		out = append(out, link)
	}
	return out
}

// separator stands between lines. One newline is not enough for DingTalk.
const separator = "\n\n"

// Notices writes several notices as one text of at most so many bytes, in their order. Of each there are at least
// title and first link; the rest shares what is left. It needs 900 bytes for each.
func (w Writer) Notices(list []notify.Notice, most int) string {
	var out strings.Builder
	for i, n := range list {
		share := (most - out.Len()) / (len(list) - i)
		if i > 0 {
			share -= len(separator)
			out.WriteString(separator)
		}
		out.WriteString(w.notice(n, share))
	}
	return out.String()
}

func (w Writer) notice(n notify.Notice, most int) string {
	title := "**" + w.Title(n) + "**"
	more := links(n)
	for len(more) > 1 && len(title)+len(separator)+len(strings.Join(more, " · ")) > most {
		more = more[:len(more)-1]
	}
	tail := strings.Join(more, " · ")
	if tail != "" {
		tail = separator + tail
	}
	body := w.Body(n, most-len(title)-len(tail)-len(separator))
	if body != "" {
		body = separator + body
	}
	return title + body + tail
}

// fit joins lines while they fit into so many bytes.
func fit(lines []string, most int) string {
	const left = separator + "… and more"
	whole := strings.Join(lines, separator)
	if len(whole) <= most {
		return whole
	}
	var out strings.Builder
	for _, line := range lines {
		if out.Len()+len(separator)+len(line)+len(left) > most {
			break
		}
		if out.Len() > 0 {
			out.WriteString(separator)
		}
		out.WriteString(line)
	}
	if out.Len() == 0 {
		return ""
	}
	return out.String() + left
}
