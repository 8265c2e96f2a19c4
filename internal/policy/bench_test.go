package policy_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/policy"
)

// manyWindows are as many freeze windows as an installation may have, each made by change from one of an hour on the
// day of the question, which is over.
func manyWindows(change func(i int, window map[string]any)) map[string]any {
	windows := make([]any, 1000)
	for i := range windows {
		window := map[string]any{
			"starts": "2026-03-02T01:00:00+08:00", "ends": "2026-03-02T02:00:00+08:00",
			"reason": fmt.Sprintf("stock-taking %d", i), "environments": []any{"production"},
		}
		change(i, window)
		windows[i] = window
	}
	return map[string]any{"freeze_windows": windows}
}

// everyTopic switches everything on, for a release that all of it allows.
func everyTopic() map[string]any {
	return map[string]any{
		"break_glass":  map[string]any{"groups": []any{"incident-commanders"}, "lifts": []any{"freeze.open"}},
		"error_budget": []any{map[string]any{"left_percent": 80, "least_percent": 10}},
		"freeze_calendars": []any{map[string]any{
			"reason": "weekend", "time_zone": "Asia/Shanghai", "weekly": map[string]any{"from": "fri 16:00", "to": "mon 08:00"},
		}},
		"hours": []any{map[string]any{
			"time_zone": "Asia/Shanghai", "days": []any{"mon"}, "from": "10:00", "to": "17:00",
		}},
		"max_ramping":  3,
		"overriders":   []any{map[string]any{"from": []any{"release-managers"}}},
		"provenance":   []any{map[string]any{"environments": []any{"production"}, "builders": []any{"https://sky.example/builder"}}},
		"repositories": []any{map[string]any{"from": []any{"demo/*"}}},
		"requesters":   []any{map[string]any{"tenant": "demo", "names": []any{"ada"}}},
		"separation":   map[string]any{"requester": true},
		"tiers":        map[string]any{"critical": []any{map[string]any{"environments": []any{"production"}}}},
		"tier_rules":   map[string]any{"critical": map[string]any{"max_step_permyriad": 5000}},
	}
}

// BenchmarkDecide is what a decision takes; the design wants a 99th percentile of at most 5 ms with 1000 windows.
func BenchmarkDecide(b *testing.B) {
	for _, bench := range []struct {
		name string
		data map[string]any
		deny int
	}{
		{"no data", nil, 0},
		{"every topic", everyTopic(), 0},
		{"1000 freeze windows, one a day", manyWindows(func(i int, window map[string]any) {
			day := time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, i)
			window["starts"], window["ends"] = day.Format(time.RFC3339), day.AddDate(0, 0, 1).Format(time.RFC3339)
		}), 0},
		{"1000 freeze windows of one day, over", manyWindows(func(int, map[string]any) {}), 0},
		{"1000 freeze windows in local time, over", manyWindows(func(_ int, window map[string]any) {
			window["starts"], window["ends"], window["time_zone"] = "2026-03-02T01:00", "2026-03-02T02:00", "Asia/Shanghai"
		}), 0},
		{"1000 freeze windows, open for others", manyWindows(func(i int, window map[string]any) {
			window["ends"], window["tenants"] = "2026-03-03T02:00:00+08:00", []any{fmt.Sprintf("tenant-%d", i)}
		}), 0},
		{"1000 freeze windows through one day", manyWindows(func(i int, window map[string]any) {
			at := time.Date(2026, 3, 2, 0, 0, i*80, 0, time.FixedZone("", 8*3600))
			window["starts"], window["ends"] = at.Format(time.RFC3339), at.Add(time.Duration(1+i%97)*5*time.Minute).Format(time.RFC3339)
			if i%3 == 0 {
				window["applications"] = []any{fmt.Sprintf("app-%d", i%50), "hello"}
			}
		}), 10},
		{"1000 freeze windows, all open", manyWindows(func(_ int, window map[string]any) {
			window["ends"] = "2026-03-03T02:00:00+08:00"
		}), 10},
	} {
		b.Run(bench.name, func(b *testing.B) {
			e, q := engine(b, policy.Options{Data: bench.data}), question()
			var took []time.Duration
			for b.Loop() {
				begin := time.Now()
				if d := decide(b, e, q); len(d.Deny) != bench.deny {
					b.Fatal(d.Deny)
				}
				took = append(took, time.Since(begin))
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
		})
	}
}
