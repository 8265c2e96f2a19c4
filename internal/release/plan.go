package release

import (
	"fmt"
	"slices"
	"strings"
)

// Plan is the frozen description of what a release will do. It is what people approve and policies
// judge, by its hash.
type Plan struct {
	Release    ID     `json:"release"`
	Repository string `json:"repository"`
	Commit     string `json:"commit"`
	// Requester asked for the release.
	Requester Actor `json:"requester"`
	// Units in order of deployment, Moves in the order of the manifest's components.
	Units []string `json:"units"`
	Moves []Move   `json:"moves"`
	// Steps are walked in order by every move in every unit; the cutover follows the last one.
	Steps    []Step       `json:"steps"`
	Ramp     Ramp         `json:"ramp"`
	Analysis Analysis     `json:"analysis"`
	Pressure *Pressure    `json:"pressure,omitempty"`
	Approval *Approval    `json:"approval,omitempty"`
	Demands  []Approval   `json:"demands,omitempty"`
	Freeze   FreezeAction `json:"freeze"`
	Watch    Duration     `json:"watch"`
}

// Move is one component's way from its stable revision to its candidate.
type Move struct {
	Component string   `json:"component"`
	Ingress   Ingress  `json:"ingress"`
	Cases     []string `json:"cases,omitempty"`
	// Stable is nil in a component's first release.
	Stable    *Revision `json:"stable,omitempty"`
	Candidate Revision  `json:"candidate"`
}

// Changed says whether the candidate, or the way in to it, differs from what is stable.
func (m Move) Changed() bool {
	return m.Stable == nil || m.Replaces() || !m.Stable.Ingress.equal(m.Ingress)
}

// Replaces says whether the candidate takes the place of another revision. A component whose route
// alone changes keeps its instances.
func (m Move) Replaces() bool { return m.Stable != nil && m.Stable.ID != m.Candidate.ID }

// Step is one weight and its bake.
type Step struct {
	Weight Weight   `json:"weight"`
	Bake   Duration `json:"bake"`
	// Probe marks the step that only warms the candidate up.
	Probe bool `json:"probe,omitempty"`
}

// probeWeight is the most a probe may send: 1 % (design: cold-start allowances then cost almost nothing).
const probeWeight Weight = 100

// NewPlan freezes what a release will do, given the resolved manifest, what was built and what is
// stable. Moves whose revision is stable already are kept, so that the plan shows the whole group;
// [Plan.Changed] leaves them out.
func NewPlan(id ID, req Request, spec Spec, built map[string]Digest, stable map[string]Revision) Plan {
	plan := Plan{
		Release: id, Repository: req.Repository, Commit: req.Commit, Requester: req.Requester,
		Units: spec.Units, Ramp: spec.Ramp, Analysis: spec.Analysis, Pressure: spec.Pressure,
		Approval: spec.Approval, Demands: spec.Demands, Freeze: spec.Freeze, Watch: spec.Watch,
	}
	for _, c := range spec.Components {
		candidate := NewRevision(c.Name, built[c.Name], c.Run, req.Commit)
		candidate.Ingress = c.Ingress
		move := Move{Component: c.Name, Ingress: c.Ingress, Cases: c.Cases, Candidate: candidate}
		if now, ok := stable[c.Name]; ok {
			move.Stable = &now
		}
		plan.Moves = append(plan.Moves, move)
	}
	plan.Steps = steps(spec.Ramp, plan.Moves)
	return plan
}

// Foresee is the plan of a release that replaces every component of a spec, for whoever wants to know before anything is
// built. The digests in it are made up.
func Foresee(id ID, req Request, spec Spec) Plan {
	built, stable := map[string]Digest{}, map[string]Revision{}
	for i, c := range spec.Components {
		digest := func(kind int) Digest { return Digest(fmt.Sprintf("sha256:%064x", 2*i+kind+1)) }
		built[c.Name] = digest(0)
		before := NewRevision(c.Name, digest(1), c.Run, strings.Repeat("f", 40))
		before.Ingress = c.Ingress
		stable[c.Name] = before
	}
	return NewPlan(id, req, spec, built, stable)
}

// steps is the ramp of a group. A group that replaces no revision has nothing to compare, so it has
// no steps and goes straight to its cutover.
func steps(ramp Ramp, moves []Move) []Step {
	if !slices.ContainsFunc(moves, Move.Replaces) {
		return nil
	}
	var out []Step
	if ramp.Probe > 0 && len(ramp.Steps) > 0 {
		out = append(out, Step{Weight: min(probeWeight, ramp.Steps[0]), Bake: ramp.Probe, Probe: true})
	}
	for _, w := range ramp.Steps {
		out = append(out, Step{Weight: w, Bake: ramp.Bake})
	}
	return out
}

// Changed are the moves that change a revision, in order.
func (p Plan) Changed() []Move {
	var out []Move
	for _, m := range p.Moves {
		if m.Changed() {
			out = append(out, m)
		}
	}
	return out
}

// First says whether nothing of the group has a predecessor.
func (p Plan) First() bool {
	for _, m := range p.Moves {
		if m.Stable != nil {
			return false
		}
	}
	return true
}

// Compared says whether a canary is judged against a predecessor. Where it is not, the evidence has a
// fixed bound to be judged by.
func (p Plan) Compared() bool { return slices.ContainsFunc(p.Moves, Move.Replaces) }

// Wants are all approvals the plan needs at a point.
func (p Plan) Wants(point ApprovalPoint) []Approval {
	var out []Approval
	if p.Approval != nil && p.Approval.Before == point {
		out = append(out, *p.Approval)
	}
	for _, demand := range p.Demands {
		if demand.Before == point {
			out = append(out, demand)
		}
	}
	return out
}

// Hash names the plan: 64 hexadecimal digits that change with anything in it. The encoding is
// [canonicalHash]'s; docs/plan.md gives it for other languages.
func (p Plan) Hash() string { return canonicalHash("plan/v1", p) }

// Candidates are the revisions that are stable once the plan is done, by component.
func (p Plan) Candidates() map[string]Revision {
	out := make(map[string]Revision, len(p.Moves))
	for _, m := range p.Moves {
		out[m.Component] = m.Candidate
	}
	return out
}
