package slack

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	goslack "github.com/slack-go/slack"

	"github.com/skyisland/skyisland/internal/notify"
)

const (
	formID       = "skyisland.answer"
	blockComment = "skyisland.comment"
	inputComment = "comment"
)

var (
	// errBusy is returned for what was not taken because there is too much to do.
	errBusy = errors.New("too much is going on; try again")
	// errForeign is returned for what Slack does not send to this app.
	errForeign = errors.New("this is neither a click nor a form nor a command of this app")
)

// interaction is what Slack tells of a click or a form; the rest of it decides nothing and is not read.
type interaction struct {
	Type string `json:"type"`
	User struct {
		ID       string `json:"id"`
		Username string `json:"username"`
		Name     string `json:"name"`
	} `json:"user"`
	TriggerID   string `json:"trigger_id"`
	ResponseURL string `json:"response_url"`
	Container   struct {
		Stamp   string `json:"message_ts"`
		Channel string `json:"channel_id"`
	} `json:"container"`
	Message json.RawMessage `json:"message"`
	Actions []struct {
		ActionID string `json:"action_id"`
		Value    string `json:"value"`
	} `json:"actions"`
	View struct {
		ID         string `json:"id"`
		CallbackID string `json:"callback_id"`
		Metadata   string `json:"private_metadata"`
		State      struct {
			Values map[string]map[string]struct {
				Value string `json:"value"`
			} `json:"values"`
		} `json:"state"`
	} `json:"view"`
}

// form is what a form carries from the click to its answer. Slack keeps it with the form; it only says where the
// answer belongs, and the desk decides whether it counts.
type form struct {
	Do       string `json:"do"` // approve or reject
	Question string `json:"q"`
	Channel  string `json:"c"`
	Stamp    string `json:"t"`
	// ResponseURL is where whoever clicked hears of it.
	ResponseURL string `json:"r,omitempty"`
	// Title, Answer and More are those of the message, which is written anew before the next notice.
	Title  string `json:"title,omitempty"`
	Answer string `json:"answer,omitempty"`
	More   string `json:"more,omitempty"`
}

// interacted takes a click or a form. What it returns is answered at once; errors are [errBusy] and those that
// say why it is none.
func (c *Channel) interacted(payload []byte) (answer any, err error) {
	var i interaction
	if err := json.Unmarshal(payload, &i); err != nil {
		return nil, errors.New("an interaction that is not JSON of the known form")
	}
	switch i.Type {
	case "block_actions":
		return nil, c.clicked(i)
	case "view_submission":
		return c.submitted(i)
	case "view_closed", "shortcut", "message_action", "block_suggestion":
		return nil, nil // nothing of ours
	}
	return nil, errForeign
}

// clicked opens the form for a button's answer.
func (c *Channel) clicked(i interaction) error {
	var do, value string
	for _, action := range i.Actions {
		switch action.ActionID {
		case actionApprove:
			do, value = "approve", action.Value
		case actionReject:
			do, value = "reject", action.Value
		}
	}
	if do == "" {
		return nil // a button that opens an address, or a block of somebody else
	}
	if i.TriggerID == "" || !targetForm.MatchString(i.User.ID) {
		return errForeign
	}
	delivery := "click " + i.TriggerID
	if !c.seen.First(delivery) {
		return nil
	}
	taken := c.begin(func(ctx context.Context) {
		to := audience{responseURL: i.ResponseURL, channel: i.Container.Channel, user: i.User.ID}
		asked, err := parseQuestion(value)
		if err != nil {
			c.respond(ctx, to, "This button does not say which question it answers, so nothing was counted.")
			return
		}
		if _, err := c.api.OpenViewContext(ctx, i.TriggerID, view(do, asked, formOf(do, value, i))); err != nil {
			c.options.Log.WarnContext(ctx, "slack did not open the form for an answer", "release", asked.release.String(), "error", err)
			c.respond(ctx, to, "The form for your answer could not be opened, so nothing was counted. Please press again.")
		}
	})
	if !taken {
		c.seen.Forget(delivery)
		return errBusy
	}
	return nil
}

// formOf collects what the answer to a click needs, as far as a form may carry it.
func formOf(do, value string, i interaction) string {
	f := form{Do: do, Question: value, Channel: i.Container.Channel, Stamp: i.Container.Stamp, ResponseURL: i.ResponseURL}
	f.Title, f.Answer, f.More = partsOf(i.Message)
	for _, drop := range []*string{nil, &f.Answer, &f.More, &f.Title, &f.ResponseURL, &f.Stamp, &f.Channel} {
		if drop != nil {
			*drop = ""
		}
		if text, err := json.Marshal(f); err == nil && units(string(text)) <= mostMetadata {
			return string(text)
		}
	}
	return ""
}

// partsOf are the title and the addresses of a message of ours. They are shown again and decide nothing.
func partsOf(message json.RawMessage) (title, answer, more string) {
	var m struct {
		Blocks []struct {
			ID       string          `json:"block_id"`
			Text     json.RawMessage `json:"text"`
			Elements json.RawMessage `json:"elements"`
		} `json:"blocks"`
	}
	if len(message) == 0 || json.Unmarshal(message, &m) != nil {
		return "", "", ""
	}
	for _, block := range m.Blocks {
		switch block.ID {
		case blockTitle:
			var text struct{ Text string }
			_ = json.Unmarshal(block.Text, &text) // what is no text is as good as missing
			title = plain(text.Text, mostHeader)
		case blockButtons:
			var row []struct {
				ID  string `json:"action_id"`
				URL string `json:"url"`
			}
			_ = json.Unmarshal(block.Elements, &row)
			for _, button := range row {
				switch button.ID {
				case actionAnswer:
					answer = address(button.URL)
				case actionMore:
					more = address(button.URL)
				}
			}
		}
	}
	return title, answer, more
}

// view is the form that asks for the reason: a rejection needs one.
func view(do string, asked question, metadata string) goslack.ModalViewRequest {
	name, label := "Approve", "Comment"
	if do == "reject" {
		name, label = "Reject", "Why?"
	}
	input := goslack.NewPlainTextInputBlockElement(nil, inputComment).WithMultiline(true).WithMaxLength(mostComment)
	return goslack.ModalViewRequest{
		Type: goslack.VTModal, CallbackID: formID, PrivateMetadata: metadata,
		Title: plainText(name), Submit: plainText(name), Close: plainText("Cancel"),
		Blocks: goslack.Blocks{BlockSet: []goslack.Block{
			section(fmt.Sprintf("%s *%s* with plan %s. The answer counts for this plan only.", name, quoted(asked.release.String(), mostLine), code(short(asked.plan)))),
			goslack.NewInputBlock(blockComment, plainText(label), nil, input).WithOptional(do == "approve"),
		}},
	}
}

// submitted takes the answer of a form.
func (c *Channel) submitted(i interaction) (answer any, err error) {
	if i.View.CallbackID != formID {
		return nil, nil // a form of somebody else
	}
	var f form
	if json.Unmarshal([]byte(i.View.Metadata), &f) != nil || i.View.ID == "" || !targetForm.MatchString(i.User.ID) {
		return nil, errForeign
	}
	asked, err := parseQuestion(f.Question)
	if err != nil || f.Do != "approve" && f.Do != "reject" {
		return nil, errForeign
	}
	comment := strings.TrimSpace(i.View.State.Values[blockComment][inputComment].Value)
	if f.Do == "reject" && comment == "" {
		return refusal("Say why, so that whoever asked knows what to do."), nil
	}
	delivery := "form " + i.View.ID
	if !c.seen.First(delivery) {
		return nil, nil
	}
	word := notify.Word{
		// The same answer of the same person to the same question is one word, however often it is pressed or delivered.
		ID:     "slack:" + nameOf("answer", f.Question, i.User.ID, f.Do)[:32],
		Source: source, User: i.User.ID, Called: called(i.User.Username, i.User.Name, i.User.ID),
		What: f.Do, About: asked.release.String(), PlanHash: asked.plan, Ask: asked.number,
		Comment: cut(comment, mostComment), At: c.options.Now(),
	}
	taken := c.begin(func(ctx context.Context) {
		to := audience{responseURL: f.ResponseURL, channel: f.Channel, user: i.User.ID}
		reply, err := c.tell(ctx, word)
		if err != nil {
			c.respond(ctx, to, "Your answer could not be taken just now. Please press again: it counts once.")
			return
		}
		c.show(ctx, f, asked, reply)
		c.respond(ctx, to, sentence(reply))
	})
	if !taken {
		c.seen.Forget(delivery)
		return refusal("Too much is going on just now. Please try again in a moment."), nil
	}
	return nil, nil
}

// refusal keeps the form open, with a sentence below its input.
func refusal(why string) any {
	return map[string]any{"response_action": "errors", "errors": map[string]string{blockComment: why}}
}

// show writes the message anew as the question stands after an answer, for everybody.
func (c *Channel) show(ctx context.Context, f form, asked question, reply notify.Reply) {
	at := parsePlace(place{f.Channel, f.Stamp}.String())
	if reply.Ask == nil || at == (place{}) {
		return
	}
	title := f.Title
	if title == "" {
		title = asked.release.String()
	}
	var m message
	if asked.asks(*reply.Ask) {
		m = c.messageOf(notify.Notice{Release: asked.release, Title: title, Ask: reply.Ask, Answer: f.Answer, Link: f.More})
	} else {
		const replaced = "This question has been replaced by a newer one."
		m = message{blocks: append([]goslack.Block{header(title), section(replaced)}, buttons(false, "", "", f.More)...), fallback: replaced}
	}
	if err := c.change(ctx, at, m); err != nil {
		c.options.Log.WarnContext(ctx, "slack did not change a question", "release", asked.release.String(), "error", err)
	}
}

// called is what people see of somebody: the first name that is one.
func called(names ...string) string {
	for _, name := range names {
		if name = plain(name, mostName); name != "" {
			return name
		}
	}
	return ""
}

// nameOf makes a name of what a thing is: the same thing has the same name in every replica.
func nameOf(parts ...string) string {
	hash := sha256.Sum256([]byte(strings.Join(parts, "\n")))
	return hex.EncodeToString(hash[:])
}
