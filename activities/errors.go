package activities

import (
	"context"
	"errors"

	"go.temporal.io/sdk/temporal"

	"github.com/skyisland/skyisland/internal/release"
)

// The types under which errors reach a workflow. All of them are final: trying again with the same
// input would end the same way. Every other error is retried.
const (
	// TypeManifest is a manifest that cannot be used; its details are [release.Problems].
	TypeManifest = "ManifestInvalid"
	// TypeSource is a commit that the repository does not have.
	TypeSource = "CommitUnknown"
	// TypeGate is a gate that said no: a build, a test, a case, a health check or the pressure
	// gate; its details are a [release.Cause].
	TypeGate = "GateFailed"
	// TypeEvidence is evidence that cannot be judged: the watcher cannot go on.
	TypeEvidence = "EvidenceUnusable"
	// TypeTraffic is a route that a gateway refuses; its details are a [release.Cause].
	TypeTraffic = "RouteRefused"
	// TypeLapsed is a weight for a canary whose lease has run out: the ramp has to begin again.
	TypeLapsed = "LeaseLapsed"
)

// gateFailed is the final error of a gate that said no.
func gateFailed(cause release.Cause) error {
	return temporal.NewNonRetryableApplicationError(cause.Message, TypeGate, nil, cause)
}

// ended is the error of work, or that of its context: work that was interrupted, because its worker
// stops or it was called off, has not been judged, whatever it says of itself.
func ended(ctx context.Context, err error) error {
	if err != nil {
		return err
	}
	return ctx.Err()
}

// CauseOf is the cause that an activity's final error carries. The second result is false for an
// error that is not one of this package's.
func CauseOf(err error) (release.Cause, bool) {
	var application *temporal.ApplicationError
	if !errors.As(err, &application) {
		return release.Cause{}, false
	}
	switch application.Type() {
	case TypeGate, TypeTraffic:
		var cause release.Cause
		if application.Details(&cause) != nil {
			return release.Cause{}, false
		}
		return cause, true
	case TypeManifest:
		return manifestCause(application), true
	case TypeSource:
		return release.Cause{Kind: release.CauseSource, Message: application.Message()}, true
	default:
		return release.Cause{}, false
	}
}

func manifestCause(application *temporal.ApplicationError) release.Cause {
	cause := release.Cause{Kind: release.CauseManifest, Message: application.Message()}
	var problems release.Problems
	if application.Details(&problems) == nil {
		cause = ManifestCause(problems)
	}
	return cause
}

// ManifestCause is the cause of a release refused for what its manifest says.
func ManifestCause(problems release.Problems) release.Cause {
	cause := release.Cause{Kind: release.CauseManifest, Message: "skyisland.yaml cannot be used"}
	for _, problem := range problems {
		cause.Details = append(cause.Details, problem.String())
	}
	return cause
}
