package slack_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/skyisland/skyisland/internal/notify"
	"github.com/skyisland/skyisland/internal/notify/notifytest/slacktest"
	"github.com/skyisland/skyisland/internal/notify/slack"
	"github.com/skyisland/skyisland/internal/release"
)

func TestAQuestionShowsAllThatPeopleHaveToKnow(t *testing.T) {
	s := start(t)
	receipt := s.send("C1", notify.Thread{}, s.asking(theAsk()))
	m := s.message(0)
	if want := "slack:C1:" + m.Stamp; receipt != want {
		t.Errorf("receipt %q, want %q", receipt, want)
	}
	if m.Blocks[0].Type != "header" || m.Blocks[0].Text != "🟠 rail-tour 3 asks for approval" {
		t.Errorf("the first block is %+v", m.Blocks[0])
	}
	shown := texts(m)
	for _, want := range []string{
		"<@U2>, <!subteam^S7>, carol", // who has no member ID is named
		"*Asked by* Ann Li (ann, github), before the ramp, in a, b",
		"• `0d1a26e67d8f` &lt;https://evil.example|Approve&gt; &amp; &lt;!channel&gt; (ann)",
		"• timetable: timetable-1 → timetable-2, made of `sha256:0123456789ab`",
		"*Steps* 1% for 30s → 5% for 2m",
		"*Exposure* at worst 5 bad answers; takes at least 1h",
		"• timetable carries 300/s in a",
		"*Evidence* pass: no worse than stable (canary 1000 requests, 0 bad; stable 9000, 0)",
		"*Plan* `a1a1a1a1a1a1`",
		"Needs 2 approvals of release-managers until <!date^1772686800^{date_short_pretty} at {time}|2026-03-05 05:00 UTC>; none so far",
	} {
		if !strings.Contains(shown, want) {
			t.Errorf("the message lacks %q:\n%s", want, shown)
		}
	}
	if got := actions(m); !slices.Equal(got, []string{approve, reject, "skyisland.answer", "skyisland.more"}) {
		t.Errorf("buttons %v", got)
	}
	for _, e := range m.Blocks[len(m.Blocks)-1].Elements[:2] {
		if e.Value != "fliggy/rail-tour/production/3 1 "+planA {
			t.Errorf("button %s has the value %q", e.ActionID, e.Value)
		}
	}
	if !strings.Contains(string(m.Raw), `"verbatim":true`) {
		t.Error("addresses and names in quoted text become links")
	}
	if !strings.Contains(m.Text, "rail-tour 3 asks for approval") {
		t.Errorf("notifications say %q", m.Text)
	}
}

func TestWhatFollowsIsInTheThreadAndTheQuestionChangesInPlace(t *testing.T) {
	s := start(t)
	first := s.send("C1", notify.Thread{}, s.telling("n0", "rail-tour 3 begins"))
	ask := theAsk()
	asked := s.send("C1", notify.Thread{First: first}, s.asking(ask))
	thread := notify.Thread{First: first, Ask: asked}

	question := s.message(1)
	if question.Thread != s.message(0).Stamp || !question.Broadcast {
		t.Errorf("the question is in thread %q, broadcast %t; want it in the release's, for all to see", question.Thread, question.Broadcast)
	}
	ask.Answers = []release.Approved{{By: release.Actor{Name: "bob", Source: "slack"}, Comment: "looks good"}}
	answered := s.asking(ask)
	answered.ID, answered.Kind = "n2", release.EntryAnswered
	if got := s.send("C1", thread, answered); got != asked {
		t.Errorf("receipt %q, want that of the question, %q", got, asked)
	}
	if shown := texts(s.message(1)); !strings.Contains(shown, "*Approved by* bob: looks good") || !strings.Contains(shown, "1 so far") {
		t.Errorf("after an answer it shows:\n%s", shown)
	}
	reminder := s.asking(ask)
	reminder.ID, reminder.Kind, reminder.Title = "n3", release.EntryReminded, "rail-tour 3 still waits"
	if got := s.send("C1", thread, reminder); got != asked {
		t.Errorf("receipt of a reminder %q, want that of the question", got)
	}
	if m := s.message(2); m.Thread != s.message(0).Stamp || !m.Broadcast || !strings.Contains(texts(m), "<@U2>") || slices.Contains(actions(m), approve) {
		t.Errorf("the reminder is %+v, want a reply for all to see that mentions who is meant", m)
	}
	ask.Closed = "Approved by bob and carol"
	closed := s.asking(ask)
	closed.ID, closed.Kind = "n4", release.EntryClosed
	s.send("C1", thread, closed)
	m := s.message(1)
	if got := actions(m); !slices.Equal(got, []string{"skyisland.more"}) || !strings.Contains(texts(m), ask.Closed) {
		t.Errorf("a closed question has the buttons %v and shows:\n%s", got, texts(m))
	}
	if m.Updates != 3 || len(s.server.Messages()) != 3 {
		t.Errorf("%d changes and %d messages, want 3 and 3", m.Updates, len(s.server.Messages()))
	}
	plainReply := s.telling("n5", "rail-tour 3 is at 5%")
	s.send("C1", thread, plainReply)
	if m := s.message(3); m.Thread == "" || m.Broadcast {
		t.Errorf("a step is in thread %q, broadcast %t; want a quiet reply", m.Thread, m.Broadcast)
	}
}

func TestAMemberIsReachedByTheirID(t *testing.T) {
	s := start(t)
	receipt := s.send("U1", notify.Thread{}, s.telling("n0", "hello"))
	s.send("U1", notify.Thread{First: receipt}, s.telling("n1", "more"))
	if a, b := s.message(0), s.message(1); a.Channel != "D1" || b.Channel != "D1" || b.Thread != a.Stamp {
		t.Errorf("messages %+v and %+v, want one thread in the conversation with U1", a, b)
	}
}

func TestSendWhenAMessageWasDeleted(t *testing.T) {
	s := start(t)
	first := s.send("C1", notify.Thread{}, s.telling("n0", "begins"))
	asked := s.send("C1", notify.Thread{First: first}, s.asking(theAsk()))
	for _, m := range s.server.Messages() {
		s.server.Delete(m.Stamp)
	}
	again := s.asking(theAsk())
	again.ID = "n2"
	receipt := s.send("C1", notify.Thread{First: first, Ask: asked}, again)
	if m := s.message(0); m.Thread != "" || receipt != "slack:C1:"+m.Stamp || !slices.Contains(actions(m), approve) {
		t.Errorf("the question is put as %+v with receipt %s, want a new message outside the thread", m, receipt)
	}
}

func TestSendFails(t *testing.T) {
	for name, test := range map[string]struct {
		target  string
		failure slacktest.Failure
		later   time.Duration
		refused bool
		says    string
	}{
		"a name is no target":                         {target: "#releases", refused: true, says: "write the ID"},
		"a channel that is not there":                 {target: "C404", refused: true, says: "channel_not_found"},
		"a channel the app is not in":                 {target: "C9", refused: true, says: "invite the app"},
		"an archived channel":                         {target: "C1", failure: slacktest.Failure{Error: "is_archived"}, refused: true, says: "is_archived"},
		"a token that was revoked can be renewed":     {target: "C1", failure: slacktest.Failure{Error: "token_revoked"}, later: time.Minute, says: "check the bot token"},
		"a scope that is missing can be granted":      {target: "C1", failure: slacktest.Failure{Error: "missing_scope"}, later: time.Minute, says: "missing_scope"},
		"over the limit, Slack says for how long":     {target: "C1", failure: slacktest.Failure{RetryAfter: 7 * time.Second}, later: 7 * time.Second},
		"a pause of a day is not waited out":          {target: "C1", failure: slacktest.Failure{RetryAfter: 24 * time.Hour}, later: 10 * time.Minute},
		"a limit that comes as an error":              {target: "C1", failure: slacktest.Failure{Error: "ratelimited"}, later: 30 * time.Second},
		"status 429 without a time":                   {target: "C1", failure: slacktest.Failure{Status: 429}, later: 30 * time.Second},
		"an outage is tried again":                    {target: "C1", failure: slacktest.Failure{Status: 503}, says: "503"},
		"an error that nobody knows is tried again":   {target: "C1", failure: slacktest.Failure{Error: "internal_error"}, says: "internal_error"},
		"an answer that does not come is tried again": {target: "C1", failure: slacktest.Failure{Lost: true}},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			if test.failure != (slacktest.Failure{}) {
				s.server.Fail("chat.postMessage", test.failure)
			}
			_, err := s.channel.Send(t.Context(), test.target, notify.Thread{}, []notify.Notice{s.telling("n0", "hello")})
			if err == nil || !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), "xoxb") {
				t.Fatalf("Send = %v, want an error that says %q and no token", err, test.says)
			}
			var later *notify.LaterError
			if got := errors.As(err, &later); got != (test.later != 0) || got && later.After != test.later {
				t.Errorf("Send = %v, want it later by %s", err, test.later)
			}
			if got := errors.Is(err, notify.ErrRefused); got != test.refused {
				t.Errorf("refused for good: %t, want %t (%v)", got, test.refused, err)
			}
		})
	}
}

func TestNothingIsTriedWhileSlackWantsToBeLeftAlone(t *testing.T) {
	s := start(t)
	s.server.Fail("chat.postMessage", slacktest.Failure{RetryAfter: 30 * time.Second})
	if _, err := s.channel.Send(t.Context(), "C1", notify.Thread{}, []notify.Notice{s.telling("n0", "hello")}); err == nil {
		t.Fatal("no error over the limit")
	}
	s.clock.pass(10 * time.Second)
	var later *notify.LaterError
	if _, err := s.channel.Send(t.Context(), "C2", notify.Thread{}, []notify.Notice{s.telling("n1", "hello")}); !errors.As(err, &later) || later.After != 20*time.Second {
		t.Errorf("Send = %v, want it later by 20s", err)
	}
	if calls := s.server.Calls("chat.postMessage"); calls != 1 {
		t.Errorf("%d calls, want 1", calls)
	}
	s.clock.pass(20 * time.Second)
	s.send("C1", notify.Thread{}, s.telling("n0", "hello"))
}

func TestANoticeWhoseAnswerWasLostIsOneMessage(t *testing.T) {
	for name, test := range map[string]struct {
		thread  bool
		restart bool
		passes  time.Duration
	}{
		"outside a thread":                             {},
		"in a thread":                                  {thread: true},
		"by another replica, when it has waited":       {restart: true, passes: 2 * time.Minute},
		"in a thread by another, when it has waited":   {thread: true, restart: true, passes: time.Hour},
		"by the same process after more than a minute": {passes: 2 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			var thread notify.Thread
			if test.thread {
				thread.First = s.send("C1", thread, s.telling("n0", "begins"))
			}
			before := len(s.server.Messages())
			n := s.telling("n1", "hello")
			s.server.Fail("chat.postMessage", slacktest.Failure{Lost: true})
			if _, err := s.channel.Send(t.Context(), "C1", thread, []notify.Notice{n}); err == nil || errors.Is(err, notify.ErrRefused) {
				t.Fatalf("Send = %v, want an error to try again after", err)
			}
			s.clock.pass(test.passes)
			if test.restart {
				s.channel = s.another()
			}
			receipt := s.send("C1", thread, n)
			if got := len(s.server.Messages()) - before; got != 1 || receipt != "slack:C1:"+s.message(before).Stamp {
				t.Errorf("%d messages with receipt %s, want 1 with its own", got, receipt)
			}
			other := s.telling("n2", "hello")
			if s.send("C1", thread, other) == receipt {
				t.Error("another notice with the same text is taken for the first")
			}
		})
	}
}

func TestANoticeIsSentWhereTheHistoryCannotBeRead(t *testing.T) {
	s := start(t)
	n := s.telling("n1", "hello")
	s.clock.pass(time.Hour)
	s.server.Fail("conversations.history", slacktest.Failure{Error: "missing_scope"})
	s.send("C1", notify.Thread{}, n)
	if got := len(s.server.Messages()); got != 1 {
		t.Errorf("%d messages, want 1", got)
	}
}

func TestLongTextsAreCutAndNothingIsRefused(t *testing.T) {
	long := strings.Repeat("&<>🚂é ", 2000)
	ask := theAsk()
	ask.Requester = release.Actor{Name: long, Source: long, Person: long + "x"}
	ask.Units, ask.Pressure, ask.Evidence.Sentence, ask.PlanHash = []string{long}, nil, long, planA
	for range 200 {
		ask.Commits = append(ask.Commits, release.Commit{ID: long, Subject: long, Author: long})
		ask.Changes = append(ask.Changes, release.Change{Component: long, From: long, To: long, Artifact: release.Digest(long)})
		ask.Steps = append(ask.Steps, release.Step{Weight: 100, Bake: 1})
		ask.Pressure = append(ask.Pressure, long)
		ask.Answers = append(ask.Answers, release.Approved{By: release.Actor{Name: long}, Comment: long})
		ask.Wants = append(ask.Wants, release.Approval{Count: 1, From: []string{long}})
	}
	for name, change := range map[string]func(*notify.Notice){
		"an open question":  func(*notify.Notice) {},
		"a closed question": func(n *notify.Notice) { n.Ask.Closed = long },
		"an address too long": func(n *notify.Notice) {
			n.Link, n.Answer = "https://x/"+strings.Repeat("a", 3000), "javascript:alert(1)"
		},
		"a notice with nothing": func(n *notify.Notice) { *n = notify.Notice{ID: "n1"} },
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			copied := ask
			n := s.asking(copied)
			n.Title, n.Severity = long, notify.Critical
			for i := range 500 {
				n.Lines = append(n.Lines, long)
				n.Mention = append(n.Mention, fmt.Sprintf("%d %s", i, long))
			}
			change(&n)
			s.send("C1", notify.Thread{}, n) // the server refuses what is over a limit
			m := s.message(0)
			for _, b := range m.Blocks {
				for _, left := range []string{"&am…", "&l…", "&g…", "&…", "&amp…", "&lt…", "&gt…"} {
					if strings.Contains(b.Text, left) {
						t.Errorf("an escaped character was cut: %q", left)
					}
				}
			}
			if length := len(utf16.Encode([]rune(m.Text))); length > 3000 || length == 0 {
				t.Errorf("the text beside the blocks has %d units", length)
			}
			if n.Answer == "javascript:alert(1)" && slices.Contains(actions(m), "skyisland.answer") {
				t.Error("a button opens what is no address of the web")
			}
		})
	}
}

func TestWithoutAnybodyWhoHearsAQuestionHasNoButtonsToAnswer(t *testing.T) {
	s := start(t)
	c, err := slack.New(slack.Options{BotToken: botToken, APIURL: s.server.APIURL(), Now: s.clock.now})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Send(t.Context(), "C1", notify.Thread{}, []notify.Notice{s.asking(theAsk())}); err != nil {
		t.Fatal(err)
	}
	if got := actions(s.message(0)); !slices.Equal(got, []string{"skyisland.answer", "skyisland.more"}) {
		t.Errorf("buttons %v", got)
	}
	if err := c.Run(t.Context()); err != nil {
		t.Errorf("Run without an app token = %v", err)
	}
}

func TestNewChecksAllOptions(t *testing.T) {
	_, err := slack.New(slack.Options{
		BotToken: "xoxp-secret", AppToken: "secret-token", SigningSecret: "short", Command: "sky island", APIURL: "slack.com",
	})
	for _, want := range []string{"xoxb-", "xapp-", "signing secret", "desk", "slash command", "address"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("New = %v, want it to speak of %q", err, want)
		}
	}
	for _, secret := range []string{"xoxp-secret", "secret-token", "short"} {
		if strings.Contains(fmt.Sprint(err), secret) {
			t.Errorf("New = %v, which tells a secret", err)
		}
	}
}

func TestSecretsAreNotPrinted(t *testing.T) {
	o := slack.Options{BotToken: botToken, AppToken: appToken, SigningSecret: signingSecret}
	text, err := o.BotToken.MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	for _, said := range []string{fmt.Sprint(o), fmt.Sprintf("%x", o.AppToken) + o.AppToken.String(), fmt.Sprintf("%+v %#v %q", o, o, o.BotToken), string(text)} {
		if strings.Contains(said, botToken) || strings.Contains(said, appToken) || strings.Contains(said, signingSecret) || !strings.Contains(said, "[redacted]") {
			t.Errorf("printed: %s", said)
		}
	}
}

var updateGolden = flag.Bool("update", false, "write the golden files anew")

// TestMessages holds what people read; look at a changed file in Slack's Block Kit Builder.
func TestMessages(t *testing.T) {
	s := start(t)
	closed := theAsk()
	closed.Answers = []release.Approved{{By: release.Actor{Name: "U2", Source: "slack", Person: "bob"}, Comment: "looks *good* <3"}}
	closed.Closed = "Approved by bob and carol"
	for name, n := range map[string]notify.Notice{
		"question": s.asking(theAsk()),
		"closed":   s.asking(closed),
		"notice": {
			ID: "n", At: s.clock.now(), Release: id, Kind: release.EntryStopped, Severity: notify.Critical, Title: "rail-tour 3 is rolled back",
			Lines: []string{"the canary answers 5xx: 12 of 100 requests", "all requests go to timetable-1"}, Link: "https://sky.example/releases/3",
		},
	} {
		s.send("C1", notify.Thread{}, n)
		all := s.server.Messages()
		var pretty bytes.Buffer
		if err := json.Indent(&pretty, all[len(all)-1].Raw, "", "  "); err != nil {
			t.Fatal(err)
		}
		pretty.WriteByte('\n')
		path := "testdata/" + name + ".json"
		if *updateGolden {
			if err := errors.Join(os.MkdirAll("testdata", 0o755), os.WriteFile(path, pretty.Bytes(), 0o644)); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil || !bytes.Equal(want, pretty.Bytes()) {
			t.Errorf("%s differs (%v); run with -update and look:\n%s", path, err, &pretty)
		}
	}
}
