package dingtalk_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/notify"
	"github.com/skyisland/skyisland/internal/notify/dingtalk"
	"github.com/skyisland/skyisland/internal/notify/notifytest/dingtalktest"
	"github.com/skyisland/skyisland/internal/release"
)

var updateGolden = flag.Bool("update", false, "write the golden files anew")

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
	words []notify.Word
	by    map[string]bool
	fails error
}

func (d *desk) Tell(_ context.Context, w notify.Word) (notify.Reply, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fails != nil {
		return notify.Reply{}, d.fails
	}
	ask := d.ask
	switch {
	case w.What == notify.WhatStatus:
		return notify.Reply{Text: "ramping at 5%"}, nil
	case w.PlanHash != "" && !strings.HasPrefix(ask.PlanHash, w.PlanHash):
		return notify.Reply{Text: "this plan has been superseded", Refused: true, Ask: &ask}, nil
	case ask.Closed != "" && !d.by[w.ID]:
		return notify.Reply{Text: "too late: " + ask.Closed, Refused: true, Ask: &ask}, nil
	}
	if !d.by[w.ID] {
		d.by[w.ID] = true
		d.words = append(d.words, w)
		d.ask.Answers = append(d.ask.Answers, release.Approved{By: release.Actor{Name: w.User, Source: w.Source}})
		if len(d.ask.Answers) == d.ask.Wants[0].Count {
			d.ask.Closed = "approved"
		}
	}
	ask = d.ask
	return notify.Reply{Text: "thank you, that counts", Ask: &ask}, nil
}

func (d *desk) count() int { d.mu.Lock(); defer d.mu.Unlock(); return len(d.words) }

var planA, planB = strings.Repeat("a1", 32), strings.Repeat("b2", 32)

func theAsk() release.Ask {
	return release.Ask{
		Number: 1, Point: release.BeforeRamp, PlanHash: planA,
		Wants: []release.Approval{{Before: release.BeforeRamp, Count: 2, From: []string{"release-managers"}}},
		Asked: time.Date(2026, 3, 4, 5, 0, 0, 0, time.UTC), Until: time.Date(2026, 3, 5, 5, 0, 0, 0, time.UTC),
		Requester: release.Actor{Name: "ann", Source: "github"}, Commit: "0d1a26e67d8f5eaf1f6ba5c57fc3c7d91ac0fd1c",
		Commits: []release.Commit{{ID: "0d1a26e67d8f5eaf", Subject: "[Approve](https://evil.example) <at id=all></at>", Author: "ann"}},
		Units:   []string{"a", "b"}, Changes: []release.Change{{Component: "timetable", To: "timetable-2", Artifact: "sha256:0123456789abcdef0123"}},
		Steps:    []release.Step{{Weight: 100, Bake: release.Duration(30 * time.Second)}, {Weight: 500, Bake: release.Duration(2 * time.Minute)}},
		Exposure: &release.Exposure{BadAnswers: 5, Takes: release.Duration(time.Hour)},
		Pressure: []string{"timetable carries 300/s in a"},
	}
}

var id = release.ID{Lane: release.Lane{Tenant: "fliggy", Application: "rail-tour", Environment: "production"}, Number: 3}

func asking(ask release.Ask) notify.Notice {
	return notify.Notice{ID: "n1", Release: id, Kind: release.EntryAsked, Severity: notify.Warning, Title: "rail-tour 3 asks for approval",
		Link: "https://sky.example/releases/3", Ask: &ask, Answer: "https://sky.example/answer?t=abc"}
}

type setup struct {
	server  *dingtalktest.Server
	channel *dingtalk.Channel
	desk    *desk
	clock   *clock
}

func start(t *testing.T, listen bool) setup {
	t.Helper()
	clock := &clock{at: time.UnixMilli(1700000000000)}
	s := setup{clock: clock, desk: &desk{ask: theAsk(), by: map[string]bool{}}}
	s.server = dingtalktest.New(dingtalktest.Options{Now: clock.now, ClientID: "app", ClientSecret: "my-app-secret", Template: "t1",
		Spaces: []string{"IM_GROUP.cid1", "IM_ROBOT.staff1"}, Robots: map[string]string{"tok-secret": "SECabc123"}})
	t.Cleanup(s.server.Close)
	var err error
	s.channel, err = dingtalk.New(dingtalk.Options{ClientID: "app", ClientSecret: "my-app-secret", CardTemplate: "t1", Desk: s.desk,
		Robots: map[string]dingtalk.Robot{"ops": {Token: "tok-secret", Secret: "SECabc123"}, "bad": {Token: "tok-secret", Secret: "SECwrong"}, "gone": {Token: "none", Secret: "x"}},
		API:    s.server.URL, OAPI: s.server.URL, Now: clock.now})
	if err != nil {
		t.Fatal(err)
	}
	if listen {
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- s.channel.Run(ctx) }()
		t.Cleanup(func() {
			cancel()
			if err := <-ended; err != nil {
				t.Errorf("Run = %v", err)
			}
		})
		if err := s.server.Connected(deadline(t), 1); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func deadline(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func (s setup) put(t *testing.T, n notify.Notice) (receipt, track string) {
	t.Helper()
	receipt, err := s.channel.Send(t.Context(), "group:cid1", notify.Thread{}, []notify.Notice{n})
	if err != nil {
		t.Fatal(err)
	}
	return receipt, strings.TrimPrefix(receipt, "card:")
}

func TestFiveHundredNoticesEachInOneMessageAndTwentyMessagesAMinute(t *testing.T) {
	s := start(t, false)
	began := s.clock.now()
	var due []notify.Notice
	for i := range 500 {
		due = append(due, notify.Notice{ID: fmt.Sprint(i), Release: id, Title: fmt.Sprintf("notice <%03d>", i), Lines: []string{strings.Repeat("详", 2000)}, Link: "https://sky.example/r"})
	}
	for len(due) > 0 {
		n := min(s.channel.Batch(), len(due))
		_, err := s.channel.Send(t.Context(), "robot:ops", notify.Thread{}, due[:n])
		var later *notify.LaterError
		if errors.As(err, &later) {
			s.clock.pass(later.After)
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		due = due[n:]
		s.clock.pass(10 * time.Millisecond)
	}
	messages := s.server.Messages()
	for i := range 500 {
		found := 0
		for _, m := range messages {
			found += strings.Count(string(m.Body), fmt.Sprintf("notice ＜%03d>**", i))
		}
		if found != 1 {
			t.Errorf("notice %d is in %d messages, want 1", i, found)
		}
	}
	for i, m := range messages {
		if i >= 20 && m.At.Sub(messages[i-20].At) < time.Minute {
			t.Errorf("message %d came %s after the twentieth before it", i, m.At.Sub(messages[i-20].At))
		}
	}
	if took := s.clock.now().Sub(began); took > 2*time.Minute {
		t.Errorf("it took %s", took)
	}
}

func TestRobotRefusals(t *testing.T) {
	s := start(t, false)
	plain := []notify.Notice{{ID: "1", Release: id, Title: "x"}}
	for target, forGood := range map[string]bool{"robot:bad": false, "robot:gone": true, "robot:nobody": true, "robot:": true, "else": true, "group:unknown": true} {
		_, err := s.channel.Send(t.Context(), target, notify.Thread{}, plain)
		if err == nil || errors.Is(err, notify.ErrRefused) != forGood || strings.Contains(err.Error(), "tok-secret") {
			t.Errorf("Send to %s = %v, want an error, for good: %t", target, err, forGood)
		}
	}
	// The service says so although we kept to the limit, for instance because another replica speaks, too.
	for range 20 {
		if _, err := s.channel.Send(t.Context(), "robot:ops", notify.Thread{}, plain); err != nil {
			t.Fatal(err)
		}
	}
	other, _ := dingtalk.New(dingtalk.Options{Robots: map[string]dingtalk.Robot{"ops": {Token: "tok-secret", Secret: "SECabc123"}}, OAPI: s.server.URL, Now: s.clock.now})
	var later *notify.LaterError
	if _, err := other.Send(t.Context(), "robot:ops", notify.Thread{}, plain); !errors.As(err, &later) || later.After != 10*time.Minute {
		t.Errorf("Send over the limit = %v, want later in 10m", err)
	}
}

func TestGolden(t *testing.T) {
	s := start(t, false)
	if _, err := s.channel.Send(t.Context(), "robot:ops", notify.Thread{}, []notify.Notice{asking(theAsk())}); err != nil {
		t.Fatal(err)
	}
	closed := theAsk()
	closed.Closed = "approved by two"
	ended := notify.Notice{ID: "n2", Release: id, Severity: notify.Critical, Title: "rail-tour 3 is rolled back", Lines: []string{"5 of 40 requests failed"}, Link: "https://sky.example/r"}
	if _, err := s.channel.Send(t.Context(), "robot:ops", notify.Thread{}, []notify.Notice{asking(closed), ended}); err != nil {
		t.Fatal(err)
	}
	_, track := s.put(t, asking(theAsk()))
	card, _ := json.Marshal(s.server.Cards()[track].Params)
	for name, got := range map[string][]byte{"question.json": s.server.Messages()[0].Body, "merged.json": s.server.Messages()[1].Body, "card.json": card} {
		var value any
		_ = json.Unmarshal(got, &value)
		pretty, _ := json.MarshalIndent(value, "", "  ")
		path := "testdata/" + name
		if *updateGolden {
			_ = os.MkdirAll("testdata", 0o755)
			_ = os.WriteFile(path, append(pretty, '\n'), 0o644)
		}
		want, err := os.ReadFile(path)
		if err != nil || string(want) != string(pretty)+"\n" {
			t.Errorf("%s differs (%v); run with -update and look:\n%s", path, err, pretty)
		}
		if strings.Contains(string(got), "](https://evil") || strings.Contains(string(got), "<at") {
			t.Errorf("%s lets a commit speak: %s", name, got)
		}
	}
}

func TestACardIsOneAndChangesInPlace(t *testing.T) {
	s := start(t, false)
	receipt, track := s.put(t, asking(theAsk()))
	if again, _ := s.put(t, asking(theAsk())); again != receipt || len(s.server.Cards()) != 1 {
		t.Errorf("sent again it is %d cards", len(s.server.Cards()))
	}
	s.server.ForgetTokens()
	closed := theAsk()
	closed.Closed = "expired"
	n := asking(closed)
	n.Kind = release.EntryClosed
	got, err := s.channel.Send(t.Context(), "group:cid1", notify.Thread{Ask: receipt}, []notify.Notice{n})
	if card := s.server.Cards()[track]; err != nil || got != receipt || card.Params["open"] != "false" || card.Params["status"] != "expired" {
		t.Errorf("after it closed: %q, %v, %v", got, err, card.Params)
	}
	if s.server.Issued() != 2 {
		t.Errorf("%d access tokens, want one and one after it was refused", s.server.Issued())
	}
	if _, err := s.channel.Send(t.Context(), "person:staff1", notify.Thread{}, []notify.Notice{n}); err != nil || len(s.server.Cards()) != 2 {
		t.Errorf("to a person: %v, %d cards", err, len(s.server.Cards()))
	}
}

func TestClicks(t *testing.T) {
	s := start(t, true)
	_, track := s.put(t, asking(theAsk()))
	click := func(user, action string) dingtalktest.Card {
		t.Helper()
		if ack, err := s.server.Click(deadline(t), track, user, action); err != nil || ack.Code != http.StatusOK {
			t.Fatalf("click = %+v, %v", ack, err)
		}
		return s.server.Cards()[track]
	}
	s.desk.fails = errors.New("away")
	if card := click("staff1", "approve"); !strings.Contains(card.Private["staff1"]["reply"], "press again") {
		t.Errorf("while nobody takes words: %v", card.Private)
	}
	s.desk.fails = nil
	click("staff1", "approve")
	if card := click("staff1", "approve"); s.desk.count() != 1 || card.Params["open"] != "true" {
		t.Errorf("a double click counts %d times", s.desk.count())
	}
	var both sync.WaitGroup
	for _, user := range []string{"staff2", "staff2"} {
		both.Go(func() { _, _ = s.server.Click(deadline(t), track, user, "approve") })
	}
	both.Wait()
	word := s.desk.words[0]
	if s.desk.count() != 2 || word.User != "staff1" || word.Source != "dingtalk" || word.PlanHash != planA || word.About != id.String() || word.What != "approve" {
		t.Errorf("words = %+v", s.desk.words)
	}
	if card := click("staff3", "reject"); card.Params["open"] != "false" || card.Params["status"] != "approved" || card.Private["staff3"]["reply"] != "too late: approved" {
		t.Errorf("a late click: %+v", card)
	}
	s.desk.mu.Lock()
	s.desk.ask.PlanHash, s.desk.ask.Number, s.desk.ask.Closed = planB, 2, ""
	s.desk.mu.Unlock()
	if card := click("staff4", "approve"); s.desk.count() != 2 || !strings.Contains(card.Params["status"], "replaced") || !strings.Contains(card.Private["staff4"]["reply"], "superseded") {
		t.Errorf("a click for a superseded plan: %+v", card)
	}
}

func TestAClickThatNamesAnotherQuestionThanItsCard(t *testing.T) {
	s := start(t, true)
	_, track := s.put(t, asking(theAsk()))
	forged := strings.Replace(s.server.Callback(track, "staff1", "approve"), planA, planB, 1)
	if ack, err := s.server.Push(deadline(t), dingtalktest.TopicCard, forged); err != nil || !strings.Contains(ack.Data, "nothing was counted") || s.desk.count() != 0 {
		t.Errorf("ack = %+v, %v", ack, err)
	}
	for _, data := range []string{"", "{", "[]", `{"content":"{"}`, `{"type":"actionCallback","content":"{}"}`, strings.Repeat("x", 1<<17)} {
		if ack, err := s.server.Push(deadline(t), dingtalktest.TopicCard, data); err != nil || ack.Code != http.StatusInternalServerError {
			t.Errorf("callback %.40q = %+v, %v, want 500", data, ack, err)
		}
	}
	for _, raw := range []string{"", "nonsense", "null", `{"type":"CALLBACK"}`, "[1]"} {
		if err := s.server.Raw([]byte(raw)); err != nil {
			t.Fatal(err)
		}
	}
	if ack, err := s.server.Push(deadline(t), "/v1.0/else", "{}"); err != nil || ack.Code != http.StatusNotFound {
		t.Errorf("a topic nobody knows = %+v, %v, want 404", ack, err)
	}
	if ack, err := s.server.Ping(deadline(t)); err != nil || ack.Data != `{"opaque":"o1"}` {
		t.Errorf("ping = %+v, %v", ack, err)
	}
}

func TestConnectionsThatEnd(t *testing.T) {
	s := start(t, true)
	_, track := s.put(t, asking(theAsk()))
	if err := s.server.Disconnect(); err != nil {
		t.Fatal(err)
	}
	if err := s.server.Connected(deadline(t), 2); err != nil {
		t.Fatalf("after it was announced: %v", err)
	}
	if _, err := s.server.Click(deadline(t), track, "staff1", "approve"); err != nil || s.desk.count() != 1 {
		t.Errorf("click = %v, counted %d times", err, s.desk.count())
	}
	s.server.Drop()
	if err := s.server.Connected(deadline(t), 3); err != nil {
		t.Fatalf("after it was cut: %v", err)
	}
	if _, err := s.server.Click(deadline(t), track, "staff2", "approve"); err != nil || s.desk.count() != 2 {
		t.Errorf("click = %v, counted %d times", err, s.desk.count())
	}
}

func message(id, staff, text, session string) string {
	data, _ := json.Marshal(map[string]any{"msgId": id, "msgtype": "text", "text": map[string]string{"content": text}, "senderStaffId": staff, "senderNick": "Ann", "sessionWebhook": session})
	return string(data)
}

func TestCommandsOverTheStream(t *testing.T) {
	s := start(t, true)
	for i, tt := range []struct{ text, want string }{
		{" status fliggy/rail-tour/production/3", "ramping at 5%"},
		{"approve fliggy/rail-tour/production/3 a1a1a1a1 fine", "that counts"},
		{"approve fliggy/rail-tour/production/3 b2b2b2b2", "superseded"},
		{"approve fliggy/rail-tour/production/3", "which plan?"},
		{"nonsense", "no command"}, {"help", "freeze WHAT"},
	} {
		for range 2 { // delivered twice, answered once
			if _, err := s.server.Push(deadline(t), dingtalktest.TopicMessage, message(strconv.Itoa(i), "staff1", tt.text, s.server.Session())); err != nil {
				t.Fatal(err)
			}
		}
		if got := s.server.Replies(); len(got) != i+1 || !strings.Contains(got[i], tt.want) {
			t.Fatalf("%q is answered %q, want one more with %q", tt.text, got, tt.want)
		}
	}
	if s.desk.count() != 1 || s.desk.words[0].Comment != "fine" {
		t.Errorf("words = %+v", s.desk.words)
	}
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("an answer went elsewhere") }))
	defer elsewhere.Close()
	for i, session := range []string{elsewhere.URL, "http://169.254.169.254/", "https://x.dingtalk.com@evil.example/", "http://oapi.dingtalk.com/", "https://evildingtalk.com/", "https://oapi.dingtalk.com:22/", ""} {
		if _, err := s.server.Push(deadline(t), dingtalktest.TopicMessage, message(fmt.Sprint("e", i), "staff1", "help", session)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestOutgoing(t *testing.T) {
	const vector = "4KOM4x+Um0j8DUZz6qxuABugzDeEvECL+YTGiJKHu+E=" // of 1700000000000 and my-app-secret
	s := start(t, false)
	n := 0
	post := func(timestamp, sign, body string) int {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
		r.Header.Set("timestamp", timestamp)
		r.Header.Set("sign", sign)
		w := httptest.NewRecorder()
		s.channel.Outgoing().ServeHTTP(w, r)
		return w.Code
	}
	say := func(text string) string { n++; return message(fmt.Sprint("o", n), "staff1", text, s.server.Session()) }
	status := say("status fliggy/rail-tour/production/3")
	for range 2 {
		if code := post("1700000000000", vector, status); code != http.StatusOK {
			t.Errorf("a status = %d", code)
		}
	}
	if code := post("1700000000000", vector, say("approve fliggy/rail-tour/production/3 a1a1a1a1")); code != http.StatusOK || s.desk.count() != 0 {
		t.Errorf("an approval = %d, counted %d times", code, s.desk.count())
	}
	if got := s.server.Replies(); len(got) != 2 || got[0] != "ramping at 5%" || !strings.Contains(got[1], "Nothing was done") {
		t.Errorf("replies = %q", got)
	}
	for name, tt := range map[string]struct {
		timestamp, sign, body string
		want                  int
	}{
		"another signature": {"1700000000000", "x" + vector[1:], say("help"), http.StatusUnauthorized},
		"no signature":      {"1700000000000", "", say("help"), http.StatusUnauthorized},
		"another time":      {"1700000000001", vector, say("help"), http.StatusUnauthorized},
		"no time":           {"", vector, say("help"), http.StatusUnauthorized},
		"not JSON":          {"1700000000000", vector, "{", http.StatusBadRequest},
		"too long":          {"1700000000000", vector, strings.Repeat("x", 1<<17), http.StatusRequestEntityTooLarge},
	} {
		if code := post(tt.timestamp, tt.sign, tt.body); code != tt.want {
			t.Errorf("%s = %d, want %d", name, code, tt.want)
		}
	}
	s.clock.pass(3601 * time.Second)
	if code := post("1700000000000", vector, say("help")); code != http.StatusUnauthorized {
		t.Errorf("3601 s old = %d", code)
	}
	s.clock.pass(-2 * 3601 * time.Second)
	if code := post("1700000000000", vector, say("help")); code != http.StatusUnauthorized {
		t.Errorf("3601 s ahead = %d", code)
	}
}

func TestOptions(t *testing.T) {
	for name, o := range map[string]dingtalk.Options{
		"nothing": {}, "an app without a secret": {ClientID: "a"}, "an app without a desk": {ClientID: "a", ClientSecret: "b"},
		"a robot without a secret": {Robots: map[string]dingtalk.Robot{"x": {Token: "t"}}},
		"an address that is none":  {Robots: map[string]dingtalk.Robot{"x": {Token: "t", Secret: "s"}}, OAPI: "oapi"},
	} {
		if _, err := dingtalk.New(o); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	o := dingtalk.Options{ClientID: "a", ClientSecret: "hush", Robots: map[string]dingtalk.Robot{"x": {Token: "hush", Secret: "hush"}}}
	if said := fmt.Sprintf("%v %+v %#v %v %#v", o, o, o, o.Robots, o.Robots); strings.Contains(said, "hush") {
		t.Errorf("options print %s", said)
	}
}
