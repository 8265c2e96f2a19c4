package slack

import (
	"context"
	"errors"
	"strings"

	"github.com/skyisland/skyisland/internal/notify"
)

// command is what somebody wrote to us. Its names are those of Slack's form, which Socket Mode has as JSON.
type command struct {
	Command     string `json:"command"`
	Text        string `json:"text"`
	User        string `json:"user_id"`
	UserName    string `json:"user_name"`
	Channel     string `json:"channel_id"`
	TriggerID   string `json:"trigger_id"`
	ResponseURL string `json:"response_url"`
}

// commanded takes a command. How commands are written is answered at once, and what becomes of one later.
func (c *Channel) commanded(said command) (answer any, err error) {
	if !targetForm.MatchString(said.User) || said.Command == "" {
		return nil, errForeign
	}
	if said.Command != c.options.Command {
		return private("This app listens to " + c.options.Command + ", and not to " + plain(said.Command, mostName) + "."), nil
	}
	// Slack writes its three characters escaped wherever it hands over what people wrote.
	word, err := notify.ParseCommand(strings.NewReplacer("&lt;", "<", "&gt;", ">", "&amp;", "&").Replace(said.Text))
	switch {
	case errors.Is(err, notify.ErrHelp):
		return private("Write " + c.options.Command + " and one of these:\n" + notify.CommandHelp), nil
	case err != nil:
		return private(err.Error() + ".\nWrite " + c.options.Command + " help for all commands."), nil //nolint:nilerr // the error is the answer
	}
	trigger := said.TriggerID
	if trigger == "" {
		trigger = said.ResponseURL // which, too, is of this command alone
	}
	delivery := nameOf("command", trigger, said.User, said.Text)
	word.ID, word.Source, word.At = "slack:"+delivery[:32], source, c.options.Now()
	word.User, word.Called = said.User, called(said.UserName, said.User)
	if !c.seen.First("command " + delivery) {
		return nil, nil
	}
	taken := c.begin(func(ctx context.Context) {
		to := audience{responseURL: said.ResponseURL, channel: said.Channel, user: said.User}
		reply, err := c.tell(ctx, word)
		if err != nil {
			c.respond(ctx, to, "It is not known whether that was done. Look with "+c.options.Command+" status "+word.About+", and write it again if it was not.")
			return
		}
		c.respond(ctx, to, sentence(reply))
	})
	if !taken {
		c.seen.Forget("command " + delivery)
		return private("Too much is going on just now, so nothing was done. Please write it again in a moment."), nil
	}
	return nil, nil
}
