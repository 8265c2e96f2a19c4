package feishu

import (
	"fmt"
	"time"

	"github.com/skyisland/skyisland/internal/notify"
	"github.com/skyisland/skyisland/internal/notify/markdown"
	"github.com/skyisland/skyisland/internal/notify/webhook"
)

type message struct {
	Timestamp string `json:"timestamp,omitempty"`
	Sign      string `json:"sign,omitempty"`
	Type      string `json:"msg_type"`
	Card      card   `json:"card"`
}

type card struct {
	Config   map[string]bool `json:"config"`
	Header   header          `json:"header"`
	Elements []element       `json:"elements"`
}

type header struct {
	Title    text   `json:"title"`
	Template string `json:"template"`
}

type text struct {
	Tag     string `json:"tag"`
	Content string `json:"content"`
}

type element struct {
	Tag     string   `json:"tag"`
	Text    *text    `json:"text,omitempty"`
	Actions []button `json:"actions,omitempty"`
}

type button struct {
	Tag  string `json:"tag"`
	Text text   `json:"text"`
	URL  string `json:"url"`
	Type string `json:"type"`
}

// encode is one message with all notices, signed, in no more bytes than a bot takes.
func encode(notices []notify.Notice, secret string, now time.Time) ([]byte, error) {
	// What JSON makes longer is known once it is written. It doubles a quote or a newline at worst, so that half of
	// the text always fits.
	for most := mostText; ; most = most * 3 / 4 {
		m := message{Type: "interactive", Card: cardOf(notices, most)}
		if secret != "" {
			m.Timestamp, m.Sign = sign(secret, now)
		}
		body, err := webhook.Encode(m)
		if err != nil || len(body) <= mostBytes || most < mostText/4 {
			return body, err
		}
	}
}

func cardOf(notices []notify.Notice, most int) card {
	first := notices[0]
	c := card{
		Config: map[string]bool{"wide_screen_mode": true},
		Header: header{Title: text{Tag: "plain_text", Content: markdown.PlainTitle(first)}, Template: colour(notices)},
	}
	if len(notices) > 1 {
		c.Header.Title.Content = fmt.Sprintf("%s, and %d more", markdown.PlainTitle(first), len(notices)-1)
		c.Elements = []element{{Tag: "div", Text: &text{Tag: "lark_md", Content: writer.Notices(notices, most)}}}
		return c
	}
	if body := writer.Body(first, most); body != "" {
		c.Elements = append(c.Elements, element{Tag: "div", Text: &text{Tag: "lark_md", Content: body}})
	}
	var buttons []button
	add := func(title, address, kind string) {
		if markdown.Link("", address) != "" {
			buttons = append(buttons, button{Tag: "button", Text: text{Tag: "plain_text", Content: title}, URL: address, Type: kind})
		}
	}
	if first.Ask == nil || first.Ask.Closed == "" {
		add("Answer", first.Answer, "primary")
	}
	add("See more", first.Link, "default")
	if len(buttons) > 0 {
		c.Elements = append(c.Elements, element{Tag: "action", Actions: buttons})
	}
	if len(c.Elements) == 0 {
		// A card without elements is not shown.
		c.Elements = []element{{Tag: "div", Text: &text{Tag: "lark_md", Content: writer.Quote(first.Release.String(), mostText)}}}
	}
	return c
}

// colour is that of the gravest notice.
func colour(notices []notify.Notice) string {
	worst := "blue"
	for _, n := range notices {
		switch n.Severity {
		case notify.Critical:
			return "red"
		case notify.Warning:
			worst = "orange"
		case notify.Info:
		}
	}
	return worst
}
