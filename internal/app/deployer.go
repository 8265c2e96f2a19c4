package app

import (
	"context"
	"errors"

	"github.com/skyisland/skyisland/activities"
	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/internal/runtime"
)

// deployer runs revisions as processes.
type deployer struct{ runtime *runtime.Runtime }

// Deploy runs a revision and says where it listens, or why it does not.
func (d deployer) Deploy(ctx context.Context, unit string, lane release.Lane, revision release.Revision, progress func(string)) (activities.DeployReport, error) {
	target, err := d.runtime.Deploy(ctx, runtime.Deployment{Unit: unit, Lane: lane.String(), Revision: revision}, progress)
	var unhealthy *runtime.UnhealthyError
	if errors.As(err, &unhealthy) {
		return activities.DeployReport{Failure: unhealthy.Error(), Tail: unhealthy.LogTail}, nil
	}
	return activities.DeployReport{Target: target}, err
}

// Retire ends a revision.
func (d deployer) Retire(ctx context.Context, unit string, lane release.Lane, revision string) error {
	return d.runtime.Retire(ctx, runtime.Key{Unit: unit, Lane: lane.String(), Revision: revision})
}
