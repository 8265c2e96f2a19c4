package worker_test

import (
	"testing"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/workflow"

	"github.com/skyisland/skyisland/activities"
	"github.com/skyisland/skyisland/worker"
	"github.com/skyisland/skyisland/workflows"
)

// registry keeps what is registered.
type registry struct {
	workflows map[string]workflow.VersioningBehavior
	groups    int
}

func (r *registry) RegisterWorkflowWithOptions(_ any, options workflow.RegisterOptions) {
	r.workflows[options.Name] = options.VersioningBehavior
}

func (r *registry) RegisterActivityWithOptions(any, activity.RegisterOptions) { r.groups++ }

func TestRegister(t *testing.T) {
	all := worker.Activities{
		Source: &activities.Source{}, Build: &activities.Build{}, Deploy: &activities.Deploy{}, Checks: &activities.Checks{},
		Traffic: &activities.Traffic{}, Watch: &activities.Watch{}, Policy: &activities.Policy{}, Record: &activities.Record{},
	}
	for _, c := range []struct {
		name          string
		options       worker.Options
		lane, release workflow.VersioningBehavior
	}{
		{"a worker that is replaced in place has no versions", worker.Options{}, workflow.VersioningBehaviorUnspecified, workflow.VersioningBehaviorUnspecified},
		{"lanes move on to the newest build, releases stay with theirs", worker.Options{Deployment: "skyisland", BuildID: "1.2.3"},
			workflow.VersioningBehaviorAutoUpgrade, workflow.VersioningBehaviorPinned},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := &registry{workflows: map[string]workflow.VersioningBehavior{}}
			worker.Register(r, all, c.options)
			if len(r.workflows) != 2 || r.workflows[workflows.LaneType] != c.lane || r.workflows[workflows.ReleaseType] != c.release {
				t.Errorf("registered %v, want lanes %v and releases %v", r.workflows, c.lane, c.release)
			}
			if r.groups != 8 {
				t.Errorf("%d groups of activities are registered, want all 8", r.groups)
			}
		})
	}
}
