package progress

import (
	"fmt"
	"time"

	"github.com/skyisland/skyisland/internal/release"
)

// Lines tells what changed from one status to the next, a line each, for logs and pipes. Each begins
// with a time and the release; details of an end follow it, indented. Before the first status,
// before is the zero value.
func Lines(before, after release.Status, now time.Time) []string {
	var out []string
	add := func(at time.Time, format string, args ...any) {
		out = append(out, at.UTC().Format(time.RFC3339)+" "+after.ID.String()+" "+Clean(fmt.Sprintf(format, args...)))
	}
	last := 0
	if n := len(before.Timeline); n > 0 {
		last = before.Timeline[n-1].Number
	}
	told := false
	for _, entry := range after.Timeline {
		if entry.Number <= last {
			continue
		}
		told = true
		add(entry.At, "%s: %s", entry.Phase, entry.Message)
	}
	if before.Phase != after.Phase && !told {
		add(now, "%s", after.Phase)
	}
	if before.Weight != after.Weight {
		add(now, "%s: weight %s", after.Phase, after.Weight)
	}
	if before.Paused != after.Paused && !told {
		add(now, "%s: %s", after.Phase, map[bool]string{true: "paused", false: "resumed"}[after.Paused])
	}
	if w := after.Waiting; w != nil && (before.Waiting == nil || *before.Waiting != *w) && !after.Phase.Ended() {
		until := ""
		if !w.Until.IsZero() {
			until = " until " + w.Until.UTC().Format(time.RFC3339)
		}
		add(now, "%s: waits for %s%s", after.Phase, w.For, until)
	}
	if e := after.Evidence; e != nil && (before.Evidence == nil || before.Evidence.Verdict != e.Verdict || before.Evidence.Hold != e.Hold) {
		add(now, "%s: verdict %s: %s (canary %d bad of %d, stable %d bad of %d)", after.Phase, e.Verdict, e.Sentence,
			e.CanaryBad, e.CanaryRequests, e.StableBad, e.StableRequests)
	}
	if !before.Phase.Ended() && after.Phase.Ended() {
		details := ending(after, add)
		out = append(out, details...)
	}
	return out
}

// ending says how it ended; its cause's details are returned as further lines.
func ending(s release.Status, add func(time.Time, string, ...any)) []string {
	if s.Cause == nil {
		add(s.Since, "ended %s", s.Phase)
		return nil
	}
	add(s.Since, "ended %s: %s", s.Phase, s.Cause.Message)
	var out []string
	for _, detail := range s.Cause.Details {
		out = append(out, "  "+Clean(detail))
	}
	return out
}
