// Package worker runs the workflows and activities of Sky Island against a Temporal server: what is
// registered under which name, and how much runs at once.
package worker

import (
	"cmp"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/skyisland/skyisland/activities"
	"github.com/skyisland/skyisland/workflows"
)

// Activities are the activities a worker runs, each with its providers.
type Activities struct {
	Source  *activities.Source
	Build   *activities.Build
	Deploy  *activities.Deploy
	Checks  *activities.Checks
	Traffic *activities.Traffic
	Watch   *activities.Watch
	Policy  *activities.Policy
	Record  *activities.Record
}

// Options are what differs between installations.
type Options struct {
	// Deployment and BuildID turn worker versioning on: releases stay with the build that started
	// them, lanes move on to the newest. Leave both empty where one worker is replaced in place.
	Deployment string
	BuildID    string
	// MaxActivities bounds how many activities run at once; 0 is 4000. Each release that moves
	// traffic holds one for as long as it does, which can be days.
	MaxActivities int
}

const (
	// defaultMaxActivities leaves room for rollbacks beside thousands of releases that are watched: a
	// rollback that waited for a watcher's place would wait for days. A watcher, or an activity that
	// waits for a gateway, costs a goroutine.
	defaultMaxActivities = 4000
	// stopTimeout is how long activities may take to end when the worker stops.
	stopTimeout = 5 * time.Second
	// beatThrottle lets every heartbeat of a watcher through: its state is worth a second at most.
	beatThrottle = time.Second
)

// Registry is where workflows and activities are registered: a worker, or a test environment.
type Registry interface {
	RegisterWorkflowWithOptions(w any, options workflow.RegisterOptions)
	RegisterActivityWithOptions(a any, options activity.RegisterOptions)
}

// New is a worker that is ready to run.
func New(c client.Client, all Activities, options Options) worker.Worker {
	w := worker.New(c, workflows.TaskQueue, settings(options))
	Register(w, all, options)
	return w
}

func settings(options Options) worker.Options {
	out := worker.Options{
		MaxConcurrentActivityExecutionSize: cmp.Or(options.MaxActivities, defaultMaxActivities),
		WorkerStopTimeout:                  stopTimeout,
		MaxHeartbeatThrottleInterval:       beatThrottle,
		DefaultHeartbeatThrottleInterval:   beatThrottle,
	}
	if options.BuildID != "" {
		out.DeploymentOptions = worker.DeploymentOptions{
			UseVersioning: true,
			Version:       worker.WorkerDeploymentVersion{DeploymentName: options.Deployment, BuildID: options.BuildID},
		}
	}
	return out
}

// Register registers everything under its name.
func Register(r Registry, all Activities, options Options) {
	lane, release := workflow.RegisterOptions{Name: workflows.LaneType}, workflow.RegisterOptions{Name: workflows.ReleaseType}
	if options.BuildID != "" {
		lane.VersioningBehavior = workflow.VersioningBehaviorAutoUpgrade
		release.VersioningBehavior = workflow.VersioningBehaviorPinned
	}
	r.RegisterWorkflowWithOptions(workflows.Lane, lane)
	r.RegisterWorkflowWithOptions(workflows.Release, release)
	for _, group := range []any{all.Source, all.Build, all.Deploy, all.Checks, all.Traffic, all.Watch, all.Policy, all.Record} {
		r.RegisterActivityWithOptions(group, activity.RegisterOptions{})
	}
}
