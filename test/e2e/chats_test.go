package e2e

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	_ "modernc.org/sqlite" // registers the driver "sqlite"

	"github.com/skyisland/skyisland/internal/notify/notifytest/dingtalktest"
	"github.com/skyisland/skyisland/internal/notify/notifytest/slacktest"
	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/test/island"
)

// chatsConfig lets ada and bert decide, each known in both chats; mallory is in both and in no directory, and cleo is
// known and may not.
const chatsConfig = `
directory: people.yaml
slack: {bot-token: xoxb-test-token, app-token: xapp-1-test-token, signing-secret: 8f742231b10e8888abcd99yyyzzz85a5, api: %q}
dingtalk: {client-id: app, client-secret: my-app-secret, card-template: t1, api: %q}
notify:
  rules:
    - {to: ["slack:C0000000001", "dingtalk:group:cid1"], events: [asked, ended]}
`

const chatsPeople = `
unknown: accept
people:
  - {name: ada, slack: U0000000ADA, dingtalk: staff-ada, groups: [managers]}
  - {name: bert, slack: U000000BERT, dingtalk: staff-bert, groups: [managers]}
  - {name: cleo, slack: U000000CLEO, dingtalk: staff-cleo}
`

// chats are two services that speak as the real ones do, and an island that is in both.
type chats struct {
	*island.Island

	slack *slacktest.Server
	ding  *dingtalktest.Server
}

func startChats(t *testing.T) chats {
	t.Helper()
	c := chats{
		slack: slacktest.New(slacktest.Options{
			Now: time.Now, BotToken: "xoxb-test-token", AppToken: "xapp-1-test-token", SigningSecret: "8f742231b10e8888abcd99yyyzzz85a5",
			Channels: []string{"C0000000001"}, Members: []string{"U0000000ADA", "U000000BERT", "U000000CLEO", "U0000MALLORY"}, Command: "/skyisland",
		}),
		ding: dingtalktest.New(dingtalktest.Options{
			Now: time.Now, ClientID: "app", ClientSecret: "my-app-secret", Template: "t1", Spaces: []string{"IM_GROUP.cid1"},
		}),
	}
	t.Cleanup(c.slack.Close)
	t.Cleanup(c.ding.Close)
	data := t.TempDir()
	for name, text := range map[string]string{
		"config.yaml": fmt.Sprintf(chatsConfig, c.slack.APIURL(), c.ding.URL), "people.yaml": chatsPeople,
	} {
		if err := os.WriteFile(filepath.Join(data, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c.Island = island.Start(t, island.Options{Data: data, Units: []string{unitA}})
	return c
}

// TestPeopleDecideInSlackAndDingTalk is a release that two people have to approve, one in each chat, while others try what
// they must not. Each word counts once or is refused, and each is recorded.
func TestPeopleDecideInSlackAndDingTalk(t *testing.T) {
	t.Parallel()
	c := startChats(t)
	repo := c.Repo(t, tenant, "chats")
	repo.Release(in(island.Version("v1"))).WaitEnd(release.Completed)
	repo.Idle()
	island.StartLoad(t, repo.Entry("", "web"), 60, nil)
	asked := repo.Release(in(island.Version("v2")).With("approval: {before: ramp, count: 2, from: [managers], within: 1h}"))
	asked.Wait("a question to people", func(s release.Status) bool { return s.Ask != nil })

	message := c.question(t, asked.ID.String())
	c.answerInSlack(t, "U0000MALLORY", message, "approve", "people.yaml")
	c.answerInSlack(t, "U000000CLEO", message, "approve", "cleo may not answer")
	// Two presses of the same person at once, and one in the other chat: one answer.
	var both sync.WaitGroup
	for range 2 {
		both.Go(func() { c.answerInSlack(t, "U0000000ADA", message, "approve", "") })
	}
	both.Wait()
	if got := approvers(asked.Status()); !slices.Equal(got, []string{"ada"}) {
		t.Errorf("approved by %v, want ada once", got)
	}
	track := c.card(t, asked.ID.String())
	c.click(t, track, "staff-ada")
	c.click(t, track, "staff-mallory")
	if got := approvers(asked.Status()); !slices.Equal(got, []string{"ada"}) {
		t.Errorf("approved by %v, want ada once", got)
	}
	// A message that somebody has edited to name another plan.
	c.forge(t, "U000000BERT", message)
	if got := approvers(asked.Status()); !slices.Equal(got, []string{"ada"}) {
		t.Errorf("approved by %v, want ada alone: another plan was answered", got)
	}
	// Two people at the same time, when one is wanted.
	both.Go(func() { c.click(t, track, "staff-bert") })
	both.Go(func() { c.answerInSlack(t, "U000000BERT", message, "approve", "") })
	both.Wait()

	done := asked.WaitEnd(release.Completed)
	if got := approvers(done); !slices.Equal(got, []string{"ada", "bert"}) {
		t.Errorf("approved by %v, want ada and bert once", got)
	}
	c.answerInSlack(t, "U0000000ADA", message, "reject", "")
	if phase := asked.Status().Phase; phase != release.Completed {
		t.Errorf("a late click made it %s", phase)
	}
	c.Eventually("the question is closed where it was put", func() error {
		if m := c.question(t, asked.ID.String()); m.Updates == 0 || strings.Contains(string(m.Raw), `"skyisland.approve"`) {
			return fmt.Errorf("the message has still its buttons: %s", m.Raw)
		}
		return nil
	})
	c.recorded(t, asked.ID.String())
}

// question is the message in Slack that asks about a release.
func (c chats) question(t *testing.T, about string) slacktest.Message {
	t.Helper()
	var found slacktest.Message
	c.Eventually("a question in Slack", func() error {
		for _, m := range c.slack.Messages() {
			if strings.Contains(string(m.Raw), about) && m.Thread == "" {
				found = m
				return nil
			}
		}
		return fmt.Errorf("%d messages, none of which asks about %s", len(c.slack.Messages()), about)
	})
	return found
}

// answerInSlack presses a button and sends the form off; says is part of what the person is told alone, when it is known.
func (c chats) answerInSlack(t *testing.T, user string, m slacktest.Message, action, says string) {
	t.Helper()
	c.press(t, user, c.slack.Click(user, m, "skyisland."+action), says)
}

// press delivers a pressed button and sends off the form that it opens.
func (c chats) press(t *testing.T, user string, pressed slacktest.Payload, says string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	before, heard := len(c.slack.Views()), len(c.slack.Private())
	if _, err := c.slack.Push(ctx, c.slack.Envelope(), pressed); err != nil {
		t.Error(err)
		return
	}
	var form slacktest.View
	c.Eventually("a form for "+user, func() error {
		views := c.slack.Views()
		if len(views) <= before {
			return fmt.Errorf("%d forms are open", len(views))
		}
		form = views[len(views)-1]
		return nil
	})
	if _, err := c.slack.Push(ctx, c.slack.Envelope(), c.slack.Submit(user, form, "because I looked")); err != nil {
		t.Error(err)
		return
	}
	c.Eventually("an answer to "+user, func() error {
		for _, p := range c.slack.Private()[heard:] {
			if p.User == user && strings.Contains(p.Text, says) {
				return nil
			}
		}
		return fmt.Errorf("nobody told %s %q: %+v", user, says, c.slack.Private()[heard:])
	})
}

// forge presses a button whose value names another plan, as no message of ours does: the release refuses it.
func (c chats) forge(t *testing.T, user string, m slacktest.Message) {
	t.Helper()
	p := c.slack.Click(user, m, "skyisland.approve")
	actions, _ := p.Data["actions"].([]any)
	if len(actions) != 1 {
		t.Fatalf("no button was pressed: %v", p.Data)
	}
	button, ok := actions[0].(map[string]any)
	value, named := button["value"].(string)
	parts := strings.Split(value, " ")
	if !ok || !named || len(parts) != 3 {
		t.Fatalf("the button names no question: %v", actions[0])
	}
	button["value"] = parts[0] + " " + parts[1] + " " + strings.Repeat("0", len(parts[2]))
	c.press(t, user, p, "the answer is for plan 000000000000")
}

// card is the card in DingTalk that asks about a release, among those that only tell.
func (c chats) card(t *testing.T, about string) (track string) {
	t.Helper()
	c.Eventually("a card in DingTalk", func() error {
		cards := c.ding.Cards()
		for found, card := range cards {
			if strings.HasPrefix(card.Params["question"], about+" ") {
				track = found
				return nil
			}
		}
		return fmt.Errorf("%d cards, none of which asks about %s", len(cards), about)
	})
	return track
}

func (c chats) click(t *testing.T, track, user string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if _, err := c.ding.Click(ctx, track, user, "approve"); err != nil {
		t.Error(err)
	}
}

func approvers(s release.Status) (out []string) {
	for _, a := range s.Approvals {
		out = append(out, a.By.Person)
	}
	slices.Sort(out)
	return out
}

// recorded fails the test unless each word about a release is in the records, with what became of it.
func (c chats) recorded(t *testing.T, about string) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(c.Data, "skyisland.db")+"?mode=ro&_pragma=busy_timeout(5000)")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	rows, err := db.QueryContext(t.Context(), `SELECT kind, instruction, refused FROM instructions WHERE release = ?`, about)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	var all []string
	for rows.Next() {
		var kind, instruction, refused string
		if err := rows.Scan(&kind, &instruction, &refused); err != nil {
			t.Fatal(err)
		}
		all = append(all, kind+" "+instruction+" => "+refused)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	for _, want := range [][]string{
		{"approve", "U0000MALLORY", "=> ", "people.yaml"}, {"approve", `"person":"cleo"`, "may not answer"}, {"approve", `"person":"ada"`, "=> "},
		{"approve", `"person":"bert"`, "the answer is for plan 000000000000"}, {"approve", "staff-ada", "has approved already"}, {"approve", "staff-mallory", "people.yaml"}, {"approve", `"person":"bert"`, "=> "}, {"reject", `"person":"ada"`, "=> "},
	} {
		if !slices.ContainsFunc(all, func(record string) bool {
			return !slices.ContainsFunc(want, func(text string) bool { return !strings.Contains(record, text) })
		}) {
			t.Errorf("no record of %q in\n%s", want, strings.Join(all, "\n"))
		}
	}
}
