package activities

import (
	"context"
	"fmt"

	"github.com/skyisland/skyisland/internal/release"
)

// Prover tries a candidate that has no traffic.
type Prover interface {
	// Cases runs the cases found in dir against every endpoint.
	Cases(ctx context.Context, dir string, candidate Candidate, progress func(string)) (ProofReport, error)
	// Press drives load at the endpoints and finds what one instance carries.
	Press(ctx context.Context, dir string, candidate Candidate, pressure release.Pressure, progress func(string)) (ProofReport, error)
}

// Candidate is a candidate's cases and where it listens.
type Candidate struct {
	Component string
	Ingress   release.Ingress
	Patterns  []string
	Endpoints []string
}

// ProofReport is how a trial went.
type ProofReport struct {
	// Failure is empty when the candidate did well.
	Failure string
	// Summary is a sentence with the numbers, Details are further lines.
	Summary string
	Details []string
}

// Checks holds the activities that try a candidate before it has traffic.
type Checks struct {
	Repositories Repositories
	Prover       Prover
	// Dir is where working copies are made and removed again.
	Dir string
}

// CheckInput names a candidate in one unit.
type CheckInput struct {
	Repository string
	Commit     string
	Unit       string
	Component  release.Component
	Endpoints  []string
	// Pressure is nil for cases.
	Pressure *release.Pressure
}

// CheckResult is what was seen.
type CheckResult struct {
	Summary string
}

// Cases runs the function cases. A case that fails ends it finally as [TypeGate].
func (c *Checks) Cases(ctx context.Context, in CheckInput) (CheckResult, error) {
	return c.prove(ctx, in, release.CauseCases, "cases of", c.Prover.Cases)
}

// Press runs the pressure gate. Too little capacity ends it finally as [TypeGate] with the numbers.
func (c *Checks) Press(ctx context.Context, in CheckInput) (CheckResult, error) {
	press := func(ctx context.Context, dir string, candidate Candidate, progress func(string)) (ProofReport, error) {
		return c.Prover.Press(ctx, dir, candidate, *in.Pressure, progress)
	}
	return c.prove(ctx, in, release.CausePressure, "pressure on", press)
}

type trial func(ctx context.Context, dir string, candidate Candidate, progress func(string)) (ProofReport, error)

func (c *Checks) prove(ctx context.Context, in CheckInput, kind release.CauseKind, what string, try trial) (CheckResult, error) {
	say, stop := beat(ctx)
	defer stop()
	var result CheckResult
	err := inWorkingCopy(ctx, c.Repositories, c.Dir, in.Repository, in.Commit, in.Component, func(dir string) error {
		candidate := Candidate{
			Component: in.Component.Name, Ingress: in.Component.Ingress,
			Patterns: in.Component.Cases, Endpoints: in.Endpoints,
		}
		report, err := try(ctx, dir, candidate, say)
		if err := ended(ctx, err); err != nil {
			return fmt.Errorf("%s %s in unit %s: %w", what, in.Component.Name, in.Unit, err)
		}
		if report.Failure != "" {
			return gateFailed(release.Cause{
				Kind:    kind,
				Message: fmt.Sprintf("%s %s in unit %s: %s", what, in.Component.Name, in.Unit, report.Failure),
				Details: report.Details,
			})
		}
		result.Summary = report.Summary
		return nil
	})
	return result, err
}
