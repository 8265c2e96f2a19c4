package bench_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/client"

	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/test/island"
	"github.com/skyisland/skyisland/workflows"
)

const (
	alarmBar = 50 * time.Millisecond
	// longRamp is a step that only an alarm, or bad evidence, ends.
	longRamp = "{steps: [%s], bake: 1h, probe: 0s, patience: 2h}"
	// settled is how many requests the canary has answered when the alarm comes.
	settled = 20
)

// way is where the time from an alarm to the last request of the canary goes; each field is the time
// from the moment before it.
type way struct {
	// signaled: the API has the alarm in the release's history. taken: the worker has the workflow
	// task. decided: the workflow has asked for the way back. begun: the worker runs it. applied: every
	// gateway serves stable.
	signaled, taken, decided, begun, applied time.Duration
}

// benchAlarm rolls back one release after the other by an alarm at 50 %, under load, and measures from
// sending the alarm to the start of the last request that the canary answered.
func benchAlarm(b *testing.B, r *report, world *island.Island, c client.Client) {
	repo := world.Repo(b, "bench", "alarm")
	repo.Release(island.Version("stable")).WaitEnd(release.Completed)
	clients := startCrowd(b, repo.Entry("", "web"), *rate)
	defer clients.end()
	noise := startNoise(b.Context())
	var lasts []time.Duration
	var ways []way
	others := 0
	for b.Loop() {
		for n := range *rollbacks {
			m := island.Version(fmt.Sprintf("canary %d", n))
			m.Ramp = fmt.Sprintf(longRamp, "50%")
			under := repo.Release(m)
			status := under.WaitWeight(5000)
			candidate := status.Moves[0].Candidate.ID
			clients.await(b, candidate, settled)
			alarmed := time.Now()
			under.Alarm("TooManyErrors")
			under.WaitEnd(release.RolledBack)
			took, alarming := readWay(b, c, under.ID, alarmed)
			if !alarming {
				// The evidence was faster, as it may be by chance: nothing is measured of the alarm.
				others++
				continue
			}
			lasts = append(lasts, max(0, clients.of(candidate).last.Sub(alarmed)))
			ways = append(ways, took)
		}
	}
	clients.end()
	p99 := quantile(lasts, 0.99)
	r.judge("alarm to the last request of the canary, p99", "< 50 ms", p99 < alarmBar,
		"%.0f ms (p50 %.0f ms, slowest %.0f ms; %d rollbacks at %d requests/s)", ms(p99), ms(median(lasts)), ms(quantile(lasts, 1)), len(lasts), *rate)
	if others > 0 {
		r.add("alarm: releases that were rolled back before it came", "%d", others)
	}
	r.judge("alarm: failed requests", "0", clients.failures() == 0, "%d", clients.failures())
	r.add("alarm: until every gateway is back at stable", "%s", spread(ways, way.total))
	for _, part := range []struct {
		name string
		of   func(way) time.Duration
	}{
		{"alarm, 1: in the release's history", func(w way) time.Duration { return w.signaled }},
		{"alarm, 2: the worker has the workflow task", func(w way) time.Duration { return w.taken }},
		{"alarm, 3: the workflow has decided", func(w way) time.Duration { return w.decided }},
		{"alarm, 4: the worker has the activity", func(w way) time.Duration { return w.begun }},
		{"alarm, 5: every gateway has answered", func(w way) time.Duration { return w.applied }},
	} {
		r.add(part.name, "%s", spread(ways, part.of))
	}
	noise.end(r, "alarm")
	b.ReportMetric(ms(median(lasts)), "p50-ms")
	b.ReportMetric(ms(p99), "p99-ms")
	b.ReportMetric(0, "ns/op")
}

func (w way) total() time.Duration { return w.signaled + w.taken + w.decided + w.begun + w.applied }

func spread(ways []way, of func(way) time.Duration) string {
	values := make([]time.Duration, len(ways))
	for i, w := range ways {
		values[i] = of(w)
	}
	return fmt.Sprintf("p50 %.1f ms, p99 %.1f ms", ms(median(values)), ms(quantile(values, 0.99)))
}

// readWay reads from the release's history when each part of the rollback was done. The server, the
// worker and this process have the same clock. It was not the alarm's doing when another rollback was under way.
func readWay(b *testing.B, c client.Client, id release.ID, alarmed time.Time) (w way, alarming bool) {
	b.Helper()
	var signaled, taken, decided, begun, applied time.Time
	apply := int64(0)
	at := func(e *historypb.HistoryEvent) time.Time { return e.GetEventTime().AsTime() }
	events := c.GetWorkflowHistory(b.Context(), id.WorkflowID(), "", false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		event, err := events.Next()
		require.NoError(b, err)
		switch event.GetEventType() {
		case enums.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED:
			if event.GetWorkflowExecutionSignaledEventAttributes().GetSignalName() == workflows.SignalAlarm {
				signaled = at(event)
			}
		case enums.EVENT_TYPE_WORKFLOW_TASK_STARTED:
			if !signaled.IsZero() && taken.IsZero() {
				taken = at(event)
			}
		case enums.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
			attributes := event.GetActivityTaskScheduledEventAttributes()
			if !taken.IsZero() && apply == 0 && attributes.GetActivityType().GetName() == "Apply" {
				decided, apply = at(event), event.GetEventId()
			}
		case enums.EVENT_TYPE_ACTIVITY_TASK_STARTED:
			if apply > 0 && event.GetActivityTaskStartedEventAttributes().GetScheduledEventId() == apply {
				begun = at(event)
			}
		case enums.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
			if apply > 0 && event.GetActivityTaskCompletedEventAttributes().GetScheduledEventId() == apply {
				applied = at(event)
			}
		}
	}
	if applied.IsZero() {
		return way{}, false
	}
	return way{signaled.Sub(alarmed), taken.Sub(signaled), decided.Sub(taken), begun.Sub(decided), applied.Sub(begun)}, true
}
