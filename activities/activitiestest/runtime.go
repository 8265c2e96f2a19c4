package activitiestest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/skyisland/skyisland/activities"
	"github.com/skyisland/skyisland/internal/release"
)

// Runtime runs revisions. It is an [activities.Runtime].
type Runtime struct {
	world *World

	mu      sync.Mutex
	running map[string]bool
	ill     map[string]string
	slow    time.Duration
}

// Slow lets every start take so long from now on, unless it is called off.
func (r *Runtime) Slow(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.slow = d
}

// Ail lets the candidates of a component never become healthy from now on.
func (r *Runtime) Ail(component, failure string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ill == nil {
		r.ill = map[string]string{}
	}
	r.ill[component] = failure
}

// Running lists what runs in a unit, sorted.
func (r *Runtime) Running(unit string) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []string
	for key := range r.running {
		if revision, here := strings.CutPrefix(key, unit+" "); here {
			out = append(out, revision)
		}
	}
	slices.Sort(out)
	return out
}

func (r *Runtime) runs(unit, revision string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.running[unit+" "+revision]
}

// Deploy starts a revision; one that runs already stays.
func (r *Runtime) Deploy(ctx context.Context, unit string, _ release.Lane, revision release.Revision, progress func(string)) (activities.DeployReport, error) {
	r.mu.Lock()
	slow := r.slow
	r.mu.Unlock()
	if slow > 0 {
		timer := time.NewTimer(slow)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return activities.DeployReport{}, ctx.Err()
		}
	}
	r.mu.Lock()
	failure := r.ill[revision.Component]
	already := r.running[unit+" "+revision.ID]
	if failure == "" || already {
		r.running[unit+" "+revision.ID] = true
	}
	r.mu.Unlock()
	progress("starting " + revision.ID)
	if failure != "" && !already {
		return activities.DeployReport{Failure: failure, Tail: []string{"panic: no luck"}}, ctx.Err()
	}
	r.world.happened("deploy %s in %s", revision.ID, unit)
	return activities.DeployReport{Target: target(unit, revision.ID)}, ctx.Err()
}

func target(unit, revision string) release.Target {
	return release.Target{Revision: revision, Endpoints: []string{unit + "." + revision + ":80"}}
}

// Retire ends a revision.
func (r *Runtime) Retire(_ context.Context, unit string, _ release.Lane, revision string) error {
	if key := r.world.Gateways.leadsTo(unit, revision); key != "" {
		r.world.violate("%s was retired in unit %s while route %s leads to it", revision, unit, key)
	}
	r.mu.Lock()
	delete(r.running, unit+" "+revision)
	r.mu.Unlock()
	r.world.happened("retire %s in %s", revision, unit)
	return nil
}

// Prover tries candidates. It is an [activities.Prover].
type Prover struct {
	world *World

	mu           sync.Mutex
	cases, press string
}

// FailCases and FailPressure let the next trials end with a failure.
func (p *Prover) FailCases(failure string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cases = failure
}

// FailPressure lets the next pressure gates end with a failure.
func (p *Prover) FailPressure(failure string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.press = failure
}

// Cases runs no cases.
func (p *Prover) Cases(ctx context.Context, _ string, candidate activities.Candidate, _ func(string)) (activities.ProofReport, error) {
	p.world.happened("cases of %s", candidate.Component)
	p.mu.Lock()
	defer p.mu.Unlock()
	return activities.ProofReport{Failure: p.cases, Summary: fmt.Sprintf("%d endpoints answer", len(candidate.Endpoints))}, ctx.Err()
}

// Press drives no load.
func (p *Prover) Press(ctx context.Context, _ string, candidate activities.Candidate, pressure release.Pressure, _ func(string)) (activities.ProofReport, error) {
	p.world.happened("pressure on %s", candidate.Component)
	p.mu.Lock()
	defer p.mu.Unlock()
	return activities.ProofReport{Failure: p.press, Summary: "carries " + pressure.Rate.String()}, ctx.Err()
}
