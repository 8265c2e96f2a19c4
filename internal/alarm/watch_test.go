package alarm_test

import (
	"strings"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/alarm"
	"github.com/skyisland/skyisland/internal/canary"
)

const key = "demo/hello/production/web"

var noon = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)

func bound(f float64) *float64 { return &f }

func watcher(t *testing.T, rules ...alarm.Rule) *alarm.Watcher {
	t.Helper()
	w, err := alarm.New(rules)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// route is one with a canary, whose counts have grown for so many seconds at these rates.
func route(seconds, stableBad, canaryBad uint64, latency time.Duration) alarm.Route {
	count := func(bad uint64) alarm.Count {
		return alarm.Count{
			Requests: 100 * seconds, Failed: bad * seconds, InFlight: 3,
			Latency: map[int]uint64{canary.BucketOf(10 * time.Millisecond): 90 * seconds, canary.BucketOf(latency): 10 * seconds},
		}
	}
	return alarm.Route{
		Key: key, Release: "demo/hello/production/3", Splits: true, Stable: "v1", Canary: "v2",
		Revisions: map[string]alarm.Count{"v1": count(stableBad), "v2": count(canaryBad)},
	}
}

// watch gives samples every five seconds, and says when alarms began (+) and ended (-).
func watch(w *alarm.Watcher, seconds int, at func(second int) []alarm.Route) (out []string, events []alarm.Event) {
	for s := 0; s <= seconds; s += 5 {
		for _, e := range w.Observe(noon.Add(time.Duration(s)*time.Second), at(s)) {
			sign := "-"
			if e.Firing {
				sign = "+"
			}
			out = append(out, time.Duration(s*int(time.Second)).String()+sign+e.Rule.Name)
			events = append(events, e)
		}
	}
	return out, events
}

func TestAlarmsFireOverTheWholeWindowOnceAndEnd(t *testing.T) {
	badFor := func(from, to int) func(int) []alarm.Route {
		return func(s int) []alarm.Route {
			r := route(uint64(s), 0, 0, 10*time.Millisecond)
			c := r.Revisions["v2"]
			c.Failed = 50 * uint64(max(0, min(s, to)-from))
			r.Revisions["v2"] = c
			return []alarm.Route{r}
		}
	}
	for name, c := range map[string]struct {
		rule alarm.Rule
		at   func(int) []alarm.Route
		want string
	}{
		"the canary fails for a minute": {alarm.Rule{Name: "a", Metric: alarm.ErrorShare, Of: alarm.OfCanary, Above: bound(0.1), For: 30 * time.Second}, badFor(60, 120), "1m10s+a 2m25s-a"},
		"stable does not":               {alarm.Rule{Name: "a", Metric: alarm.ErrorShare, Of: alarm.OfStable, Above: bound(0.1), For: 30 * time.Second}, badFor(60, 120), ""},
		"nobody asks":                   {alarm.Rule{Name: "a", Metric: alarm.RequestRate, Below: bound(1), For: 30 * time.Second}, func(int) []alarm.Route { return []alarm.Route{route(7, 0, 0, 0)} }, "30s+a"},
		"too few ask":                   {alarm.Rule{Name: "a", Metric: alarm.ErrorShare, Above: bound(0.1), For: 30 * time.Second, Requests: 100000}, badFor(60, 120), ""},
		"the tail is slow":              {alarm.Rule{Name: "a", Metric: alarm.P99, Above: bound(0.5), For: 10 * time.Second}, func(s int) []alarm.Route { return []alarm.Route{route(uint64(s), 0, 0, time.Second)} }, "10s+a"},
		"half of it is fast":            {alarm.Rule{Name: "a", Metric: alarm.P50, Above: bound(0.5), For: 10 * time.Second}, func(s int) []alarm.Route { return []alarm.Route{route(uint64(s), 0, 0, time.Second)} }, ""},
		"another application":           {alarm.Rule{Name: "a", Metric: alarm.InFlight, Above: bound(1), For: 10 * time.Second, Applications: []string{"other"}}, badFor(0, 0), ""},
		"a gateway was started again": {alarm.Rule{Name: "a", Metric: alarm.RequestRate, Below: bound(1), For: 30 * time.Second}, func(s int) []alarm.Route {
			return []alarm.Route{route(uint64(s%40), 0, 0, 0)}
		}, ""},
		"the route goes": {alarm.Rule{Name: "a", Metric: alarm.InFlight, Above: bound(1), For: 10 * time.Second}, func(s int) []alarm.Route {
			if s > 60 {
				return nil
			}
			return badFor(0, 0)(s)
		}, "10s+a 1m5s-a"},
	} {
		t.Run(name, func(t *testing.T) {
			got, _ := watch(watcher(t, c.rule), 180, c.at)
			if text := strings.Join(got, " "); text != c.want {
				t.Errorf("got %q, want %q", text, c.want)
			}
		})
	}
}

func TestAnAlarmSaysWhatIsTheCaseInTheUsersOwnWords(t *testing.T) {
	usual := alarm.Rule{Name: "slow", Metric: alarm.P99, Above: bound(0.5), For: 10 * time.Second}
	own := usual
	own.Name, own.Template = "own", "{{.Application}} takes {{.Value}} ({{.Release}})"
	_, events := watch(watcher(t, usual, own), 10, func(s int) []alarm.Route { return []alarm.Route{route(uint64(s), 0, 0, time.Second)} })
	if len(events) != 2 || !strings.HasPrefix(events[0].Sentence, "slow: latency-p99 of all at demo/hello/production/web is ") ||
		!strings.HasSuffix(events[0].Sentence, ", above 500ms over 10s") || !strings.HasPrefix(events[1].Sentence, "hello takes ") {
		t.Errorf("said %+v", events)
	}
	if events[0].ID() == events[1].ID() {
		t.Error("two alarms have one name")
	}
}

func TestRulesThatCannotBeFollowedAreNamed(t *testing.T) {
	_, err := alarm.New([]alarm.Rule{{Metric: "mood", Of: "nobody", For: time.Second, Requests: -1, Template: "{{.Nothing}}"}})
	for _, want := range []string{"alarms[0]", "name is missing", `metric "mood"`, `of "nobody"`, "either above or below", "for 1s", "requests -1", "template"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error lacks %q: %v", want, err)
		}
	}
	twice := alarm.Rule{Name: "a", Metric: alarm.P99, Above: bound(1), For: time.Minute}
	if _, err := alarm.New([]alarm.Rule{twice, twice}); err == nil || !strings.Contains(err.Error(), "another alarm") {
		t.Errorf("got %v", err)
	}
}
