package workflows

import (
	"fmt"
	"slices"

	"go.temporal.io/sdk/workflow"

	"github.com/skyisland/skyisland/internal/release"
)

// given is the artifact that a component has already, and why it is not built again; empty for one that has to be built.
func (r *run) given(component string) (artifact release.Digest, why string) {
	if p := r.in.Request.Promotion; p != nil {
		return p.Artifacts[component], "it is promoted from release " + p.From.String()
	}
	stable, serves := r.in.Stable[component]
	if serves && slices.Contains(r.untouched, component) {
		return stable.Artifact, "nothing that it is built from has changed since " + stable.Commit
	}
	return "", ""
}

// keepCommits says of what is not built again from which commit it was: that is what its provenance states.
func (r *run) keepCommits() {
	for i, move := range r.plan.Moves {
		commit := r.in.Stable[move.Component].Commit
		if p := r.in.Request.Promotion; p != nil {
			commit = p.Commits[move.Component]
		}
		if artifact, _ := r.given(move.Component); artifact != "" && commit != "" {
			r.plan.Moves[i].Candidate.Commit = commit
		}
	}
}

// builtFrom are the commits from which what is stable was built, by component. A promotion has no use for them.
func (r *run) builtFrom() map[string]string {
	if r.in.Request.Promotion != nil {
		return nil
	}
	out := map[string]string{}
	for _, name := range workflow.DeterministicKeys(r.in.Stable) {
		out[name] = r.in.Stable[name].Commit
	}
	return out
}

// checkPromotion refuses what would have to be built for an environment that only takes what another one has proved.
func (r *run) checkPromotion() error {
	from := r.spec.After
	p := r.in.Request.Promotion
	switch {
	case p == nil && from == "":
		return nil
	case p == nil:
		return stop(release.Denied, release.CauseManifest, fmt.Sprintf("%s is released by promotion from %s alone; release the commit there", r.in.Release.Lane.Environment, from))
	case p.From.Lane.Environment != from:
		return stop(release.Denied, release.CauseManifest, fmt.Sprintf("the manifest does not promote from %s to %s", p.From.Lane.Environment, r.in.Release.Lane.Environment))
	}
	for _, component := range r.spec.Components {
		if p.Artifacts[component.Name] == "" {
			return stop(release.Denied, release.CauseManifest, fmt.Sprintf("release %s has no artifact of %s, and nothing is built for a promotion", p.From, component.Name))
		}
	}
	return nil
}
