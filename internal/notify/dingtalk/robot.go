package dingtalk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/skyisland/skyisland/internal/notify"
	"github.com/skyisland/skyisland/internal/notify/markdown"
	"github.com/skyisland/skyisland/internal/notify/webhook"
)

// The limits of a group robot (open.dingtalk.com/document/robots/custom-robot-access): more messages than that, and it
// is blocked for ten minutes; a longer one is refused.
const (
	robotMessages = 20
	robotBlock    = 10 * time.Minute
	robotBytes    = 20_000
	// mostMerged notices fit into one message with 900 bytes each.
	mostMerged = 20
	// mostText leaves room for what is around the text, and for what JSON makes longer.
	mostText = 18_000
)

// The error codes that need a decision; any other failure is tried again.
const (
	codeTooFast = 130101
	// codeSecurity is a wrong signature, a missing keyword or a foreign address.
	codeSecurity = 310000
)

// refusals are codes for which the same message will never be taken: the robot or its group is gone, or the content
// is not allowed.
var refusals = []int{40035, 300001, 400013, 400101, 400105, 400106, 430101, 430102, 430103, 430104, 460101}

type robot struct {
	Robot
	window *webhook.Window
}

type robotMessage struct {
	Type       string           `json:"msgtype"`
	Markdown   *markdownMessage `json:"markdown,omitempty"`
	ActionCard *actionCard      `json:"actionCard,omitempty"`
}

type markdownMessage struct {
	Title string `json:"title"`
	Text  string `json:"text"`
}

type actionCard struct {
	Title       string   `json:"title"`
	Text        string   `json:"text"`
	Orientation string   `json:"btnOrientation"`
	Buttons     []button `json:"btns"`
}

type button struct {
	Title string `json:"title"`
	URL   string `json:"actionURL"`
}

// sendByRobot says all notices in one message. Its receipt only tells messages apart: a robot cannot change what it
// has said, so that a question which stands otherwise is told anew.
func (c *Channel) sendByRobot(ctx context.Context, name string, notices []notify.Notice) (string, error) {
	robot, ok := c.robots[name]
	if !ok {
		return "", fmt.Errorf("dingtalk: no robot is called %q: %w", name, notify.ErrRefused)
	}
	body, err := webhook.Encode(messageOf(notices))
	if err != nil {
		return "", fmt.Errorf("dingtalk: %w", err)
	}
	now := c.options.Now()
	if wait, ok := robot.window.Enter(now); !ok {
		return "", &notify.LaterError{After: wait, Err: fmt.Errorf("dingtalk: robot %s sends %d messages a minute", name, robotMessages)}
	}
	defer func() { robot.window.Leave(c.options.Now()) }()
	timestamp, signature := sign(robot.Secret, now)
	query := url.Values{"access_token": {robot.Token}, "timestamp": {timestamp}, "sign": {signature}}
	answer, err := webhook.Send(ctx, c.client, http.MethodPost, c.options.OAPI+"/robot/send?"+query.Encode(), nil, body)
	if err != nil {
		return "", fmt.Errorf("dingtalk: robot %s: %w", name, err)
	}
	if err := c.judge(robot, answer); err != nil {
		return "", fmt.Errorf("dingtalk: robot %s: %w", name, err)
	}
	return "robot:" + nameOf(name, notices[0].ID)[:16], nil
}

// messageOf is a card with buttons for one question, and otherwise markdown.
func messageOf(notices []notify.Notice) robotMessage {
	first := notices[0]
	title := writer.Title(first)
	if len(notices) > 1 {
		title = fmt.Sprintf("%s, and %d more", title, len(notices)-1)
		return robotMessage{Type: "markdown", Markdown: &markdownMessage{Title: title, Text: writer.Notices(notices, mostText)}}
	}
	open := first.Ask != nil && first.Ask.Closed == ""
	if !open || markdown.Link("", first.Answer) == "" {
		return robotMessage{Type: "markdown", Markdown: &markdownMessage{Title: title, Text: writer.Notices(notices, mostText)}}
	}
	buttons := []button{{Title: "Answer", URL: first.Answer}}
	if markdown.Link("", first.Link) != "" {
		buttons = append(buttons, button{Title: "See more", URL: first.Link})
	}
	text := "**" + title + "**\n\n" + writer.Body(first, mostText)
	return robotMessage{Type: "actionCard", ActionCard: &actionCard{Title: title, Text: text, Orientation: "1", Buttons: buttons}}
}

// judge reads what a robot's address answers: failures, too, come with status 200.
func (c *Channel) judge(robot *robot, answer webhook.Answer) error {
	var said struct {
		Code    *int   `json:"errcode"`
		Message string `json:"errmsg"`
	}
	err := json.Unmarshal(answer.Body, &said)
	switch {
	case answer.Status == http.StatusTooManyRequests:
		said.Code, said.Message = new(int), "too many requests"
		*said.Code = codeTooFast
	case answer.Status != http.StatusOK:
		return fmt.Errorf("status %d instead of 200", answer.Status)
	case err != nil || said.Code == nil:
		return errors.New("an answer without an errcode")
	case *said.Code == 0:
		return nil
	}
	message := markdown.Cut(strings.ToValidUTF8(said.Message, ""), 300)
	failed := fmt.Errorf("errcode %d: %s", *said.Code, strings.ReplaceAll(message, robot.Token, "[redacted]"))
	switch {
	case *said.Code == codeTooFast:
		robot.window.Block(c.options.Now().Add(robotBlock))
		return &notify.LaterError{After: robotBlock, Err: failed}
	case *said.Code == codeSecurity:
		return fmt.Errorf("%w; check the robot's secret and this machine's clock, and that it demands no keyword and no address", failed)
	case slices.Contains(refusals, *said.Code):
		return fmt.Errorf("%w: %w", failed, notify.ErrRefused)
	}
	return failed
}
