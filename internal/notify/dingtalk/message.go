package dingtalk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/skyisland/skyisland/internal/notify"
	"github.com/skyisland/skyisland/internal/notify/markdown"
	"github.com/skyisland/skyisland/internal/notify/webhook"
)

// mostReply is the longest answer to a command, in bytes.
const mostReply = 4000

// message is what somebody wrote to the app's robot, in a group or alone with it.
type message struct {
	ID   string `json:"msgId"`
	Type string `json:"msgtype"`
	Text struct {
		Content string `json:"content"`
	} `json:"text"`
	StaffID string `json:"senderStaffId"`
	Nick    string `json:"senderNick"`
	Session string `json:"sessionWebhook"`
	Expires int64  `json:"sessionWebhookExpiredTime"` // milliseconds
}

func parseMessage(data []byte) (message, error) {
	if len(data) > mostCallback {
		return message{}, fmt.Errorf("a message of more than %d bytes", mostCallback)
	}
	var m message
	if err := json.Unmarshal(data, &m); err != nil {
		return message{}, errors.New("a message that is not JSON")
	}
	if m.ID == "" || len(m.ID) > mostName || len(m.StaffID) > mostName {
		return message{}, errors.New("a message without a msgId")
	}
	return m, nil
}

// written takes a message that came over the stream, where DingTalk vouches for all of it.
func (c *Channel) written(ctx context.Context, data []byte) (any, error) {
	m, err := parseMessage(data)
	if err != nil {
		return nil, err
	}
	c.hear(ctx, m, true)
	return map[string]any{"response": map[string]any{}}, nil
}

// hear does what a message says and answers in its conversation. Without proof of who wrote it, it may only ask.
func (c *Channel) hear(ctx context.Context, m message, proven bool) {
	if !c.seen.First(m.ID) {
		return
	}
	text := c.obey(ctx, m, proven)
	if err := c.reply(ctx, m, text); err != nil {
		// What was said counts. A failure to say so is no reason to have it delivered again.
		c.options.Log.WarnContext(ctx, "no answer to a message in dingtalk", "error", err)
	}
}

func (c *Channel) obey(ctx context.Context, m message, proven bool) string {
	if m.Type != "text" {
		return "I only read text.\n" + notify.CommandHelp
	}
	if m.StaffID == "" {
		return "I only listen to members of the organisation."
	}
	word, err := notify.ParseCommand(m.Text.Content)
	switch {
	case errors.Is(err, notify.ErrHelp):
		return notify.CommandHelp
	case err != nil:
		return err.Error() + ".\nWrite help for all commands."
	case !proven && word.What != notify.WhatStatus:
		return "Nothing was done: messages that come this way do not prove who wrote them, so only status is answered. " +
			"Answer on the card or by the link of the question, or use the command line."
	}
	word.ID, word.Source, word.At = "dingtalk:message:"+m.ID, source, c.options.Now()
	word.User, word.Called = m.StaffID, markdown.Plain(m.Nick, mostName)
	reply, err := c.options.Desk.Tell(ctx, word)
	if err != nil {
		c.options.Log.ErrorContext(ctx, "a command in dingtalk was not taken", "what", word.What, "about", word.About, "error", err)
		return "It is not known whether that was done. Look with status " + word.About + ", and write it again if it was not."
	}
	return reply.Text
}

// reply answers in the conversation of a message, for as long as DingTalk keeps that open.
func (c *Channel) reply(ctx context.Context, m message, text string) error {
	if err := c.checkSession(m.Session); err != nil {
		return err
	}
	if m.Expires > 0 && c.options.Now().After(time.UnixMilli(m.Expires)) {
		return errors.New("the conversation's address has expired")
	}
	message := map[string]any{"msgtype": "text", "text": map[string]string{"content": clean(text)}}
	if m.StaffID != "" {
		message["at"] = map[string]any{"atUserIds": []string{m.StaffID}, "isAtAll": false}
	}
	body, err := webhook.Encode(message)
	if err != nil {
		return err
	}
	answer, err := webhook.Send(ctx, c.client, http.MethodPost, m.Session, nil, body)
	if err != nil {
		return err
	}
	var got struct {
		Code int `json:"errcode"`
	}
	if answer.Status != http.StatusOK || json.Unmarshal(answer.Body, &got) != nil || got.Code != 0 {
		return fmt.Errorf("the conversation's address answered status %d, errcode %d", answer.Status, got.Code)
	}
	return nil
}

// checkSession keeps us from posting to wherever a message says: an address of a conversation is one of DingTalk.
func (c *Channel) checkSession(session string) error {
	to, err := url.Parse(session)
	if err != nil || to.User != nil || to.Host == "" {
		return errors.New("the conversation's address is none")
	}
	for _, own := range []string{c.options.API, c.options.OAPI} {
		if to.Scheme+"://"+to.Host == own {
			return nil
		}
	}
	if to.Scheme == "https" && to.Port() == "" && strings.HasSuffix(strings.ToLower(to.Hostname()), ".dingtalk.com") {
		return nil
	}
	return fmt.Errorf("the conversation's address is at %s, which is not DingTalk", markdown.Plain(to.Host, mostName))
}
