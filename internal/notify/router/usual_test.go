package router_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skyisland/skyisland/internal/notify"
	"github.com/skyisland/skyisland/internal/notify/dingtalk"
	"github.com/skyisland/skyisland/internal/notify/feishu"
	"github.com/skyisland/skyisland/internal/notify/notifytest/channeltest"
	"github.com/skyisland/skyisland/internal/notify/notifytest/dingtalktest"
	"github.com/skyisland/skyisland/internal/notify/notifytest/feishutest"
	"github.com/skyisland/skyisland/internal/notify/notifytest/nastytest"
	"github.com/skyisland/skyisland/internal/notify/notifytest/slacktest"
	"github.com/skyisland/skyisland/internal/notify/router"
	"github.com/skyisland/skyisland/internal/notify/slack"
	"github.com/skyisland/skyisland/internal/release"
)

var _ = flag.Bool("update", false, "write the golden files anew")

// happened are events that people act on, as a release tells them. Each has a word of a stranger.
func happened() map[string]release.Entry {
	ask := &release.Ask{
		Number: 1, Point: release.BeforeRamp, PlanHash: strings.Repeat("a1", 32), Until: time.Date(2026, 3, 5, 5, 0, 0, 0, time.UTC),
		Wants: []release.Approval{{Count: 2, From: []string{"release-managers"}}}, Requester: release.Actor{Name: "ann"}, Commit: "0d1a26e67d8f5eaf",
		Commits: []release.Commit{{ID: "0d1a26e67d8f5eaf", Subject: "fix: a_b_c handling, see [docs](https://evil.example) <!channel>", Author: "ann"}},
		Units:   []string{"a", "b"}, Changes: []release.Change{{Component: "time_table", From: "time_table-1", To: "time_table-2", Artifact: "sha256:0123456789abcdef"}},
	}
	closed := *ask
	closed.Closed = "rejected by bob: **not** on a Friday"
	return map[string]release.Entry{
		"asked":     {Kind: release.EntryAsked, Phase: release.Approving, Message: "waiting for 2 approvals of plan a1a1a1a1a1a1", Ask: ask},
		"reminded":  {Kind: release.EntryReminded, Phase: release.Approving, Message: "still waiting for approval of plan a1a1a1a1a1a1: 2 of release-managers", Ask: ask},
		"escalated": {Kind: release.EntryEscalated, Phase: release.Approving, Message: "nobody has decided for 30m; now directors may answer too", Ask: ask},
		"held": {Kind: release.EntryHeld, Phase: release.Ramping, Message: "the rules hold it: demo is frozen until 2026-03-05T05:00:00Z: *the* sale",
			Details: []string{"freeze.open: demo is frozen until 2026-03-05T05:00:00Z: *the* sale", "hours.closed: production is closed until Monday"}},
		"blind": {Kind: release.EntryBlind, Phase: release.Ramping, Message: "blind: the candidate gets no requests, so nothing is known of it; the ramp holds"},
		"rolled-back": {Kind: release.EntryStopped, Phase: release.Ramping, Message: "time_table answers badly: 5 of 40 requests failed, stable 0 of 960",
			Details: []string{"# GET /trains <b>500</b>", "the log says: `panic: nil map`"}},
		"stopped": {Kind: release.EntryStopped, Phase: release.Approving, Message: "rejected by bob: **not** on a Friday", Ask: &closed},
		"failed": {Kind: release.EntryStopped, Phase: release.Building, Message: "build of time_table: exit status 1",
			Details: []string{"main.go:3:1: undefined: a_b", "make: *** [Makefile:7: build] Error 1"}},
		"completed":         {Kind: release.EntryEnded, Phase: release.Completed, Message: "completed: the candidate is stable"},
		"ended-rolled-back": {Kind: release.EntryEnded, Phase: release.RolledBack, Message: "rolled back"},
		"ended-refused":     {Kind: release.EntryEnded, Phase: release.Refused, Message: "refused"},
	}
}

// TestWhatPeopleActOnIsToldInEachChat holds what people read, chat by chat.
func TestWhatPeopleActOnIsToldInEachChat(t *testing.T) {
	entries := happened()
	names := slices.Sorted(maps.Keys(entries))
	notices := map[string]notify.Notice{}
	synctest.Test(t, func(t *testing.T) {
		m, taken := newMemory(), &channeltest.Channel{}
		id := release.ID{Lane: lane, Number: 3}
		for i, name := range names {
			m.entries = append(m.entries, router.Entry{Seq: int64(i + 1), ID: name, Release: id, Entry: entries[name], Requester: release.Actor{Name: "ann"}})
		}
		r, err := router.New(router.Options{
			Outbox: m, Channels: map[string]notify.Channel{"chat": taken}, Rules: everything("chat:x"), Now: time.Now,
			Link:   func(release.ID) string { return "https://sky.example/releases/3" },
			Answer: func(release.ID, release.Ask) string { return "https://sky.example/answer" },
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		r.Run(ctx)
		for _, sent := range taken.Sent() {
			notices[sent.Notices[0].ID] = sent.Notices[0]
		}
	})
	for chat, say := range chats(t) {
		for _, name := range names {
			nastytest.Golden(t, "testdata/"+chat+"/"+name+".txt", say(notices[name]))
		}
	}
}

// chats say a notice, and give what there is to read of it.
func chats(t *testing.T) map[string]func(notify.Notice) string {
	t.Helper()
	var minutes atomic.Int64 // each message comes a minute after the one before, within all limits
	now := func() time.Time { return time.Unix(1700000000, 0).Add(time.Duration(minutes.Load()) * time.Minute) }
	workspace := slacktest.New(slacktest.Options{Now: now, BotToken: "xoxb-t", AppToken: "xapp-t", Channels: []string{"C1"}})
	group := dingtalktest.New(dingtalktest.Options{Now: now, Robots: map[string]string{"token": "SEC1"}})
	bots := feishutest.New(now, map[string]string{"open-token": ""})
	t.Cleanup(workspace.Close)
	t.Cleanup(group.Close)
	t.Cleanup(bots.Close)
	inSlack, err := slack.New(slack.Options{BotToken: "xoxb-t", APIURL: workspace.APIURL(), Now: now})
	if err != nil {
		t.Fatal(err)
	}
	inDingTalk, err := dingtalk.New(dingtalk.Options{Robots: map[string]dingtalk.Robot{"ops": {Token: "token", Secret: "SEC1"}}, OAPI: group.URL, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	inFeishu, err := feishu.New(feishu.Options{Bots: map[string]feishu.Bot{"ops": {URL: bots.Address("open-token")}}, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	send := func(c notify.Channel, target string, n notify.Notice) {
		t.Helper()
		minutes.Add(1)
		if _, err := c.Send(t.Context(), target, notify.Thread{}, []notify.Notice{n}); err != nil {
			t.Fatal(err)
		}
	}
	return map[string]func(notify.Notice) string{
		"slack": func(n notify.Notice) string {
			send(inSlack, "C1", n)
			all := workspace.Messages()
			var out strings.Builder
			for _, b := range all[len(all)-1].Blocks {
				fmt.Fprintf(&out, "%s: %s\n", b.Type, b.Text)
				for _, e := range b.Elements {
					fmt.Fprintf(&out, "  %s %s\n", e.Text, e.URL)
				}
			}
			return out.String()
		},
		"dingtalk": func(n notify.Notice) string {
			send(inDingTalk, "robot:ops", n)
			all := group.Messages()
			return read(t, all[len(all)-1].Body)
		},
		"feishu": func(n notify.Notice) string {
			send(inFeishu, "bot:ops", n)
			all := bots.Messages()
			return read(t, all[len(all)-1].Body)
		},
	}
}

// read is the text in a message's JSON, each piece under where it stands.
func read(t *testing.T, body []byte) string {
	t.Helper()
	var value any
	if err := json.Unmarshal(body, &value); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	var walk func(path string, value any)
	walk = func(path string, value any) {
		switch value := value.(type) {
		case map[string]any:
			for _, key := range slices.Sorted(maps.Keys(value)) {
				walk(strings.TrimPrefix(path+"."+key, "."), value[key])
			}
		case []any:
			for i, one := range value {
				walk(fmt.Sprintf("%s[%d]", path, i), one)
			}
		default:
			fmt.Fprintf(&out, "%s: %v\n", path, value)
		}
	}
	walk("", value)
	return out.String()
}
