package slack

import (
	"regexp"
	"strings"

	goslack "github.com/slack-go/slack"

	"github.com/skyisland/skyisland/internal/notify"
)

// The parts of a message that come back with a click. Slack keeps each ID as it was given.
const (
	blockTitle   = "skyisland.title"
	blockButtons = "skyisland.buttons"

	actionApprove = "skyisland.approve"
	actionReject  = "skyisland.reject"
	actionAnswer  = "skyisland.answer"
	actionMore    = "skyisland.more"

	// mostValue is the longest value of a button.
	mostValue = 2000
	// Sections for what a notice says and for its question; fifty blocks are far away.
	mostSaid  = 5
	mostAsked = 8
)

// message is what is posted: blocks, and what notifications and screen readers say instead of them.
type message struct {
	blocks   []goslack.Block
	fallback string
}

// messageOf writes a notice.
func (c *Channel) messageOf(n notify.Notice) message {
	title := titleOf(n)
	m := message{fallback: quoted(title, mostTitle), blocks: []goslack.Block{header(title)}}
	if who := c.mentions(n.Mention); who != "" {
		m.blocks = append(m.blocks, section(who))
	}
	said := make([]string, 0, len(n.Lines))
	for _, line := range n.Lines {
		said = append(said, mrkdwn.Line(line, mostLine))
	}
	m.blocks = append(m.blocks, sections(said, mostSaid)...)
	open := false
	var value string
	if n.Ask != nil {
		open, value = n.Ask.Closed == "" && c.options.listens(), questionOf(n).String()
		m.blocks = append(m.blocks, sections(askLines(*n.Ask), mostAsked)...)
		m.blocks = append(m.blocks, section("*"+standing(*n.Ask)+"*"))
		if n.Ask.Closed != "" {
			n.Answer = ""
		}
		m.fallback += " — " + standing(*n.Ask)
	}
	m.blocks = append(m.blocks, buttons(open, value, n.Answer, n.Link)...)
	m.fallback = shorten(m.fallback)
	return m
}

// shorten keeps the text beside the blocks within its limit. What it cuts may be an escaped character or a date, so
// nothing of those is kept then.
func shorten(s string) string {
	if units(s) <= mostFallback {
		return s
	}
	return escape(cut(strings.NewReplacer("&amp;", "", "&lt;", "", "&gt;", "", "<", "", ">", "").Replace(s), mostFallback))
}

// titleOf is a notice's title, with its severity where that matters.
func titleOf(n notify.Notice) string {
	title := plain(n.Title, mostTitle)
	if title == "" {
		title = "Sky Island" // an empty one is refused
	}
	return n.Severity.Mark() + title
}

var memberForm = regexp.MustCompile(`^[USW][A-Z0-9]{1,20}$`)

// mentions name who is meant: with a mention, who is known in Slack.
func (c *Channel) mentions(names []string) string {
	return strings.Join(listed(names, func(name string) string {
		switch id := c.options.Member(name); {
		case !memberForm.MatchString(id):
			return quoted(name, mostName)
		case id[0] == 'S':
			return "<!subteam^" + id + ">"
		default:
			return "<@" + id + ">"
		}
	}), ", ")
}

func header(title string) goslack.Block {
	return goslack.NewHeaderBlock(plainText(cut(title, mostHeader)), goslack.HeaderBlockOptionBlockID(blockTitle))
}

// section is a paragraph of mrkdwn, in which nothing becomes a link that is not written as one.
func section(text string) goslack.Block {
	return goslack.NewSectionBlock(goslack.NewTextBlockObject(goslack.MarkdownType, text, false, true), nil, nil)
}

func sections(lines []string, most int) (out []goslack.Block) {
	for _, text := range pack(lines, mostSection, most) {
		out = append(out, section(text))
	}
	return out
}

func plainText(s string) *goslack.TextBlockObject {
	return goslack.NewTextBlockObject(goslack.PlainTextType, s, true, false)
}

// buttons are those of a message: the first two only while the question is open.
func buttons(open bool, value, answer, link string) []goslack.Block {
	var row []goslack.BlockElement
	if open {
		row = append(row,
			goslack.NewButtonBlockElement(actionApprove, value, plainText("Approve")).WithStyle(goslack.StylePrimary),
			goslack.NewButtonBlockElement(actionReject, value, plainText("Reject")).WithStyle(goslack.StyleDanger))
	}
	if answer = address(answer); answer != "" {
		row = append(row, goslack.NewButtonBlockElement(actionAnswer, "", plainText("Answer in the browser")).WithURL(answer))
	}
	if link = address(link); link != "" {
		row = append(row, goslack.NewButtonBlockElement(actionMore, "", plainText("See more")).WithURL(link))
	}
	if len(row) == 0 {
		return nil
	}
	return []goslack.Block{goslack.NewActionBlock(blockButtons, row...)}
}
