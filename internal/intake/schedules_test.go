package intake

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/internal/schedule"
)

// seen keeps until when schedules were seen to, as the store does.
type seen struct {
	mu          sync.Mutex
	until       map[string]time.Time
	definitions map[string]string
	err         error
}

func newSeen() *seen { return &seen{until: map[string]time.Time{}, definitions: map[string]string{}} }

func (s *seen) ScheduleSeen(_ context.Context, name, definition string, now time.Time) (time.Time, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil && s.definitions[name] != definition {
		s.definitions[name], s.until[name] = definition, now
	}
	return s.until[name], s.err
}

func (s *seen) SeeSchedule(_ context.Context, name string, until time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil && s.until[name].Before(until) {
		s.until[name] = until
	}
	return s.err
}

// nightly releases main of acme/checkout at 3 in Shanghai.
func nightly(t *testing.T, cron string) Schedule {
	t.Helper()
	due, err := schedule.Parse(cron, "Asia/Shanghai")
	if err != nil {
		t.Fatal(err)
	}
	return Schedule{
		Name: "nightly", Tenant: "acme", Application: "checkout", Environment: "production", Branch: "main", Definition: cron,
		Latest: due.Latest, Next: due.Next,
	}
}

// run runs schedules for a while.
func (f *fixture) run(t *testing.T, records ScheduleRecords, length time.Duration, all ...Schedule) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), length)
	defer stop()
	if err := NewSchedules(all, records, f.inbox, f.Router, discard()).Run(ctx); err != nil {
		t.Error(err)
	}
}

// deliveries are the names of all events, in order.
func (m *memoryInbox) deliveries() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []string
	for _, id := range slices.Sorted(maps.Keys(m.events)) {
		out = append(out, m.events[id].Delivery)
	}
	return strings.Join(out, " ")
}

// In a bubble it is midnight of January 1, 2000, in UTC; 3 in Shanghai is 19:00 the day before.
func TestASchedulePutsAnEventIntoTheInbox(t *testing.T) {
	const daily = "0 3 * * *"
	for _, tt := range []struct {
		name string
		do   func(t *testing.T, f *fixture, records *seen)
		want string
	}{
		{"each time it is due", func(t *testing.T, f *fixture, records *seen) {
			f.run(t, records, 48*time.Hour, nightly(t, daily))
		}, "nightly@2000-01-01T19:00:00Z nightly@2000-01-02T19:00:00Z"},
		{"once for two servers", func(t *testing.T, f *fixture, records *seen) {
			var both sync.WaitGroup
			for range 2 {
				both.Go(func() { f.run(t, records, 24*time.Hour, nightly(t, daily)) })
			}
			both.Wait()
		}, "nightly@2000-01-01T19:00:00Z"},
		{"once for two servers that do not see each other's notes", func(t *testing.T, f *fixture, _ *seen) {
			var both sync.WaitGroup
			for range 2 {
				both.Go(func() { f.run(t, newSeen(), 24*time.Hour, nightly(t, daily)) })
			}
			both.Wait()
		}, "nightly@2000-01-01T19:00:00Z"},
		{"not for what was due before it was there", func(t *testing.T, f *fixture, records *seen) {
			f.run(t, records, time.Hour, nightly(t, daily))
		}, ""},
		{"once, the latest, for what was missed within a day", func(t *testing.T, f *fixture, records *seen) {
			f.run(t, records, time.Minute, nightly(t, "0 */6 * * *"))
			time.Sleep(40 * time.Hour) //nolint:forbidigo // within a bubble
			f.run(t, records, time.Minute, nightly(t, "0 */6 * * *"))
			f.run(t, records, time.Minute, nightly(t, "0 */6 * * *"))
		}, "nightly@2000-01-02T16:00:00Z"},
		{"not for what was missed longer ago", func(t *testing.T, f *fixture, records *seen) {
			f.run(t, records, time.Minute, nightly(t, "0 3 1 1 *")) // once a year, 5 hours before the bubble
			records.until["nightly"] = time.Now().Add(-30 * time.Hour)
			time.Sleep(24 * time.Hour) //nolint:forbidigo // within a bubble
			f.run(t, records, time.Minute, nightly(t, "0 3 1 1 *"))
		}, ""},
		{"not for what another definition would have been due at", func(t *testing.T, f *fixture, records *seen) {
			f.run(t, records, time.Minute, nightly(t, daily))
			time.Sleep(20 * time.Hour) //nolint:forbidigo // within a bubble
			f.run(t, records, time.Minute, nightly(t, "0 2 * * *"))
		}, ""},
		{"when the store is back", func(t *testing.T, f *fixture, records *seen) {
			f.run(t, records, 18*time.Hour, nightly(t, daily))
			f.inbox.failing("accept")
			f.run(t, records, 2*time.Hour, nightly(t, daily))
			f.inbox.failing("")
			f.run(t, records, 2*time.Second, nightly(t, daily))
		}, "nightly@2000-01-01T19:00:00Z"},
		{"when its notes are back", func(t *testing.T, f *fixture, records *seen) {
			f.run(t, records, 18*time.Hour, nightly(t, daily))
			records.err = errAway
			f.run(t, records, 2*time.Hour, nightly(t, daily))
			records.err = nil
			f.run(t, records, 2*time.Second, nightly(t, daily))
		}, "nightly@2000-01-01T19:00:00Z"},
		{"never without schedules", func(t *testing.T, f *fixture, records *seen) {
			f.run(t, records, 48*time.Hour)
		}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				tt.do(t, f, newSeen())
				if got := f.inbox.deliveries(); got != tt.want {
					t.Errorf("events %q, want %q", got, tt.want)
				}
			})
		})
	}
}

func TestAScheduleReleasesWhatTheBranchHas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, _ := withParts(t)
		f.people = peopleFunc(func(string, string) (release.Actor, error) { return release.Actor{}, errAway }) // a schedule is no person
		f.run(t, newSeen(), 24*time.Hour, nightly(t, "0 3 * * *"))
		f.once(t)
		if got := f.outcome(t, 1); got.Kind != Started || len(f.lanes.requests) != 1 {
			t.Fatalf("got %+v", got)
		}
		req := f.lanes.requests[0]
		if req.Commit != commitB || req.Ref != "refs/heads/main" || req.Requester.String() != "nightly (cron)" || req.Lane != seventh.Lane ||
			req.Key != "production asked cron nightly@2000-01-01T19:00:00Z" {
			t.Errorf("asked %+v", req)
		}
	})
}

func TestAScheduleOfAnApplicationThatIsGoneIsRefused(t *testing.T) {
	f, _ := withParts(t)
	delete(f.registry.known, "acme/checkout")
	got := f.happened(t, SourceSchedule, kindSchedule, "nightly@2026-11-28T19:00:00Z", `{"schedule":"nightly","tenant":"acme","application":"checkout","branch":"main"}`)
	if got.Kind != Refused || got.Message != "there is no application acme/checkout" {
		t.Errorf("got %+v", got)
	}
}
