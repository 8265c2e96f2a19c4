package slack_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/notify"
	"github.com/skyisland/skyisland/internal/notify/notifytest/slacktest"
	"github.com/skyisland/skyisland/internal/notify/slack"
	"github.com/skyisland/skyisland/internal/release"
)

const (
	botToken      = "xoxb-bot-token"
	appToken      = "xapp-app-token"
	signingSecret = "8f742231b10e8888abcd99yyyzzz85a5"
	approve       = "skyisland.approve"
	reject        = "skyisland.reject"
)

type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.at }
func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// desk follows each word once, by its ID, and refuses what is about another plan than the one that stands.
type desk struct {
	mu    sync.Mutex
	ask   release.Ask
	told  int
	words []notify.Word
	by    map[string]bool
	fails []error
	held  chan struct{} // when set, nothing is answered before it is closed
}

func (d *desk) Tell(ctx context.Context, w notify.Word) (notify.Reply, error) {
	d.mu.Lock()
	held := d.held
	d.mu.Unlock()
	if held != nil {
		select {
		case <-held:
		case <-ctx.Done():
			return notify.Reply{}, ctx.Err()
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.told++
	if len(d.fails) > 0 {
		err := d.fails[0]
		d.fails = d.fails[1:]
		return notify.Reply{}, err
	}
	ask := d.ask
	switch {
	case w.What == notify.WhatStatus:
		return notify.Reply{Text: "ramping at 5% & <well>"}, nil
	case w.PlanHash != "" && !strings.HasPrefix(ask.PlanHash, w.PlanHash):
		return notify.Reply{Text: "this plan has been superseded", Refused: true, Ask: &ask}, nil
	case ask.Closed != "" && !d.by[w.ID]:
		return notify.Reply{Text: "too late: " + ask.Closed, Refused: true, Ask: &ask}, nil
	}
	if !d.by[w.ID] {
		d.by[w.ID] = true
		d.words = append(d.words, w)
		d.ask.Answers = append(d.ask.Answers, release.Approved{By: release.Actor{Name: w.User, Source: w.Source}, Comment: w.Comment})
		if w.What == "reject" || len(d.ask.Answers) == d.ask.Wants[0].Count {
			d.ask.Closed = w.What + " by " + w.User
		}
	}
	ask = d.ask
	return notify.Reply{Text: "thank you, that counts", Ask: &ask}, nil
}

func (d *desk) heard() []notify.Word {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]notify.Word(nil), d.words...)
}

func (d *desk) set(do func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	do()
}

var planA, planB = strings.Repeat("a1", 32), strings.Repeat("b2", 32)

func theAsk() release.Ask {
	return release.Ask{
		Number: 1, Point: release.BeforeRamp, PlanHash: planA,
		Wants: []release.Approval{{Before: release.BeforeRamp, Count: 2, From: []string{"release-managers"}}},
		Asked: time.Date(2026, 3, 4, 5, 0, 0, 0, time.UTC), Until: time.Date(2026, 3, 5, 5, 0, 0, 0, time.UTC),
		Requester: release.Actor{Name: "ann", Source: "github", Person: "Ann Li"}, Commit: "0d1a26e67d8f5eaf1f6ba5c57fc3c7d91ac0fd1c",
		Commits:  []release.Commit{{ID: "0d1a26e67d8f5eaf", Subject: "<https://evil.example|Approve> & <!channel>", Author: "ann"}},
		Units:    []string{"a", "b"},
		Changes:  []release.Change{{Component: "timetable", From: "timetable-1", To: "timetable-2", Artifact: "sha256:0123456789abcdef0123"}},
		Steps:    []release.Step{{Weight: 100, Bake: release.Duration(30 * time.Second)}, {Weight: 500, Bake: release.Duration(2 * time.Minute)}},
		Exposure: &release.Exposure{BadAnswers: 5, Takes: release.Duration(time.Hour)},
		Pressure: []string{"timetable carries 300/s in a"},
		Evidence: &release.Evidence{Verdict: "pass", Sentence: "no worse than stable", CanaryRequests: 1000, StableRequests: 9000},
	}
}

var id = release.ID{Lane: release.Lane{Tenant: "fliggy", Application: "rail-tour", Environment: "production"}, Number: 3}

type setup struct {
	*testing.T
	server  *slacktest.Server
	channel *slack.Channel
	http    *httptest.Server
	desk    *desk
	clock   *clock
}

func (s setup) asking(ask release.Ask) notify.Notice {
	return notify.Notice{
		ID: "n1", At: s.clock.now(), Release: id, Kind: release.EntryAsked, Severity: notify.Warning, Title: "rail-tour 3 asks for approval",
		Link: "https://sky.example/releases/3", Ask: &ask, Answer: "https://sky.example/answer?t=abc", Mention: []string{"bob", "release-managers", "carol"},
	}
}

func (s setup) telling(noticeID, title string) notify.Notice {
	return notify.Notice{ID: noticeID, At: s.clock.now(), Release: id, Kind: release.EntryStep, Severity: notify.Info, Title: title}
}

func start(t *testing.T) setup {
	t.Helper()
	clock := &clock{at: time.Unix(1700000000, 0)}
	s := setup{T: t, clock: clock, desk: &desk{ask: theAsk(), by: map[string]bool{}}}
	s.server = slacktest.New(slacktest.Options{
		Now: clock.now, BotToken: botToken, AppToken: appToken, SigningSecret: signingSecret,
		Channels: []string{"C1", "C2"}, Others: []string{"C9"}, Members: []string{"U1", "U2", "U3"}, Command: "/skyisland",
	})
	t.Cleanup(s.server.Close)
	s.channel = s.another()
	s.http = httptest.NewServer(s.channel.Handler())
	t.Cleanup(s.http.Close)
	t.Cleanup(s.channel.Wait)
	return s
}

// another is a channel for the same app: another replica, or this one after it was started again.
func (s setup) another() *slack.Channel {
	s.Helper()
	c, err := slack.New(slack.Options{
		BotToken: botToken, AppToken: appToken, SigningSecret: signingSecret, Desk: s.desk, APIURL: s.server.APIURL(), Now: s.clock.now,
		Member: func(name string) string {
			return map[string]string{"bob": "U2", "release-managers": "S7", "carol": "not an ID"}[name]
		},
	})
	if err != nil {
		s.Fatal(err)
	}
	return c
}

// listen runs the channel by Socket Mode until the test ends.
func (s setup) listen() {
	s.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.channel.Run(ctx) }()
	s.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			s.Errorf("Run = %v", err)
		}
	})
	if err := s.server.Connected(deadline(s.T), 1); err != nil {
		s.Fatal(err)
	}
}

func (s setup) send(target string, thread notify.Thread, n notify.Notice) string {
	s.Helper()
	receipt, err := s.channel.Send(s.Context(), target, thread, []notify.Notice{n})
	if err != nil {
		s.Fatalf("Send = %v", err)
	}
	return receipt
}

// message is the only message, or the one with this number.
func (s setup) message(number int) slacktest.Message {
	s.Helper()
	all := s.server.Messages()
	if len(all) <= number {
		s.Fatalf("%d messages, want one with the number %d", len(all), number)
	}
	return all[number]
}

func (s setup) lastView() slacktest.View {
	s.Helper()
	views := s.server.Views()
	if len(views) == 0 {
		s.Fatal("no form was opened")
	}
	return views[len(views)-1]
}

// told is what the last person was told in private.
func (s setup) told() slacktest.Private {
	s.Helper()
	private := s.server.Private()
	if len(private) == 0 {
		s.Fatal("nobody was told anything")
	}
	return private[len(private)-1]
}

// way is how what people do comes to us. It answers what they see at once, and returns when all is done.
type way func(s setup, p slacktest.Payload) string

func bySocket(s setup, p slacktest.Payload) string {
	s.Helper()
	ack, err := s.server.Push(deadline(s.T), s.server.Envelope(), p)
	if err != nil {
		s.Fatal(err)
	}
	s.channel.Wait()
	return string(ack.Payload)
}

func byHTTP(s setup, p slacktest.Payload) string {
	s.Helper()
	status, body := s.post(s.server.Request(s.Context(), s.http.URL, p))
	if status != http.StatusOK {
		s.Fatalf("status %d: %s", status, body)
	}
	s.channel.Wait()
	return strings.TrimSpace(body)
}

func (s setup) post(r *http.Request) (status int, body string) {
	s.Helper()
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		s.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		s.Fatal(err)
	}
	return response.StatusCode, string(text)
}

func deadline(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func texts(m slacktest.Message) string {
	var out strings.Builder
	for _, b := range m.Blocks {
		out.WriteString(b.Text + "\n")
	}
	return out.String()
}

func actions(m slacktest.Message) (out []string) {
	for _, b := range m.Blocks {
		for _, e := range b.Elements {
			out = append(out, e.ActionID)
		}
	}
	return out
}
