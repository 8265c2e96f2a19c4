package dingtalk

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/skyisland/skyisland/internal/notify"
	"github.com/skyisland/skyisland/internal/notify/markdown"
	"github.com/skyisland/skyisland/internal/release"
)

// mostCardText bounds a card's text in bytes: more is not read on a phone.
const mostCardText = 6000

// The variables of the card template; docs/chat-dingtalk.md describes them.
const (
	varTitle    = "title"
	varBody     = "body"
	varStatus   = "status"
	varOpen     = "open"
	varQuestion = "question"
	varLink     = "link"
	varAnswer   = "answer"
	varReply    = "reply"
)

// space is where a card lies.
type space struct{ kind, id string }

// question is what a card asks, as it travels through DingTalk in the card's variable of that name and comes back
// with a click. The card's outTrackId is made of it, so that a click which names another question than its card put
// is noticed, by any replica and without anything remembered.
type question struct {
	release release.ID
	number  int
	plan    string
	place   string // tells the cards of one question in several places apart
}

func questionOf(n notify.Notice, to space) question {
	return question{release: n.Release, number: n.Ask.Number, plan: n.Ask.PlanHash, place: nameOf("place", to.kind, to.id)[:12]}
}

func (q question) String() string {
	return strings.Join([]string{q.release.String(), strconv.Itoa(q.number), q.plan, q.place}, " ")
}

func (q question) track() string { return nameOf("skyisland question", q.String()) }

func parseQuestion(s string) (question, error) {
	fields := strings.Split(s, " ")
	if len(fields) != 4 {
		return question{}, errors.New("no question")
	}
	id, err := release.ParseID(fields[0])
	if err != nil {
		return question{}, err
	}
	number, err := strconv.Atoi(fields[1])
	if err != nil || number < 1 {
		return question{}, errors.New("no number of a question")
	}
	return question{release: id, number: number, plan: fields[2], place: fields[3]}, nil
}

const receiptPrefix = "card:"

// sendCards says notices in a space: each question on a card of its own, which is changed in place from then on, and
// what is between them together on one.
func (c *Channel) sendCards(ctx context.Context, to space, thread notify.Thread, notices []notify.Notice) (string, error) {
	if c.openAPI == nil || c.options.CardTemplate == "" {
		return "", fmt.Errorf("dingtalk: %s:%s needs an app and a card template: %w", to.kind, to.id, notify.ErrRefused)
	}
	var receipt string
	for len(notices) > 0 {
		until := 1
		var err error
		if notices[0].Ask != nil {
			receipt, err = c.sendQuestion(ctx, to, thread, notices[0])
			thread.Ask = receipt
		} else {
			for until < len(notices) && notices[until].Ask == nil {
				until++
			}
			receipt, err = c.sendPlain(ctx, to, notices[:until])
		}
		if err != nil {
			return "", fmt.Errorf("dingtalk: %s:%s: %w", to.kind, to.id, err)
		}
		notices = notices[until:]
	}
	return receipt, nil
}

func (c *Channel) sendQuestion(ctx context.Context, to space, thread notify.Thread, n notify.Notice) (string, error) {
	q := questionOf(n, to)
	params := askParams(*n.Ask)
	params[varTitle], params[varQuestion] = writer.Title(n), q.String()
	params[varLink], params[varAnswer] = address(n.Link), address(n.Answer)
	track := q.track()
	if thread.Ask != receiptPrefix+track {
		return receiptPrefix + track, c.create(ctx, to, track, params)
	}
	if err := c.update(ctx, track, params); err != nil {
		return "", err
	}
	if n.Kind != release.EntryReminded && n.Kind != release.EntryEscalated {
		return thread.Ask, nil
	}
	// A card that changes in place reminds nobody.
	n.Ask = nil
	_, err := c.sendPlain(ctx, to, []notify.Notice{n})
	return thread.Ask, err
}

func (c *Channel) sendPlain(ctx context.Context, to space, notices []notify.Notice) (string, error) {
	names := []string{"skyisland notices", to.kind, to.id}
	for _, n := range notices {
		names = append(names, n.ID)
	}
	params := map[string]string{varOpen: "false", varStatus: "", varQuestion: "", varAnswer: "", varReply: ""}
	first := notices[0]
	params[varTitle], params[varLink] = writer.Title(first), address(first.Link)
	params[varBody] = writer.Body(first, mostCardText)
	if len(notices) > 1 {
		params[varTitle] = fmt.Sprintf("%s, and %d more", writer.Title(first), len(notices)-1)
		params[varBody] = writer.Notices(notices, mostText)
	}
	track := nameOf(names...)
	return receiptPrefix + track, c.create(ctx, to, track, params)
}

// askParams are the variables that show how a question stands. DingTalk takes strings only.
func askParams(ask release.Ask) map[string]string {
	open := strconv.FormatBool(ask.Closed == "")
	body := writer.Body(notify.Notice{Ask: &ask}, mostCardText)
	return map[string]string{varBody: body, varStatus: writer.Standing(ask), varOpen: open, varReply: ""}
}

// address is an address for a button that opens it, empty for what is none.
func address(s string) string {
	if markdown.Link("", s) == "" {
		return ""
	}
	return s
}

type cardData struct {
	Params map[string]string `json:"cardParamMap"`
}

// create puts a card into a space. A card that is there already, because an answer was lost, is brought up to date
// instead; that is tried for any refusal, because no document says how a second one is refused.
func (c *Channel) create(ctx context.Context, to space, track string, params map[string]string) error {
	body := map[string]any{
		"cardTemplateId": c.options.CardTemplate, "outTrackId": track, "userIdType": 1,
		// The setting in the console does not count for cards.
		"callbackType": "STREAM",
		"cardData":     cardData{Params: params},
	}
	if to.kind == "group" {
		body["openSpaceId"] = "dtv1.card//IM_GROUP." + to.id
		body["imGroupOpenSpaceModel"] = map[string]any{"supportForward": false}
		body["imGroupOpenDeliverModel"] = map[string]any{"robotCode": c.options.ClientID}
	} else {
		body["openSpaceId"] = "dtv1.card//IM_ROBOT." + to.id
		body["imRobotOpenSpaceModel"] = map[string]any{"supportForward": false}
		body["imRobotOpenDeliverModel"] = map[string]any{"spaceType": "IM_ROBOT", "robotCode": c.options.ClientID}
	}
	var got struct {
		Result struct {
			Delivered []struct {
				Success bool   `json:"success"`
				Message string `json:"errorMsg"`
			} `json:"deliverResults"`
		} `json:"result"`
	}
	err := c.openAPI.call(ctx, http.MethodPost, "/v1.0/card/instances/createAndDeliver", body, &got)
	if errors.Is(err, notify.ErrRefused) {
		if c.update(ctx, track, params) == nil {
			return nil
		}
	}
	if err != nil {
		return fmt.Errorf("create card: %w", err)
	}
	for _, one := range got.Result.Delivered {
		if !one.Success {
			return fmt.Errorf("deliver card: %s; is the robot in the group, or the person in the organisation? %w", markdown.Plain(one.Message, 300), notify.ErrRefused)
		}
	}
	return nil
}

func (c *Channel) update(ctx context.Context, track string, params map[string]string) error {
	body := map[string]any{
		"outTrackId": track, "cardData": cardData{Params: params},
		"cardUpdateOptions": map[string]bool{"updateCardDataByKey": true},
	}
	if err := c.openAPI.call(ctx, http.MethodPut, "/v1.0/card/instances", body, nil); err != nil {
		return fmt.Errorf("update card: %w", err)
	}
	return nil
}
