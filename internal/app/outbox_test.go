package app

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/notify"
	"github.com/skyisland/skyisland/internal/notify/dingtalk"
	"github.com/skyisland/skyisland/internal/notify/notifytest/channeltest"
	"github.com/skyisland/skyisland/internal/notify/notifytest/dingtalktest"
	"github.com/skyisland/skyisland/internal/notify/router"
	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/internal/store"
	"github.com/skyisland/skyisland/internal/store/storetest"
)

// onEachStore runs a test on a new database of each kind there is, opened twice where two programs can share it.
func onEachStore(t *testing.T, test func(t *testing.T, one, other *store.Store)) {
	open := func(t *testing.T, dsn string) *store.Store {
		t.Helper()
		s, err := store.Open(t.Context(), dsn)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		return s
	}
	t.Run("sqlite", func(t *testing.T) {
		s := open(t, filepath.Join(t.TempDir(), "store.db"))
		test(t, s, s)
	})
	t.Run("postgres", func(t *testing.T) {
		dsn := storetest.Schema(t)
		test(t, open(t, dsn), open(t, dsn))
	})
}

// clock is what the test says it is.
type testClock struct{ ahead atomic.Int64 }

var testEpoch = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

func (c *testClock) now() time.Time        { return testEpoch.Add(time.Duration(c.ahead.Load())) }
func (c *testClock) pass(of time.Duration) { c.ahead.Add(int64(of)) }

// startRouter runs a router until the test ends, or what it returns is called.
func startRouter(t *testing.T, o router.Outbox, channels map[string]notify.Channel, rules []router.Rule, now func() time.Time) (r *router.Router, stop func()) {
	t.Helper()
	r, err := router.New(router.Options{Outbox: o, Channels: channels, Rules: rules, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); r.Run(ctx) }()
	stop = func() { cancel(); <-ended }
	t.Cleanup(stop)
	return r, stop
}

func hear[T any](t *testing.T, what string, from <-chan T) T {
	t.Helper()
	select {
	case got := <-from:
		return got
	case <-time.After(time.Minute):
		t.Fatalf("%s: nothing for a minute", what)
	}
	var none T
	return none
}

func laneNumber(number int) release.ID {
	return release.ID{Lane: release.Lane{Tenant: "demo", Application: "hello", Environment: "production"}, Number: number}
}

func TestTwoProgramsTellEverybodyOnceAndInOrder(t *testing.T) {
	onEachStore(t, func(t *testing.T, one, other *store.Store) {
		const releases, each = 3, 8
		taken := make(chan channeltest.Sent, 1000)
		room := &channeltest.Channel{Taken: func(s channeltest.Sent) { taken <- s }}
		dead := &channeltest.Channel{Fail: func(context.Context, string, []notify.Notice) error { return errors.New("status 502 instead of 200") }}
		channels := map[string]notify.Channel{"room": channeltest.Merging{Channel: room, Most: 3}, "dead": dead}
		rules := []router.Rule{{To: []string{"dead:x", "room:a", "room:b"}}, {To: []string{"room:a"}}}
		clock := &testClock{}
		kickOne, _ := startRouter(t, outbox{one}, channels, rules, clock.now)
		kickOther, _ := startRouter(t, outbox{other}, channels, rules, clock.now)
		for i, j := range []journal{{one, kickOne.Kick}, {other, kickOther.Kick}} {
			for n := 1; n <= each; n++ {
				for number := 1; number <= releases; number++ {
					// Both programs store the same, as a repeated activity does.
					entry := release.Entry{Number: n, At: testEpoch, Kind: release.EntryPhase, Message: fmt.Sprintf("part %d of program %d", n, i)}
					err := j.SaveProgress(t.Context(), release.Summary{ID: laneNumber(number), Updated: testEpoch}, []release.Entry{entry})
					if err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		told, first := map[string][]string{}, map[string]string{}
		for count := 0; count < releases*each*2; {
			sent := hear(t, "the room", taken)
			for _, n := range sent.Notices {
				key := sent.Target + " " + n.Release.String()
				told[key] = append(told[key], n.ID)
				count++
			}
			if key := sent.Target + " " + sent.Notices[0].Release.String(); sent.Thread.First != first[key] {
				t.Errorf("%s follows %q, want %q", key, sent.Thread.First, first[key])
			}
			for _, n := range sent.Notices {
				if key := sent.Target + " " + n.Release.String(); first[key] == "" {
					first[key] = sent.Receipt
				}
			}
		}
		for key, ids := range told {
			for i, id := range ids {
				if _, number, _ := strings.Cut(id, "#"); number != fmt.Sprint(i+1) || len(ids) != each {
					t.Fatalf("%s was told %q, want each of %d once and in order", key, ids, each)
				}
			}
		}
		if len(told) != 2*releases {
			t.Errorf("told %d, want %d releases in both rooms", len(told), releases)
		}
	})
}

// killed dies when a message is sent and before that is stored.
type killed struct {
	outbox

	at chan struct{}
}

func (k killed) Delivered(context.Context, []router.Delivery, string, time.Time) error {
	close(k.at)
	return errors.New("killed")
}

func TestAProgramThatDiesAfterItSentIsFollowedByOneThatSendsAgain(t *testing.T) {
	onEachStore(t, func(t *testing.T, one, other *store.Store) {
		taken := make(chan channeltest.Sent, 10)
		channels := map[string]notify.Channel{"room": &channeltest.Channel{Taken: func(s channeltest.Sent) { taken <- s }}}
		rules := []router.Rule{{To: []string{"room:a"}}}
		clock := &testClock{}
		if err := one.AddOutbox(t.Context(), "alarm 1", release.ID{}, release.Entry{At: testEpoch, Kind: release.EntryAlarm, Message: "it burns"}); err != nil {
			t.Fatal(err)
		}
		first := killed{outbox{one}, make(chan struct{})}
		_, stop := startRouter(t, first, channels, rules, clock.now)
		before := hear(t, "the first program", taken)
		<-first.at
		stop()

		claimed, err := other.ClaimDeliveries(t.Context(), "room", clock.now(), clock.now(), 8, 8)
		if err != nil || len(claimed) != 0 {
			t.Fatalf("claimed %v, %v, want the claim of the dead program to stand for a while", claimed, err)
		}
		clock.pass(5 * time.Minute)
		_, stop = startRouter(t, outbox{other}, channels, rules, clock.now)
		after := hear(t, "the second program", taken)
		stop()
		if before.Notices[0].ID != "alarm 1" || after.Notices[0].ID != "alarm 1" {
			t.Errorf("told %q and %q, want the same twice", before.Notices[0].ID, after.Notices[0].ID)
		}
		all, err := listed(other.Deliveries(t.Context(), store.DeliveryFilter{Dead: false, Limit: 10}))
		if err != nil || len(all) != 1 || all[0].State != store.DeliverySent {
			t.Errorf("deliveries %+v, %v, want one that is sent", all, err)
		}
	})
}

func TestAFreezeIsToldToWhoeverHearsOfOneOfItsApplications(t *testing.T) {
	onEachStore(t, func(t *testing.T, one, _ *store.Store) {
		taken := make(chan channeltest.Sent, 10)
		channels := map[string]notify.Channel{"room": &channeltest.Channel{Taken: func(s channeltest.Sent) { taken <- s }}}
		rules := []router.Rule{
			{To: []string{"room:ours"}, Tenants: []string{"demo"}, Applications: []string{"hello"}, Events: []release.EntryKind{release.EntryFreeze}},
			{To: []string{"room:theirs"}, Tenants: []string{"other"}},
		}
		ada := release.Actor{Name: "ada"}
		freeze, err := release.NewFreeze("demo", time.Hour, "the sale", ada, testEpoch)
		if err != nil {
			t.Fatal(err)
		}
		freeze.ID = "f1"
		for range 2 {
			if err := one.AddFreeze(t.Context(), freeze); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := one.LiftFreeze(t.Context(), "f1", release.Actor{Name: "bob"}, testEpoch.Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		_, stop := startRouter(t, outbox{one}, channels, rules, (&testClock{}).now)
		for _, want := range []string{"demo is frozen until 2026-03-02T10:00:00Z by ada: the sale", "demo is no longer frozen: lifted by bob"} {
			if got := hear(t, "the room", taken); got.Target != "ours" || got.Notices[0].Title != want {
				t.Errorf("%s was told %q, want %q", got.Target, got.Notices[0].Title, want)
			}
		}
		stop()
		if len(taken) > 0 {
			t.Errorf("told %+v too", <-taken)
		}
	})
}

// postponing says when a target is left alone.
type postponing struct {
	outbox

	done chan struct{}
}

func (p postponing) PostponeTarget(ctx context.Context, channel, target string, until time.Time) error {
	err := p.outbox.PostponeTarget(ctx, channel, target, until)
	p.done <- struct{}{}
	return err
}

// heard is DingTalk, and says what it took.
type heard struct {
	*dingtalk.Channel

	taken chan int
}

func (h heard) Send(ctx context.Context, target string, thread notify.Thread, notices []notify.Notice) (string, error) {
	receipt, err := h.Channel.Send(ctx, target, thread, notices)
	if err == nil {
		h.taken <- len(notices)
	}
	return receipt, err
}

func TestARobotIsSentTwentyMessagesAMinuteAndNoNoticeIsLost(t *testing.T) {
	onEachStore(t, func(t *testing.T, one, _ *store.Store) {
		clock := &testClock{}
		server := dingtalktest.New(dingtalktest.Options{Now: clock.now, Robots: map[string]string{"token": "SECabc"}})
		t.Cleanup(server.Close)
		channel, err := dingtalk.New(dingtalk.Options{
			Robots: map[string]dingtalk.Robot{"ops": {Token: "token", Secret: "SECabc"}}, API: server.URL, OAPI: server.URL, Now: clock.now, Desk: silentDesk{},
		})
		if err != nil {
			t.Fatal(err)
		}
		// Questions are never merged, so they alone are more than a minute's messages; the lines between are merged.
		const asks, lines = 30, 50
		for n := 1; n <= asks+lines; n++ {
			entry := release.Entry{Number: n, At: testEpoch, Kind: release.EntryPhase, Message: fmt.Sprint("line ", n)}
			if n <= asks {
				entry.Kind, entry.Ask = release.EntryAsked, &release.Ask{Number: n, PlanHash: strings.Repeat("ab", 32)}
			}
			if err := one.SaveProgress(t.Context(), release.Summary{ID: laneNumber(1), Updated: testEpoch}, []release.Entry{entry}); err != nil {
				t.Fatal(err)
			}
		}
		hears, waits := heard{channel, make(chan int, 100)}, postponing{outbox{one}, make(chan struct{}, 100)}
		r, stop := startRouter(t, waits, map[string]notify.Channel{"dingtalk": hears}, []router.Rule{{To: []string{"dingtalk:robot:ops"}}}, clock.now)
		told, minutes := 0, 0
		for deadline := time.After(time.Minute); told < asks+lines; {
			select {
			case n := <-hears.taken:
				told += n
			case <-waits.done:
				minutes++
				clock.pass(61 * time.Second)
				r.Kick()
			case <-deadline:
				t.Fatalf("told %d notices of %d after %d minutes", told, asks+lines, minutes)
			}
		}
		stop()
		byMinute := map[time.Time]int{}
		for _, message := range server.Messages() {
			byMinute[message.At]++
		}
		for at, n := range byMinute {
			if n > 20 {
				t.Errorf("%d messages at %s, want at most 20 in a minute", n, at)
			}
		}
		if got := len(server.Messages()); got < asks || got > asks+lines/2 || minutes == 0 {
			t.Errorf("%d messages over %d minutes, want each question and a few more", got, minutes)
		}
		if dead, err := listed(one.Deliveries(t.Context(), store.DeliveryFilter{Dead: true, Limit: 10})); err != nil || len(dead) != 0 {
			t.Errorf("dead %+v, %v", dead, err)
		}
	})
}

// listed is a list without the cursor of the next page.
func listed(list []store.Delivery, _ string, err error) ([]store.Delivery, error) { return list, err }
