package workflows

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/skyisland/skyisland/activities"
)

// quick is for asking the rules and writing the journal: milliseconds of work on a service that may
// be away. It is tried for as long as the release waits; nothing moves without the answer.
func quick(ctx workflow.Context, summary string) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		Summary:             summary,
		StartToCloseTimeout: 10 * time.Second,
		RetryPolicy:         &temporal.RetryPolicy{InitialInterval: 100 * time.Millisecond, BackoffCoefficient: 2, MaximumInterval: 5 * time.Second},
	})
}

// gate is for work before there is traffic. It may take as long as its own bound and is given up
// after an hour of attempts, so that a release cannot wait for ever for a repository that is gone.
func gate(ctx workflow.Context, bound time.Duration, summary string) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		Summary:                summary,
		StartToCloseTimeout:    bound + time.Minute,
		ScheduleToCloseTimeout: bound + time.Hour,
		// Long work heartbeats every second; a worker that died is noticed after ten.
		HeartbeatTimeout: 10 * time.Second,
		RetryPolicy:      &temporal.RetryPolicy{InitialInterval: time.Second, BackoffCoefficient: 2, MaximumInterval: 30 * time.Second},
	})
}

// looking is for asking somebody outside how something is that the release waits for. It is asked again while the time
// for that lasts, and once more after it.
func looking(ctx workflow.Context, left time.Duration, summary string) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		Summary:                summary,
		StartToCloseTimeout:    30 * time.Second,
		ScheduleToCloseTimeout: max(left, 0) + time.Minute,
		RetryPolicy:            &temporal.RetryPolicy{InitialInterval: time.Second, BackoffCoefficient: 2, MaximumInterval: 30 * time.Second},
	})
}

// deploying is [gate] for work that leaves something running. A cancelled attempt is waited for, or it
// would start what was retired just before.
func deploying(ctx workflow.Context, bound time.Duration, summary string) workflow.Context {
	options := workflow.GetActivityOptions(gate(ctx, bound, summary))
	options.WaitForCancellation = true
	return workflow.WithActivityOptions(ctx, options)
}

// traffic is for moving weights: short attempts in quick succession, until the bound. What a gateway
// that stayed away has missed, the reconciler gives it when it is back.
func traffic(ctx workflow.Context, bound time.Duration, summary string) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		Summary:                summary,
		StartToCloseTimeout:    5 * time.Second,
		ScheduleToCloseTimeout: bound,
		RetryPolicy:            &temporal.RetryPolicy{InitialInterval: 50 * time.Millisecond, BackoffCoefficient: 1.5, MaximumInterval: time.Second},
	})
}

// watching is for the watcher. Its heartbeat holds the state of the test, and another worker has to
// take over well within the lease, so a lost one is noticed after four seconds and tried at once.
// Cancelling waits for its last state.
func watching(ctx workflow.Context, summary string) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		Summary:             summary,
		StartToCloseTimeout: 366 * 24 * time.Hour,
		HeartbeatTimeout:    4 * time.Second,
		WaitForCancellation: true,
		RetryPolicy:         &temporal.RetryPolicy{InitialInterval: 100 * time.Millisecond, BackoffCoefficient: 1.5, MaximumInterval: time.Second},
	})
}

// retiring is for ending revisions that no longer serve. It must not keep a release from ending, so
// it is given up after ten minutes.
func retiring(ctx workflow.Context, drain time.Duration, summary string) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		Summary:                summary,
		StartToCloseTimeout:    2*drain + 30*time.Second,
		ScheduleToCloseTimeout: 2*drain + 10*time.Minute,
		HeartbeatTimeout:       10 * time.Second,
		RetryPolicy:            &temporal.RetryPolicy{InitialInterval: 200 * time.Millisecond, BackoffCoefficient: 2, MaximumInterval: 10 * time.Second},
	})
}

// lease is how long a gateway keeps a canary's weight without hearing from a watcher. Ten seconds
// leave time for a lost watcher to be noticed and started elsewhere.
const lease = 10 * time.Second

// The activities are named by their methods on nil pointers, which exist for their names only.
var (
	source  *activities.Source
	builds  *activities.Build
	deploys *activities.Deploy
	checks  *activities.Checks
	routes  *activities.Traffic
	watch   *activities.Watch
	rules   *activities.Policy
	records *activities.Record
)
