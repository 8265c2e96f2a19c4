package subscription_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/events"
	"github.com/skyisland/skyisland/internal/store"
	"github.com/skyisland/skyisland/internal/subscription"
)

func ids(posts []post) (out []string) {
	for _, p := range posts {
		out = append(out, strings.TrimPrefix(p.id, "demo/hello/production/"))
	}
	return out
}

// next lets the clock come to when something is due, and waits for what becomes of it.
func next(t *testing.T, s *store.Store, p program, c *clock, name string) string {
	t.Helper()
	due, err := s.NextEvent(t.Context(), name)
	if err != nil || due.IsZero() {
		t.Fatalf("nothing is due: %s, %v", due, err)
	}
	c.set(due)
	p.all.Kick()
	return hear(t, "an attempt", p.became)
}

func deliveries(t *testing.T, s *store.Store, name string, state events.State) []events.Delivery {
	t.Helper()
	out, _, err := s.EventDeliveries(t.Context(), name, store.EventDeliveryFilter{State: state, Limit: 500})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestASubscriberThatIsDownForHoursIsToldAllInOrderAfterwards(t *testing.T) {
	onEach(t, func(t *testing.T, one, _ *store.Store) {
		c := newClock()
		up := epoch.Add(6 * time.Hour)
		r := receive(t, c, func(w http.ResponseWriter, _ *http.Request, _ int) {
			if c.now().Before(up) {
				w.WriteHeader(http.StatusBadGateway)
			}
		})
		p := start(t, one, c, false, r.subscriber("ci"))
		subscribed(t, one, "ci")
		happen(t, one, p, lane(1), 1)
		if got := hear(t, "the first attempt", p.became); got != "failed demo/hello/production/1#1" {
			t.Fatalf("it %s", got)
		}
		for n := 2; n <= 3; n++ {
			happen(t, one, p, lane(1), n)
		}
		for attempts := 1; ; attempts++ {
			if got := next(t, one, p, c, "ci"); strings.HasPrefix(got, "sent") {
				break
			}
			if attempts > 10 {
				t.Fatal("it is never sent")
			}
		}
		for range 2 {
			hear(t, "what waited behind it", p.became)
		}
		posts := r.got()
		// 0, 5 s, 5 min, 30 min, 2 h, 5 h: the sixth attempt is the first after six hours.
		want := []string{"1#1", "1#1", "1#1", "1#1", "1#1", "1#1", "1#2", "1#3"}
		if got := ids(posts); !slices.Equal(got, want) {
			t.Fatalf("posts %q, want %q", got, want)
		}
		for i, wait := range []time.Duration{0, 5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour} {
			if i > 0 && posts[i].body != posts[0].body {
				t.Errorf("attempt %d has another body", i+1)
			}
			if i == 0 {
				continue
			}
			if took := posts[i].at.Sub(posts[i-1].at); took < wait*8/10 || took > wait*12/10 {
				t.Errorf("attempt %d came after %s, want about %s", i+1, took, wait)
			}
		}
		var event struct {
			ID       string
			Sequence string
			Data     events.Data
		}
		if err := json.Unmarshal([]byte(posts[7].body), &event); err != nil || event.ID != posts[7].id || event.Sequence != "00000000000000000003" || event.Data.Message != "message 3" || event.Data.Commit != "0123456789ab" {
			t.Errorf("the last one is %+v, %v", event, err)
		}
	})
}

func TestAnEventThatNeverArrivesIsDeadAndVisibleAndHoldsItsReleaseNoLongerThanThePlan(t *testing.T) {
	onEach(t, func(t *testing.T, one, _ *store.Store) {
		c := newClock()
		var up atomic.Bool
		r := receive(t, c, func(w http.ResponseWriter, _ *http.Request, _ int) {
			if !up.Load() {
				w.WriteHeader(http.StatusInternalServerError)
			}
		})
		p := start(t, one, c, false, r.subscriber("ci"))
		subscribed(t, one, "ci")
		for n := 1; n <= 5; n++ {
			happen(t, one, p, lane(1), n)
		}
		got := hear(t, "the first attempt", p.became)
		for dead := 0; dead < 5; {
			if !strings.HasPrefix(got, "dead") {
				got = next(t, one, p, c, "ci")
				continue
			}
			// What waited behind it is due already and is being sent: the clock stands still until that has ended.
			if dead++; dead < 5 {
				got = hear(t, "the one behind it", p.became)
			}
		}
		if took := c.now().Sub(epoch); took > 2*subscription.Lifetime() {
			t.Errorf("the line was held for %s, want at most about the plan of one event, %s", took, subscription.Lifetime())
		}
		if n := slices.Index(ids(r.got()), "1#2"); n != 10 {
			t.Errorf("the first one was tried %d times, want 10", n)
		}
		dead := deliveries(t, one, "ci", events.Dead)
		if len(dead) != 5 || dead[4].Attempts != 10 || dead[4].Reason != "the subscriber answered 500 Internal Server Error" {
			t.Fatalf("dead %+v", dead)
		}
		up.Store(true)
		if err := one.RetryEvent(t.Context(), "ci", dead[4].ID, c.now(), c.now().Add(subscription.Lifetime())); err != nil {
			t.Fatal(err)
		}
		p.all.Kick()
		if got := hear(t, "the retried one", p.became); got != "sent demo/hello/production/1#1" {
			t.Errorf("it %s", got)
		}
	})
}

func TestWhatASubscriberAnswersIsJudged(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { t.Errorf("a redirect was followed to %s", r.URL) }))
	defer elsewhere.Close()
	for _, test := range []struct {
		name   string
		answer func(w http.ResponseWriter, r *http.Request)
		// reason is "" for what counts as taken.
		reason string
	}{
		{"204", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }, ""},
		{"202", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) }, ""},
		{"a huge body", func(w http.ResponseWriter, _ *http.Request) {
			for range 1 << 14 {
				if _, err := w.Write(make([]byte, 64<<10)); err != nil {
					return
				}
			}
			t.Error("a gigabyte was read")
		}, ""},
		{"a redirect", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
		}, "the subscriber answered 307 Temporary Redirect: events are not sent to where it points"},
		{"a redirect to no address", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "http://["+strings.Repeat("x", 20<<10))
			w.WriteHeader(http.StatusFound)
		}, "Location"},
		{"a refusal", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "hidden", http.StatusForbidden) }, "the subscriber answered 403 Forbidden"},
		{"nothing", func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, "did not answer within 2s"},
		{"a connection that is lost", func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			_ = conn.Close()
		}, "EOF"},
		{"a header without end", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Long", strings.Repeat("x", 1<<20))
			w.WriteHeader(http.StatusOK)
		}, "exceeded"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, err := store.Open(t.Context(), t.TempDir()+"/store.db")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = s.Close() })
			c := newClock()
			r := receive(t, c, func(w http.ResponseWriter, r *http.Request, n int) {
				if n == 1 {
					test.answer(w, r)
				}
			})
			var patience time.Duration
			if test.name == "nothing" {
				patience = 2 * time.Second // it passes before the attempt ends
			}
			p := startWith(t, s, c, false, subscription.Options{Subscribers: []subscription.Subscriber{r.subscriber("ci")}, Patience: patience})
			subscribed(t, s, "ci")
			happen(t, s, p, lane(1), 1)
			got := hear(t, "an attempt", p.became)
			if test.reason == "" {
				if !strings.HasPrefix(got, "sent") || len(r.got()) != 1 {
					t.Errorf("it %s after %d posts", got, len(r.got()))
				}
				p.stop()
				return
			}
			waiting := deliveries(t, s, "ci", events.Waiting)
			if !strings.HasPrefix(got, "failed") || len(waiting) != 1 || !strings.Contains(waiting[0].Reason, test.reason) {
				t.Fatalf("it %s: %+v, want the reason %q", got, waiting, test.reason)
			}
			if len(waiting[0].Reason) > 1000 {
				t.Errorf("the reason has %d bytes", len(waiting[0].Reason))
			}
			if strings.Contains(waiting[0].Reason, "hidden") {
				t.Errorf("the reason tells a secret: %s", waiting[0].Reason)
			}
			p.stop()
			p = start(t, s, c, false, r.subscriber("ci"))
			// The answer may be what was lost, and not the event: so it comes again by the same name.
			if got := next(t, s, p, c, "ci"); got != "sent demo/hello/production/1#1" {
				t.Errorf("the second time it %s", got)
			}
			if posts := r.got(); len(posts) != 2 || posts[0].id != posts[1].id || posts[0].body != posts[1].body {
				t.Errorf("posts %+v, want the same twice", posts)
			}
			p.stop()
		})
	}
}

func TestASubscriberThatIsGoneIsSentNothingMoreUntilItsConfigurationChanges(t *testing.T) {
	onEach(t, func(t *testing.T, one, _ *store.Store) {
		c := newClock()
		r := receive(t, c, func(w http.ResponseWriter, _ *http.Request, n int) {
			if n == 1 {
				w.WriteHeader(http.StatusGone)
			}
		})
		p := start(t, one, c, false, r.subscriber("ci"))
		subscribed(t, one, "ci")
		happen(t, one, p, lane(1), 1)
		if got := hear(t, "410", p.became); got != "disabled" {
			t.Fatalf("it is %s", got)
		}
		happen(t, one, p, lane(1), 2)
		p.stop()
		p = start(t, one, c, false, r.subscriber("ci"))
		happen(t, one, p, lane(1), 3)
		p.stop()
		if dead := deliveries(t, one, "ci", ""); len(dead) != 1 || dead[0].State != events.Dead || !strings.Contains(dead[0].Reason, "410 Gone") {
			t.Errorf("deliveries %+v, want the one that was told 410", dead)
		}
		changed := r.subscriber("ci")
		changed.URL += "2"
		p = start(t, one, c, false, changed)
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			all, err := one.Subscriptions(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if all[0].Disabled.IsZero() {
				break
			}
			<-tick.C
		}
		happen(t, one, p, lane(1), 4)
		if got := hear(t, "after the change", p.became); got != "sent demo/hello/production/1#4" {
			t.Errorf("it %s", got)
		}
	})
}

func TestRetryAfterLeavesTheSubscriberAlone(t *testing.T) {
	onEach(t, func(t *testing.T, one, _ *store.Store) {
		c := newClock()
		r := receive(t, c, func(w http.ResponseWriter, _ *http.Request, n int) {
			if n == 1 {
				w.Header().Set("Retry-After", "3600")
				w.WriteHeader(http.StatusServiceUnavailable)
			}
		})
		p := start(t, one, c, false, r.subscriber("ci"))
		subscribed(t, one, "ci")
		happen(t, one, p, lane(1), 1)
		hear(t, "503", p.became)
		happen(t, one, p, lane(2), 1) // of another release: it would be told the same
		due, err := one.NextEvent(t.Context(), "ci")
		if err != nil || !due.Equal(epoch.Add(time.Hour)) {
			t.Fatalf("it is due at %s, %v; want an hour later", due, err)
		}
		for len(deliveries(t, one, "ci", events.Waiting)) < 2 {
			p.all.Kick()
		}
		next(t, one, p, c, "ci")
		hear(t, "the other release", p.became)
		got := ids(r.got())
		slices.Sort(got)
		if !slices.Equal(got, []string{"1#1", "1#1", "2#1"}) || r.got()[1].at != epoch.Add(time.Hour) {
			t.Errorf("posts %+v", r.got())
		}
	})
}

func TestTwoServersSendEachEventOnceAndInOrder(t *testing.T) {
	onEach(t, func(t *testing.T, one, other *store.Store) {
		const releases, each = 4, 10
		c := newClock()
		r := receive(t, c, nil)
		first := start(t, one, c, false, r.subscriber("ci"))
		second := start(t, other, c, false, r.subscriber("ci"))
		subscribed(t, one, "ci")
		for n := 1; n <= each; n++ {
			for number := 1; number <= releases; number++ {
				happen(t, one, first, lane(number), n)
				happen(t, other, second, lane(number), n) // as a repeated activity does
			}
		}
		for range releases * each {
			select {
			case <-first.became:
			case <-second.became:
			case <-time.After(time.Minute):
				t.Fatal("nothing for a minute")
			}
		}
		first.stop()
		second.stop()
		byRelease := map[string][]string{}
		for _, id := range ids(r.got()) {
			number, n, _ := strings.Cut(id, "#")
			byRelease[number] = append(byRelease[number], n)
		}
		for number, got := range byRelease {
			for i, n := range got {
				if n != fmt.Sprint(i+1) || len(got) != each {
					t.Fatalf("of release %s it was sent %q, want each of %d once and in order", number, got, each)
				}
			}
		}
		if len(byRelease) != releases {
			t.Errorf("%d releases were told of, want %d", len(byRelease), releases)
		}
	})
}

func TestAServerThatDiesAfterItSentIsFollowedByOneThatSendsTheSameAgain(t *testing.T) {
	onEach(t, func(t *testing.T, one, other *store.Store) {
		c := newClock()
		r := receive(t, c, nil)
		p := start(t, one, c, true, r.subscriber("ci"))
		subscribed(t, one, "ci")
		happen(t, one, p, lane(1), 1)
		if got := hear(t, "the first server", p.became); got != "killed" {
			t.Fatalf("it is %s", got)
		}
		p.stop()
		if got, err := other.ClaimEvents(t.Context(), "ci", c.now(), c.now(), 8); err != nil || len(got) != 0 {
			t.Fatalf("claimed %v, %v; want the claim of the dead server to stand for a while", got, err)
		}
		p = start(t, other, c, false, r.subscriber("ci"))
		if got := next(t, other, p, c, "ci"); got != "sent demo/hello/production/1#1" {
			t.Errorf("it %s", got)
		}
		posts := r.got()
		if len(posts) != 2 || posts[0].id != posts[1].id || posts[0].body != posts[1].body || !posts[1].at.After(posts[0].at) {
			t.Errorf("posts %+v, want the same twice", posts)
		}
	})
}
