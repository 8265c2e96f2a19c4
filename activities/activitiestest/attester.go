package activitiestest

import (
	"context"
	"slices"
	"sync"

	"github.com/skyisland/skyisland/activities"
	"github.com/skyisland/skyisland/internal/release"
)

// Attester keeps what was made. It is an [activities.Attester] and an [activities.Origins].
type Attester struct {
	mu   sync.Mutex
	away bool
	made []activities.Made
}

// Away lets nothing be kept, and nobody look.
func (a *Attester) Away(away bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.away = away
}

// Made is what was stated so far, in order.
func (a *Attester) Made() []activities.Made {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.made)
}

// Attest keeps what was made.
func (a *Attester) Attest(_ context.Context, made activities.Made) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.away {
		return errAway
	}
	a.made = append(a.made, made)
	return nil
}

// Origins knows the candidates that were stated.
func (a *Attester) Origins(_ context.Context, plan release.Plan) ([]release.Provenance, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.away {
		return nil, errAway
	}
	var out []release.Provenance
	for _, move := range plan.Moves {
		origin := release.Provenance{Component: move.Component, Artifact: move.Candidate.Artifact, Problem: "nothing is stated"}
		for _, made := range a.made {
			if made.Artifact == origin.Artifact {
				origin.Verified, origin.Problem, origin.Commit = true, "", made.Commit
			}
		}
		out = append(out, origin)
	}
	return out, nil
}
