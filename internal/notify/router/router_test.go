package router_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skyisland/skyisland/internal/notify"
	"github.com/skyisland/skyisland/internal/notify/notifytest/channeltest"
	"github.com/skyisland/skyisland/internal/notify/router"
	"github.com/skyisland/skyisland/internal/release"
)

var lane = release.Lane{Tenant: "demo", Application: "hello", Environment: "production"}

// memory is an outbox in memory that keeps the promises of the store's; the store's own are tested there.
type memory struct {
	mu         sync.Mutex
	entries    []router.Entry
	routed     map[string]bool
	deliveries []*kept
	receipts   map[string]string
}

type kept struct {
	router.Delivery

	state        string
	due, claimed time.Time
	reason       string
}

func newMemory() *memory { return &memory{routed: map[string]bool{}, receipts: map[string]string{}} }

func (m *memory) add(number int, kind release.EntryKind, ask *release.Ask) {
	m.mu.Lock()
	defer m.mu.Unlock()
	id := release.ID{Lane: lane, Number: 1}
	m.entries = append(m.entries, router.Entry{
		Seq: int64(len(m.entries) + 1), ID: fmt.Sprintf("%s#%d", id, number), Release: id,
		Entry: release.Entry{Number: number, Kind: kind, Message: fmt.Sprint("message ", number), Ask: ask},
	})
}

func (m *memory) ToRoute(_ context.Context, most int) ([]router.Entry, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := slices.DeleteFunc(slices.Clone(m.entries), func(e router.Entry) bool { return m.routed[e.ID] })
	return out[:min(most, len(out))], nil
}

func (m *memory) AskTargets(_ context.Context, _ release.ID, ask int) (out [][2]string, _ error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, d := range m.deliveries {
		if d.Ask == ask {
			out = append(out, [2]string{d.Channel, d.Target})
		}
	}
	return out, nil
}

func (m *memory) Routed(_ context.Context, entry router.Entry, deliveries []router.Delivery, at time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.routed[entry.ID] = true
	for _, d := range deliveries {
		d.Created = at
		m.deliveries = append(m.deliveries, &kept{Delivery: d, state: "waiting", due: at})
	}
	return nil
}

func (m *memory) ClaimDeliveries(_ context.Context, channel string, now, until time.Time, targets, batch int) (out [][]router.Delivery, _ error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	byTarget := map[string][]*kept{}
	for _, d := range m.deliveries {
		if d.Channel == channel && d.state == "waiting" {
			byTarget[d.Target] = append(byTarget[d.Target], d)
		}
	}
	for _, target := range slices.Sorted(maps.Keys(byTarget)) {
		var claimed []router.Delivery
		for _, d := range byTarget[target] {
			if len(claimed) == batch || d.due.After(now) || d.claimed.After(now) || len(claimed) > 0 && d.Ask > 0 {
				break
			}
			d.claimed = until
			d.Attempts++
			d.First, d.Asked = m.receipts[fmt.Sprint(channel, target, 0)], ""
			if d.Ask > 0 {
				d.Asked = m.receipts[fmt.Sprint(channel, target, d.Ask)]
			}
			claimed = append(claimed, d.Delivery)
			if d.Ask > 0 {
				break
			}
		}
		if len(claimed) > 0 && len(out) < targets {
			out = append(out, claimed)
		}
	}
	return out, nil
}

func (m *memory) Delivered(_ context.Context, sent []router.Delivery, receipt string, _ time.Time) error {
	m.end(sent, func(d *kept) {
		d.state = "sent"
		for _, ask := range []int{0, d.Ask} {
			key := fmt.Sprint(d.Channel, d.Target, ask)
			if m.receipts[key] == "" {
				m.receipts[key] = receipt
			}
		}
	})
	return nil
}

func (m *memory) NotDelivered(_ context.Context, failed []router.Delivery, dead bool, due time.Time, reason string) error {
	m.end(failed, func(d *kept) {
		d.due, d.claimed, d.reason = due, time.Time{}, reason
		if dead {
			d.state = "dead"
		}
	})
	return nil
}

func (m *memory) end(which []router.Delivery, do func(*kept)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, one := range which {
		for _, d := range m.deliveries {
			if d.ID == one.ID {
				do(d)
			}
		}
	}
}

func (m *memory) PostponeTarget(_ context.Context, channel, target string, until time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, d := range m.deliveries {
		if d.Channel == channel && d.Target == target && d.due.Before(until) {
			d.due = until
		}
	}
	return nil
}

func (m *memory) NextDelivery(_ context.Context, channel string) (next time.Time, _ error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, d := range m.deliveries {
		if d.Channel == channel && d.state == "waiting" && (next.IsZero() || d.due.Before(next)) {
			next = d.due
		}
	}
	return next, nil
}

func (m *memory) PruneDeliveries(context.Context, time.Time, time.Time, time.Time) error { return nil }

func (m *memory) states() map[string]int {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := map[string]int{}
	for _, d := range m.deliveries {
		out[d.Channel+" "+d.state]++
	}
	return out
}

// channel keeps what it was given, and fails as it is told.
type channel struct {
	mu    sync.Mutex
	said  []string
	batch int
	fail  func(attempt int) error
	tried int
}

func (c *channel) Send(ctx context.Context, target string, thread notify.Thread, notices []notify.Notice) (string, error) {
	c.mu.Lock()
	c.tried++
	fail, n := c.fail, c.tried
	c.mu.Unlock()
	if fail != nil {
		if err := fail(n); err != nil {
			if errors.Is(err, errHangs) {
				<-ctx.Done()
			}
			return "", err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	var titles []string
	for _, notice := range notices {
		titles = append(titles, notice.Title)
	}
	c.said = append(c.said, fmt.Sprintf("%s [%s|%s] %s", target, thread.First, thread.Ask, strings.Join(titles, " + ")))
	return fmt.Sprint("r", len(c.said)), nil
}

func (c *channel) told() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.said)
}

type batching struct{ *channel }

func (b batching) Batch() int { return b.batch }

var errHangs = errors.New("hangs")

// play runs a router in a bubble, where time costs nothing, and gives what it was after so long.
func play(t *testing.T, m router.Outbox, channels map[string]notify.Channel, rules []router.Rule, lasts time.Duration) {
	t.Helper()
	r, err := router.New(router.Options{Outbox: m, Channels: channels, Rules: rules, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), lasts)
	defer cancel()
	r.Run(ctx)
}

func everything(to ...string) []router.Rule { return []router.Rule{{To: to}} }

func TestEachTargetIsToldInOrderAndQuestionsAreFoundAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, c := newMemory(), &channel{}
		open := &release.Ask{Number: 1, PlanHash: strings.Repeat("a", 64)}
		closed := *open
		closed.Closed = "approved"
		m.add(1, release.EntryPhase, nil)
		m.add(2, release.EntryAsked, open)
		m.add(3, release.EntryAnswered, &closed)
		// The second rule is about questions alone; who was asked hears of the end too.
		rules := []router.Rule{{To: []string{"chat:all"}}, {To: []string{"chat:boss", "chat:all"}, Events: []release.EntryKind{release.EntryAsked}}}
		play(t, m, map[string]notify.Channel{"chat": c}, rules, time.Minute)
		var all, boss []string
		for _, line := range c.told() {
			if strings.HasPrefix(line, "boss") {
				boss = append(boss, strings.SplitN(line, "] ", 2)[1])
			} else {
				all = append(all, strings.SplitN(line, "] ", 2)[1])
			}
		}
		name := lane.String() + "/1"
		if want := []string{name + ": message 1", name + " asks for approval", name + ": message 3"}; !slices.Equal(all, want) {
			t.Errorf("all heard %q, want %q", all, want)
		}
		if want := []string{name + " asks for approval", name + ": message 3"}; !slices.Equal(boss, want) {
			t.Errorf("the boss heard %q, want %q", boss, want)
		}
		for _, line := range c.told() {
			if strings.HasSuffix(line, "3") && (strings.Contains(line, "|]") || strings.Contains(line, "[|")) {
				t.Errorf("%q follows nothing, want its thread and its question", line)
			}
		}
	})
}

func TestADeadChannelAndASlowOneHoldNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		fine := &channel{}
		dead := &channel{fail: func(int) error { return errors.New("502") }}
		slow := &channel{fail: func(int) error { return errHangs }}
		for n := range 5 {
			m.add(n+1, release.EntryPhase, nil)
		}
		play(t, m, map[string]notify.Channel{"fine": fine, "dead": dead, "slow": slow}, everything("fine:x", "dead:x", "slow:x"), 10*time.Second)
		if got := len(fine.told()); got != 5 {
			t.Errorf("%d messages arrived where all is fine, want 5 in ten seconds", got)
		}
		if states := m.states(); states["dead waiting"] != 5 || states["slow waiting"] != 5 {
			t.Errorf("states %v, want the others waiting", states)
		}
	})
}

func TestASlowRoomHoldsNoOtherRoomOfItsChannel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		chat := &channeltest.Channel{Fail: func(ctx context.Context, target string, _ []notify.Notice) error {
			if target == "slow" {
				<-ctx.Done()
				return ctx.Err()
			}
			return nil
		}}
		for n := range 5 {
			m.add(n+1, release.EntryPhase, nil)
		}
		play(t, m, map[string]notify.Channel{"chat": chat}, everything("chat:slow", "chat:fine"), 10*time.Second)
		if got := len(chat.Sent()); got != 5 {
			t.Errorf("%d messages arrived in the other room, want 5 in ten seconds", got)
		}
	})
}

func TestOfAMergedMessageOnlyWhatIsRefusedIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		chat := &channeltest.Channel{Fail: func(_ context.Context, _ string, notices []notify.Notice) error {
			for _, n := range notices {
				if strings.HasSuffix(n.Title, "message 2") {
					return fmt.Errorf("a forbidden word: %w", notify.ErrRefused)
				}
			}
			return nil
		}}
		for n := range 4 {
			m.add(n+1, release.EntryPhase, nil)
		}
		play(t, m, map[string]notify.Channel{"chat": channeltest.Merging{Channel: chat, Most: 20}}, everything("chat:x"), time.Minute)
		var told []string
		for _, sent := range chat.Sent() {
			for _, n := range sent.Notices {
				told = append(told, strings.TrimPrefix(n.Title, lane.String()+"/1: message "))
			}
		}
		if states := m.states(); !slices.Equal(told, []string{"1", "3", "4"}) || states["chat dead"] != 1 || states["chat sent"] != 3 {
			t.Errorf("told %q, states %v, want all but the second", told, states)
		}
	})
}

func TestATemplateThatLoopsIsCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, chat := newMemory(), &channeltest.Channel{}
		m.add(1, release.EntryPhase, nil)
		r, err := router.New(router.Options{
			Outbox: m, Channels: map[string]notify.Channel{"chat": chat}, Rules: everything("chat:x"), Now: time.Now,
			Templates: map[release.EntryKind]router.Template{"phase": {Title: "{{range 2000000000}}é {{end}}", Lines: []string{"{{range 2000000000}}a line\n{{end}}"}}},
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		r.Run(ctx)
		sent := chat.Sent()
		if len(sent) != 1 || len(sent[0].Notices[0].Title) > 300 || len(sent[0].Notices[0].Lines) > 40 || !strings.HasPrefix(sent[0].Notices[0].Title, "é é") {
			t.Errorf("told %+v, want it within its bounds", sent)
		}
	})
}

func TestAMessageIsTriedAgainUntilItIsTakenOrItsDayIsOver(t *testing.T) {
	for name, c := range map[string]struct {
		fail  func(int) error
		lasts time.Duration
		want  string
		tries [2]int
	}{
		"a channel that comes back":          {func(n int) error { return map[bool]error{true: errors.New("503")}[n < 8] }, time.Hour, "chat sent", [2]int{8, 8}},
		"a channel that never comes back":    {func(int) error { return errors.New("503") }, 25 * time.Hour, "chat dead", [2]int{200, 500}},
		"a message that is refused for good": {func(int) error { return fmt.Errorf("no such room: %w", notify.ErrRefused) }, time.Minute, "chat dead", [2]int{1, 1}},
		"a channel that wants to be left alone": {func(n int) error {
			if n == 1 {
				return &notify.LaterError{After: 10 * time.Minute, Err: errors.New("429")}
			}
			return nil
		}, 11 * time.Minute, "chat sent", [2]int{2, 2}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, chat := newMemory(), &channel{fail: c.fail}
				m.add(1, release.EntryPhase, nil)
				play(t, m, map[string]notify.Channel{"chat": chat}, everything("chat:x"), c.lasts)
				if states := m.states(); states[c.want] != 1 || chat.tried < c.tries[0] || chat.tried > c.tries[1] {
					t.Errorf("states %v after %d tries, want %s after %v", states, chat.tried, c.want, c.tries)
				}
			})
		})
	}
}

func TestMessagesThatAreDueTogetherAreMergedWhereTheChannelDoesSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// The first try comes while the others are still being routed.
		m, c := newMemory(), &channel{batch: 20, fail: func(n int) error {
			if n == 1 {
				return &notify.LaterError{After: 10 * time.Second, Err: errors.New("429")}
			}
			return nil
		}}
		for n := range 50 {
			m.add(n+1, release.EntryPhase, nil)
		}
		play(t, m, map[string]notify.Channel{"chat": batching{c}}, everything("chat:x"), time.Minute)
		var titles int
		for _, line := range c.told() {
			titles += strings.Count(line, "message")
		}
		if got := len(c.told()); titles != 50 || got > 4 {
			t.Errorf("%d messages with %d notices, want 50 notices in a few", got, titles)
		}
	})
}

func TestWhatWasSentAndNotStoredIsSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, c := newMemory(), &channel{}
		m.add(1, release.EntryPhase, nil)
		r := everything("chat:x")
		play(t, forgetful{m}, map[string]notify.Channel{"chat": c}, r, time.Second)
		play(t, m, map[string]notify.Channel{"chat": c}, r, 5*time.Minute)
		if got := len(c.told()); got != 2 || m.states()["chat sent"] != 1 {
			t.Errorf("it was sent %d times and is %v, want once more after the loss", got, m.states())
		}
	})
}

// forgetful dies before it stores what was sent.
type forgetful struct{ *memory }

func (f forgetful) Delivered(context.Context, []router.Delivery, string, time.Time) error {
	return errors.New("killed")
}

func TestRulesAndTemplatesThatCannotBeFollowedAreAllNamed(t *testing.T) {
	_, err := router.New(router.Options{
		Outbox: newMemory(), Channels: map[string]notify.Channel{"chat": &channel{}}, Now: time.Now,
		Rules:     []router.Rule{{}, {To: []string{"room"}}, {To: []string{"mail:x"}}, {To: []string{"chat:x"}, Events: []release.EntryKind{"birthday"}}, {To: []string{"chat:x"}, Severity: "loud"}},
		Templates: map[release.EntryKind]router.Template{"asked": {Title: "{{.Nobody}}"}},
	})
	for _, want := range []string{"rules[0]: to is empty", `rules[1]: "room" is no target`, "rules[2]", "which is not configured; there are chat", `rules[3]: there is no event "birthday"`, `rules[4]: severity "loud"`, "templates.asked"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error lacks %q: %v", want, err)
		}
	}
}

func TestSeverities(t *testing.T) {
	for _, kind := range router.Events() {
		if s := router.SeverityOf(kind); s != notify.Info && s != notify.Warning && s != notify.Critical {
			t.Errorf("%s has severity %q", kind, s)
		}
	}
	if router.SeverityOf(release.EntryStopped) != notify.Critical || router.SeverityOf(release.EntryAsked) != notify.Warning {
		t.Error("a rollback is critical, and a question a warning")
	}
}
