package slack

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	goslack "github.com/slack-go/slack"

	"github.com/skyisland/skyisland/internal/notify"
	"github.com/skyisland/skyisland/internal/release"
)

const (
	receiptPrefix = "slack:"
	// eventType marks our messages in their metadata, so that one which may have arrived is found again.
	eventType = "skyisland_notice"
	// mostHistory is how many messages are looked at for one; a page of Slack's own is at most 999.
	mostHistory = 200
	// clocksApart is how far Slack's clock may be behind ours.
	clocksApart = 5 * time.Minute
	// waited is how old a notice is that was not sent at once: an earlier try, perhaps of another replica or of this
	// one before it was started again, may have arrived.
	waited = time.Minute
)

var (
	targetForm = regexp.MustCompile(`^[CGDUW][A-Z0-9]{1,20}$`)
	stampForm  = regexp.MustCompile(`^[0-9]{1,12}\.[0-9]{1,9}$`)
)

// place is where a message lies.
type place struct{ channel, stamp string }

func (p place) String() string { return receiptPrefix + p.channel + ":" + p.stamp }

// parsePlace reads a receipt; it is empty for what is none of ours.
func parsePlace(receipt string) place {
	channel, stamp, _ := strings.Cut(strings.TrimPrefix(receipt, receiptPrefix), ":")
	if !strings.HasPrefix(receipt, receiptPrefix) || !targetForm.MatchString(channel) || !stampForm.MatchString(stamp) {
		return place{}
	}
	return place{channel, stamp}
}

// Send says notices in a channel or to a member; see [notify.Channel]. What follows the first message of a release is
// in its thread. A question is changed in place. The service has nothing to tell a repeated message by, so one that
// may have arrived before is looked for in the conversation first, as far as the app may read it.
func (c *Channel) Send(ctx context.Context, target string, thread notify.Thread, notices []notify.Notice) (string, error) {
	if !targetForm.MatchString(target) {
		return "", fmt.Errorf("slack: %q is no target: write the ID of a channel (C…) or of a member (U…): %w", plain(target, mostName), notify.ErrRefused)
	}
	receipt := thread.First
	for _, n := range notices {
		if left := c.pause.left(); left > 0 {
			return "", &notify.LaterError{After: left, Err: errors.New("slack: over the rate limit")}
		}
		said, err := c.say(ctx, target, thread, n)
		if err != nil {
			return "", fmt.Errorf("slack: %s: %w", target, err)
		}
		receipt = said.String()
		if thread.First == "" {
			thread.First = receipt
		}
		if n.Ask != nil {
			thread.Ask = receipt
		}
	}
	return receipt, nil
}

func (c *Channel) say(ctx context.Context, target string, thread notify.Thread, n notify.Notice) (place, error) {
	m := c.messageOf(n)
	asked := parsePlace(thread.Ask)
	if n.Ask == nil || asked == (place{}) {
		return c.post(ctx, target, parsePlace(thread.First), n, m)
	}
	err := c.change(ctx, asked, m)
	if isLost(err) {
		return c.post(ctx, target, parsePlace(thread.First), n, m)
	}
	if err != nil {
		return place{}, c.judge(err)
	}
	if n.Kind == release.EntryReminded || n.Kind == release.EntryEscalated || n.Kind == release.EntryStopped {
		// A message that changes in place reminds nobody.
		n.Ask, n.Answer = nil, ""
		root := asked
		if first := parsePlace(thread.First); first.channel == asked.channel {
			root = first // a reply has no thread of its own
		}
		if _, err := c.post(ctx, target, root, n, c.messageOf(n)); err != nil {
			return place{}, err
		}
	}
	return asked, nil
}

// post puts a message into a conversation, as a reply where the release has a thread.
func (c *Channel) post(ctx context.Context, target string, thread place, n notify.Notice, m message) (place, error) {
	key := target + " " + n.ID
	began, tried := c.unsure.Since(key)
	if !tried {
		began = n.At
	}
	if tried || c.options.Now().Sub(n.At) > waited {
		if found, ok := c.find(ctx, target, thread, n.ID, began); ok {
			c.unsure.Forget(key)
			return found, nil
		}
	}
	options := []goslack.MsgOption{
		goslack.MsgOptionText(m.fallback, false), goslack.MsgOptionBlocks(m.blocks...),
		goslack.MsgOptionDisableLinkUnfurl(), goslack.MsgOptionDisableMediaUnfurl(),
		goslack.MsgOptionMetadata(goslack.SlackMetadata{EventType: eventType, EventPayload: map[string]any{"id": n.ID}}),
	}
	channel := target
	if thread != (place{}) {
		channel = thread.channel
		options = append(options, goslack.MsgOptionTS(thread.stamp))
		// Only those who follow a thread hear of a reply; a question, a reminder and what is critical is for all.
		if n.Ask != nil || n.Kind == release.EntryReminded || n.Kind == release.EntryEscalated || n.Severity == notify.Critical {
			options = append(options, goslack.MsgOptionBroadcast())
		}
	}
	posted, stamp, err := c.api.PostMessageContext(ctx, channel, options...)
	if isLost(err) && thread != (place{}) {
		return c.post(ctx, target, place{}, n, m) // the thread is gone, and the news is not
	}
	if unanswered(err) {
		c.unsure.First(key)
	}
	if err != nil {
		return place{}, c.judge(err)
	}
	c.unsure.Forget(key)
	at := parsePlace(place{posted, stamp}.String())
	if at == (place{}) {
		return place{}, errors.New("the answer does not say where the message is")
	}
	return at, nil
}

// change writes a message anew where it is.
func (c *Channel) change(ctx context.Context, at place, m message) error {
	_, _, _, err := c.api.UpdateMessageContext(ctx, at.channel, at.stamp, goslack.MsgOptionText(m.fallback, false), goslack.MsgOptionBlocks(m.blocks...))
	return err
}

// find looks for a notice that may have been posted. Without the scope to read the conversation nothing is found, and
// then a notice may come twice: better that than not at all.
func (c *Channel) find(ctx context.Context, target string, thread place, id string, since time.Time) (place, bool) {
	channel := target
	if thread != (place{}) {
		channel = thread.channel
	}
	if strings.HasPrefix(channel, "U") || strings.HasPrefix(channel, "W") {
		return place{}, false // a member is no conversation, and which one it would be only a posted message says
	}
	oldest := strconv.FormatInt(since.Add(-clocksApart).Unix(), 10) + ".000000"
	var messages []goslack.Message
	var err error
	if thread != (place{}) {
		messages, _, _, err = c.api.GetConversationRepliesContext(ctx, &goslack.GetConversationRepliesParameters{
			ChannelID: channel, Timestamp: thread.stamp, Oldest: oldest, Limit: mostHistory, IncludeAllMetadata: true,
		})
	} else {
		var page *goslack.GetConversationHistoryResponse
		page, err = c.api.GetConversationHistoryContext(ctx, &goslack.GetConversationHistoryParameters{
			ChannelID: channel, Oldest: oldest, Limit: mostHistory, IncludeAllMetadata: true,
		})
		if err == nil {
			messages = page.Messages
		}
	}
	if err != nil {
		c.options.Log.WarnContext(ctx, "slack does not say whether a message arrived", "channel", channel, "error", err)
		return place{}, false
	}
	for _, m := range messages {
		// Anybody can write metadata, and only apps have a bot ID.
		if m.BotID != "" && m.Metadata.EventType == eventType && m.Metadata.EventPayload["id"] == id && stampForm.MatchString(m.Timestamp) {
			return place{channel, m.Timestamp}, true
		}
	}
	return place{}, false
}
