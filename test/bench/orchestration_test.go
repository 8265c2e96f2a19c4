package bench_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/skyisland/skyisland/activities"
	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/workflows"
)

const (
	benchQueue       = "skyisland-bench"
	orchestrationBar = 1.3
	bareType         = "Bare"
	nothingType      = "Nothing"
	// releasePatience is when a workflow counts as stuck.
	releasePatience = 20 * time.Second
)

// bare runs so many activities that do nothing, one after the other: what a process of that length
// costs on this server at the least.
func bare(ctx workflow.Context, count int) error {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: 10 * time.Second})
	for range count {
		if err := workflow.ExecuteActivity(ctx, nothingType).Get(ctx, nil); err != nil {
			return err
		}
	}
	return nil
}

// instant are the activities of a release, by their names, each with the answer that lets the release
// go on at once.
func instant() map[string]any {
	target := release.Target{Endpoints: []string{"127.0.0.1:20000"}}
	return map[string]any{
		"Resolve": func(context.Context, activities.ResolveInput) (activities.ResolveResult, error) {
			return activities.ResolveResult{Spec: benchSpec()}, nil
		},
		"Build": func(context.Context, activities.BuildInput) (activities.BuildResult, error) {
			return activities.BuildResult{Artifact: digestOf("new")}, nil
		},
		"Deploy": func(_ context.Context, in activities.DeployInput) (activities.DeployResult, error) {
			target.Revision = in.Revision.ID
			return activities.DeployResult{Target: target}, nil
		},
		"Retire": func(context.Context, activities.RetireInput) (activities.RetireResult, error) {
			return activities.RetireResult{}, nil
		},
		"Check": func(context.Context, activities.RouteInput) (activities.RouteResult, error) {
			return activities.RouteResult{}, nil
		},
		"Apply": func(context.Context, activities.RouteInput) (activities.RouteResult, error) {
			return activities.RouteResult{}, nil
		},
		"Watch": func(_ context.Context, in activities.WatchInput) (activities.WatchResult, error) {
			return activities.WatchResult{End: activities.WatchPassed, State: in.State, Evidence: release.Evidence{Verdict: release.VerdictPass}}, nil
		},
		"Decide": func(_ context.Context, in activities.DecideInput) (activities.DecideResult, error) {
			return activities.DecideResult{Decision: release.Decision{Gate: in.Question.Gate, Allow: true}}, nil
		},
		"Progress": func(context.Context, activities.ProgressInput) (activities.RecordResult, error) {
			return activities.RecordResult{}, nil
		},
		"Routes": func(context.Context, activities.RouteInput) (activities.RecordResult, error) {
			return activities.RecordResult{}, nil
		},
		"Stable": func(context.Context, activities.StableInput) (activities.RecordResult, error) {
			return activities.RecordResult{}, nil
		},
		"Recall": func(context.Context, activities.RecallInput) (activities.RecallResult, error) {
			return activities.RecallResult{}, nil
		},
		nothingType: func(context.Context) error { return nil },
	}
}

// benchOrchestration compares a release that waits for nothing with a bare workflow of as many
// activities, on the program's own Temporal server, in turns.
func benchOrchestration(b *testing.B, r *report, c client.Client) {
	w := worker.New(c, benchQueue, worker.Options{})
	for name, does := range instant() {
		w.RegisterActivityWithOptions(does, activity.RegisterOptions{Name: name})
	}
	w.RegisterWorkflowWithOptions(workflows.Release, workflow.RegisterOptions{Name: workflows.ReleaseType})
	w.RegisterWorkflowWithOptions(workflows.Lane, workflow.RegisterOptions{Name: workflows.LaneType})
	w.RegisterWorkflowWithOptions(bare, workflow.RegisterOptions{Name: bareType})
	require.NoError(b, w.Start())
	defer w.Stop()
	// A release tells its lane how it ended.
	lane, err := c.ExecuteWorkflow(b.Context(), queued(benchLane.WorkflowID()), workflows.LaneType, workflows.LaneInput{Lane: benchLane})
	require.NoError(b, err)
	defer func() {
		_ = c.TerminateWorkflow(context.WithoutCancel(b.Context()), lane.GetID(), "", "the benchmark is over")
	}()
	number := 0
	runRelease := func() time.Duration {
		number++
		id := release.ID{Lane: benchLane, Number: number}
		in := workflows.ReleaseInput{Release: id, Request: benchRequest(time.Now().UTC()), Stable: benchStable()}
		var outcome release.Outcome
		took := runWorkflow(b, c, id.WorkflowID(), &outcome, workflows.ReleaseType, in)
		require.Equal(b, release.Completed, outcome.Phase, "%v", outcome.Cause)
		return took
	}
	runBare := func(count int) time.Duration {
		return runWorkflow(b, c, fmt.Sprintf("bare/%d", number), nil, bareType, count)
	}
	runRelease()
	count, journal, scheduled := countActivities(b, c, number)
	runBare(count)
	var whole, least []float64
	for b.Loop() {
		for i := range *pairs {
			// Who goes first changes, so that neither always meets what the other left behind.
			if i%2 == 0 {
				whole = append(whole, ms(runRelease()))
				least = append(least, ms(runBare(count)))
			} else {
				number++
				least = append(least, ms(runBare(count)))
				number--
				whole = append(whole, ms(runRelease()))
			}
		}
	}
	cost := ratio(whole, least)
	r.judge("orchestration: release / bare workflow", "<= 1.3", cost <= orchestrationBar,
		"%.2f (%d activities each; %.0f ms and %.0f ms, medians of %d pairs)", cost, count, median(whole), median(least), len(whole))
	onWay := cost * float64(count) / float64(count-journal)
	r.add("orchestration: the same without the journal", "%.2f (%d activities: %d of a release write its journal beside its way)", onWay, count-journal, journal)
	r.note("Activities of a release with nothing to wait for: %s", scheduled)
	b.ReportMetric(cost, "x-bare")
	b.ReportMetric(median(whole), "ms/release")
	b.ReportMetric(0, "ns/op")
}

func queued(id string) client.StartWorkflowOptions {
	return client.StartWorkflowOptions{
		ID: id, TaskQueue: benchQueue, WorkflowIDConflictPolicy: enums.WORKFLOW_ID_CONFLICT_POLICY_FAIL,
		TypedSearchAttributes: workflows.LaneAttributes(benchLane),
		RetryPolicy:           &temporal.RetryPolicy{MaximumAttempts: 1},
	}
}

// runWorkflow returns how long a workflow ran by the server's own times of start and end: a client that
// waits for the end can hear of it late.
func runWorkflow(b *testing.B, c client.Client, id string, result any, name string, in any) time.Duration {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), releasePatience)
	defer cancel()
	run, err := c.ExecuteWorkflow(ctx, queued(id), name, in)
	require.NoError(b, err)
	failed := run.Get(ctx, result)
	described, err := c.DescribeWorkflowExecution(b.Context(), id, run.GetRunID())
	require.NoError(b, err)
	require.NoError(b, failed, "%s has not ended well; it waits for %v", id, described.GetPendingActivities())
	info := described.GetWorkflowExecutionInfo()
	return info.GetCloseTime().AsTime().Sub(info.GetStartTime().AsTime())
}

// countActivities counts a release's activities in its history, and those of them that write its
// journal: they run beside its way, where those of the bare workflow run one after the other.
func countActivities(b *testing.B, c client.Client, number int) (count, journal int, list string) {
	b.Helper()
	id := release.ID{Lane: benchLane, Number: number}
	kinds := map[string]int{}
	tasks := 0
	events := c.GetWorkflowHistory(b.Context(), id.WorkflowID(), "", false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		event, err := events.Next()
		require.NoError(b, err)
		switch event.GetEventType() {
		case enums.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
			kinds[event.GetActivityTaskScheduledEventAttributes().GetActivityType().GetName()]++
			count++
		case enums.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
			tasks++
		}
	}
	return count, kinds["Progress"], fmt.Sprintf("%s in %d workflow tasks.", tally(kinds), tasks)
}
