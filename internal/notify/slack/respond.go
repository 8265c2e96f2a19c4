package slack

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	goslack "github.com/slack-go/slack"

	"github.com/skyisland/skyisland/internal/notify"
	"github.com/skyisland/skyisland/internal/notify/webhook"
)

const (
	// mostReply is the longest answer to a person.
	mostReply = 3000
	// tries is how often a word is handed to the desk, deskTime how long it may take each time, and between how long
	// to wait after the first failure, doubling. Together they are within [handling].
	tries    = 3
	deskTime = 4 * time.Second
	between  = 250 * time.Millisecond
)

// audience is who hears an answer, and where.
type audience struct{ responseURL, channel, user string }

// tell hands a word to the desk, again when nobody knows whether it was taken: it has the same ID and counts once.
func (c *Channel) tell(ctx context.Context, word notify.Word) (reply notify.Reply, err error) {
	pause := between
	for try := 1; ; try++ {
		telling, cancel := context.WithTimeout(ctx, deskTime)
		reply, err = c.options.Desk.Tell(telling, word)
		cancel()
		if err == nil {
			return reply, nil
		}
		if try == tries || ctx.Err() != nil {
			c.options.Log.ErrorContext(ctx, "what was said in slack was not taken", "what", word.What, "about", word.About, "error", err)
			return notify.Reply{}, err
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		pause *= 2
	}
}

// sentence is what somebody hears of their word.
func sentence(reply notify.Reply) string {
	if reply.Refused {
		return "⛔ " + reply.Text
	}
	return reply.Text
}

// respond tells a person something that nobody else sees. Where Slack takes no answer any more, which is after half an
// hour, it is said beside the message. What was said counts in any case.
func (c *Channel) respond(ctx context.Context, to audience, text string) {
	err := c.respondTo(ctx, to.responseURL, text)
	if err == nil {
		return
	}
	if targetForm.MatchString(to.channel) && targetForm.MatchString(to.user) {
		if _, err = c.api.PostEphemeralContext(ctx, to.channel, to.user, goslack.MsgOptionText(beside(text), false), goslack.MsgOptionBlocks(paragraph(text))); err == nil {
			return
		}
	}
	c.options.Log.WarnContext(ctx, "no answer to somebody in slack", "user", to.user, "error", err)
}

// private is an answer that only one person sees.
func private(text string) map[string]any {
	return map[string]any{"response_type": "ephemeral", "text": beside(text), "blocks": []goslack.Block{paragraph(text)}}
}

// paragraph is plain text: what it repeats of others is formatted no more than the rest, and none of it becomes a link.
func paragraph(text string) goslack.Block {
	return goslack.NewSectionBlock(goslack.NewTextBlockObject(goslack.PlainTextType, plainLines(text), false, false), nil, nil)
}

// beside is the same for notifications and screen readers.
func beside(text string) string { return escape(plainLines(text)) }

func plainLines(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = notify.OneLine(line)
	}
	return cmp.Or(cut(strings.Trim(strings.Join(lines, "\n"), "\n"), mostReply), "Done.") // an empty one is refused
}

func (c *Channel) respondTo(ctx context.Context, address, text string) error {
	if err := c.checkResponseURL(address); err != nil {
		return err
	}
	said := private(text)
	said["replace_original"] = false
	body, err := webhook.Encode(said)
	if err != nil {
		return err
	}
	answer, err := webhook.Send(ctx, c.client, http.MethodPost, address, nil, body)
	if err != nil {
		return err
	}
	if answer.Status != http.StatusOK {
		return fmt.Errorf("the response_url answered status %d", answer.Status)
	}
	return nil
}

// checkResponseURL keeps us from posting to wherever a message says.
func (c *Channel) checkResponseURL(address string) error {
	to, err := url.Parse(address)
	if err != nil || to.Host == "" || to.User != nil {
		return errors.New("the response_url is none")
	}
	if origin := strings.ToLower(to.Scheme + "://" + to.Host); origin == hooks || strings.HasPrefix(strings.ToLower(c.options.APIURL), origin+"/") {
		return nil
	}
	return fmt.Errorf("the response_url leads to %s, which is not Slack", plain(to.Host, mostName))
}
