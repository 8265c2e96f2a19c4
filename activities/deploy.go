package activities

import (
	"context"
	"errors"
	"fmt"

	"github.com/skyisland/skyisland/internal/release"
)

// Runtime runs revisions, several of a component side by side.
type Runtime interface {
	// Deploy makes sure that the revision's instances run in the unit and are healthy. A revision
	// that does not become healthy is reported in Failure; [release.ErrConflict] is one that runs
	// already, with another configuration; any other error means that it could not be judged.
	Deploy(ctx context.Context, unit string, lane release.Lane, revision release.Revision, progress func(string)) (DeployReport, error)
	// Retire ends the revision's instances. A revision that does not run is no error.
	Retire(ctx context.Context, unit string, lane release.Lane, revision string) error
}

// DeployReport is where a revision listens, or why it does not.
type DeployReport struct {
	Target release.Target
	// Failure is empty when all instances are healthy; Tail are the last lines they wrote.
	Failure string
	Tail    []string
}

// Drainer waits until a gateway has no request under way to a revision.
type Drainer interface {
	// Drain returns [release.ErrConflict] while a route of the lane leads to the revision in the unit.
	Drain(ctx context.Context, unit string, lane release.Lane, revision string) error
}

// Deploy holds the activities that start and end revisions.
type Deploy struct {
	Runtime  Runtime
	Gateways Drainer
}

// DeployInput names a revision and the unit it runs in.
type DeployInput struct {
	Unit     string
	Lane     release.Lane
	Revision release.Revision
}

// DeployResult is where its instances listen.
type DeployResult struct {
	Target release.Target
}

// Deploy runs a revision beside the others, without traffic. It fails finally as [TypeGate] when
// the revision does not become healthy, or runs already with another configuration.
func (d *Deploy) Deploy(ctx context.Context, in DeployInput) (DeployResult, error) {
	say, stop := beat(ctx)
	defer stop()
	report, err := d.Runtime.Deploy(ctx, in.Unit, in.Lane, in.Revision, say)
	if errors.Is(err, release.ErrConflict) {
		return DeployResult{}, gateFailed(release.Cause{
			Kind:    release.CauseHealth,
			Message: fmt.Sprintf("%s cannot be deployed in unit %s: %s", in.Revision.ID, in.Unit, err),
		})
	}
	if err := ended(ctx, err); err != nil {
		return DeployResult{}, fmt.Errorf("deploy %s in unit %s: %w", in.Revision.ID, in.Unit, err)
	}
	if report.Failure != "" {
		return DeployResult{}, gateFailed(release.Cause{
			Kind:    release.CauseHealth,
			Message: fmt.Sprintf("%s never became healthy in unit %s: %s", in.Revision.ID, in.Unit, report.Failure),
			Details: report.Tail,
		})
	}
	return DeployResult{Target: report.Target}, nil
}

// RetireInput names the revision to end.
type RetireInput struct {
	Unit string
	// Lane is part of the name: two environments may run the same revision side by side.
	Lane     release.Lane
	Revision string
	// Drain is how long requests under way may take to finish.
	Drain release.Duration
}

// RetireResult is empty.
type RetireResult struct{}

// Retire ends a revision after the requests under way to it have finished, or have had their time.
// While a route still leads to it, it refuses and is tried again.
func (d *Deploy) Retire(ctx context.Context, in RetireInput) (RetireResult, error) {
	_, stop := beat(ctx)
	defer stop()
	drain, cancel := context.WithTimeout(ctx, in.Drain.Std())
	defer cancel()
	err := d.Gateways.Drain(drain, in.Unit, in.Lane, in.Revision)
	// Only a route that still leads there forbids the end: a connection without end, such as a
	// WebSocket, had its time, and a gateway that is gone has no request under way.
	if errors.Is(err, release.ErrConflict) {
		return RetireResult{}, fmt.Errorf("drain %s in unit %s: %w", in.Revision, in.Unit, err)
	}
	// A drain that was interrupted has not had its time.
	if err := ctx.Err(); err != nil {
		return RetireResult{}, fmt.Errorf("drain %s in unit %s: %w", in.Revision, in.Unit, err)
	}
	if err := d.Runtime.Retire(ctx, in.Unit, in.Lane, in.Revision); err != nil {
		return RetireResult{}, fmt.Errorf("retire %s in unit %s: %w", in.Revision, in.Unit, err)
	}
	return RetireResult{}, nil
}
