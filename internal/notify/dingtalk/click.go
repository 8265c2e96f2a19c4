package dingtalk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/skyisland/skyisland/internal/notify"
	"github.com/skyisland/skyisland/internal/notify/markdown"
)

// Bounds of what comes in, in bytes.
const (
	mostCallback = 64 << 10
	mostComment  = 1000
	mostName     = 200
)

// click is a button that somebody pressed on a card.
type click struct {
	track, user, action, question, comment string
}

var errNoClick = errors.New("not a click on a card: it needs outTrackId, a userId of userIdType 1 and the parameters action and question")

// parseClick reads the data of a card callback. Its content is JSON within a string.
func parseClick(data []byte) (click, error) {
	if len(data) > mostCallback {
		return click{}, fmt.Errorf("a card callback of more than %d bytes", mostCallback)
	}
	var envelope struct {
		Type       string `json:"type"`
		OutTrackID string `json:"outTrackId"`
		UserID     string `json:"userId"`
		UserIDType int    `json:"userIdType"`
		Content    string `json:"content"`
	}
	if err := json.Unmarshal(data, &envelope); err != nil {
		return click{}, errors.New("a card callback that is not JSON")
	}
	var content struct {
		Private struct {
			ActionIDs []string       `json:"actionIds"`
			Params    map[string]any `json:"params"`
		} `json:"cardPrivateData"`
	}
	if err := json.Unmarshal([]byte(envelope.Content), &content); err != nil {
		return click{}, errors.New("a card callback whose content is not JSON")
	}
	text := func(name string) string {
		s, _ := content.Private.Params[name].(string) // what is no text is as good as missing
		return s
	}
	found := click{track: envelope.OutTrackID, user: envelope.UserID, action: text("action"), question: text(varQuestion), comment: text("comment")}
	if found.action == "" && len(content.Private.ActionIDs) == 1 {
		found.action = content.Private.ActionIDs[0]
	}
	// userIdType 1 is a staff ID: another kind of ID would name somebody else in the directory.
	if envelope.Type != "actionCallback" || found.track == "" || found.user == "" || len(found.user) > mostName || envelope.UserIDType > 1 {
		return click{}, errNoClick
	}
	if !slices.Contains([]string{"approve", "reject"}, found.action) {
		return click{}, errNoClick
	}
	return found, nil
}

// questionFor is the question that a click names, if it is the one that its card put.
func questionFor(said click) (question, bool) {
	asked, err := parseQuestion(said.question)
	return asked, err == nil && asked.track() == said.track
}

// clicked hands a click to the desk and answers with what the card shows from now on.
func (c *Channel) clicked(ctx context.Context, data []byte) (any, error) {
	said, err := parseClick(data)
	if err != nil {
		return nil, err
	}
	asked, ok := questionFor(said)
	if !ok {
		return update(nil, "This card does not say which question it put, so nothing was counted. "+
			"The card template has to hand the variable question to both buttons."), nil
	}
	word := notify.Word{
		// The same answer of the same person to the same card is one word, however often it is pressed or delivered.
		ID:     "dingtalk:" + nameOf("click", said.track, said.user, said.action)[:32],
		Source: source, User: said.user, Called: said.user,
		What: said.action, About: asked.release.String(), PlanHash: asked.plan, Ask: asked.number,
		Comment: markdown.Cut(said.comment, mostComment), At: c.options.Now(),
	}
	reply, err := c.options.Desk.Tell(ctx, word)
	if err != nil {
		c.options.Log.ErrorContext(ctx, "a click in dingtalk was not taken", "release", word.About, "what", word.What, "error", err)
		return update(nil, "Your answer could not be taken just now. Please press again: it counts once."), nil
	}
	return update(standing(asked, reply), reply.Text), nil
}

// standing is what a card shows after an answer, for everybody; nil when nothing is known anew.
func standing(asked question, reply notify.Reply) map[string]string {
	switch ask := reply.Ask; {
	case ask == nil:
		return nil
	case ask.Number == asked.number && ask.PlanHash == asked.plan:
		params := askParams(*ask)
		delete(params, varReply)
		return params
	default:
		return map[string]string{varOpen: "false", varStatus: "This question has been replaced by a newer one"}
	}
}

// update is the answer to a click: what everybody sees, and what only the person who pressed does.
func update(everybody map[string]string, person string) any {
	if everybody == nil {
		everybody = map[string]string{}
	}
	return map[string]any{"response": map[string]any{
		"cardUpdateOptions": map[string]bool{"updateCardDataByKey": true, "updatePrivateDataByKey": true},
		"cardData":          cardData{Params: everybody},
		"userPrivateData":   cardData{Params: map[string]string{varReply: said(person)}},
	}}
}
