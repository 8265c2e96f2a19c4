package workflows

import (
	"go.temporal.io/sdk/workflow"

	"github.com/skyisland/skyisland/internal/release"
)

// ReleaseInput is what a lane hands to a release.
type ReleaseInput struct {
	Release release.ID
	Request release.Request
	// Stable is what serves the lane, by component.
	Stable map[string]release.Revision
	// Refused is set when the release is over before it begins: its manifest cannot be used, the
	// lane rejects it, or a newer one has overtaken it in the queue. It is recorded like any other.
	Refused *Refusal
}

// Refusal is an end without a beginning.
type Refusal struct {
	Event release.Event
	Cause release.Cause
}

// Release takes one commit to full traffic in every unit, or back. It returns an error only when it
// could not even end; every end that a release can have is an [release.Outcome].
func Release(ctx workflow.Context, in ReleaseInput) (release.Outcome, error) {
	r, err := newRun(ctx, in)
	if err != nil {
		return release.Outcome{}, err
	}
	for _, stage := range []struct {
		phase release.Phase
		do    func(workflow.Context) error
	}{
		{release.Admitting, r.admit},
		{release.Building, r.build},
		{release.Testing, r.test},
		{release.Deploying, r.deploy},
		{release.Verifying, r.verify},
		{release.Pressing, r.press},
		{release.Approving, r.approve},
		{release.Ramping, r.ramp},
		{release.CuttingOver, r.cutOver},
		{release.Watching, r.watchOver},
	} {
		if err := r.pass(stage.phase, stage.do); err != nil {
			return r.end(r.stopFor(err))
		}
	}
	return r.complete(release.Passed)
}
