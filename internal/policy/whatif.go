package policy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/skyisland/skyisland/internal/canary"
	"github.com/skyisland/skyisland/internal/release"
)

// Foreseen is what the rules would answer to one question of a release that was not asked for yet.
type Foreseen struct {
	Gate release.Gate        `json:"gate"`
	Step *release.StepChange `json:"step,omitempty"`
	release.Decision
}

// Forecast is what the rules would say to a release.
type Forecast struct {
	Answers []Foreseen `json:"answers"`
	// Notes are what the rules would make stricter, Problems what the manifest lacks that they demand.
	Notes    []string         `json:"notes,omitempty"`
	Problems release.Problems `json:"problems,omitempty"`
	// Approvals are whose yes would count at each point at which people are asked: that of one of them, and that of whoever
	// asks for the release.
	Approvals []ForeseenApproval `json:"approvals,omitempty"`
	// Wants are the approvals that would be asked for.
	Wants []release.Approval `json:"wants,omitempty"`
	// Plan is what the release would do; nil when the rules demand what the manifest lacks.
	Plan *release.Plan `json:"plan,omitempty"`
}

// ForeseenApproval is what the rules would say to a yes.
type ForeseenApproval struct {
	Point release.ApprovalPoint `json:"point"`
	// Requester is true for the yes of whoever asks for the release, false for that of somebody who is asked.
	Requester bool `json:"requester"`
	release.Decision
}

// Refused says whether a gate would say no for more than a while, or the manifest lacks what is demanded.
func (f Forecast) Refused() bool {
	if len(f.Problems) > 0 {
		return true
	}
	for _, approval := range f.Approvals {
		if !approval.Requester && !approval.Allow {
			return true // nobody could approve it
		}
	}
	for _, answer := range f.Answers {
		for _, denial := range answer.Deny {
			if !denial.Hold {
				return true
			}
		}
	}
	return false
}

// WhatIf asks all that a release of the spec would ask, with placeholders for what is not known yet: it replaces revisions,
// everything that has work passes, everybody who is asked approves, and the evidence is good. A demand that the spec does
// not meet ends it after the gate that demands.
func (e *Engine) WhatIf(ctx context.Context, spec release.Spec, by release.Actor, at time.Time) (Forecast, error) {
	f := &forecaster{engine: e, ctx: ctx, question: release.Question{
		Version: release.QuestionVersion, Release: release.ID{Lane: spec.Lane, Number: 1},
		Request: release.Request{
			Lane: spec.Lane, Repository: "what-if", Ref: "refs/heads/" + spec.Branch, Commit: strings.Repeat("0", 40), Requester: by, At: at,
			Concurrency: spec.Concurrency, Key: "what-if",
		},
		Spec: &spec, Facts: &release.Facts{Foreseen: true}, At: at,
	}}
	f.ask(release.GateAdmit, nil)
	demanded := f.ask(release.GateBuild, nil)
	if f.err == nil {
		obliged, stricter, err := spec.Oblige(demanded.Obligations)
		var smaller []string
		if err == nil {
			spec, smaller, err = canary.Sized(obliged)
		}
		f.out.Notes = slices.Concat(stricter, smaller)
		switch {
		case errors.As(err, &f.out.Problems):
			return f.out, nil
		case err != nil:
			return f.out, err
		}
	}
	f.plan(spec)
	f.ask(release.GateDeploy, nil)
	if spec.Pressure != nil {
		f.ask(release.GatePress, nil)
	}
	f.ramp()
	return f.out, f.err
}

// forecaster asks one question after the other, until one fails.
type forecaster struct {
	engine   *Engine
	ctx      context.Context //nolint:containedctx // it lives for one call
	question release.Question
	out      Forecast
	err      error
}

func (f *forecaster) ask(gate release.Gate, step *release.StepChange) release.Decision {
	if f.err != nil {
		return release.Decision{}
	}
	q := f.question
	q.Gate, q.Step = gate, step
	decision, err := f.engine.Decide(f.ctx, q)
	f.err = err
	f.out.Answers = append(f.out.Answers, Foreseen{Gate: gate, Step: step, Decision: decision})
	return decision
}

// plan makes the plan of a release that replaces every component, and takes it that all that has work has passed.
func (f *forecaster) plan(spec release.Spec) {
	plan := release.Foresee(f.question.Release, f.question.Request, spec)
	f.question.Spec, f.question.Plan, f.question.PlanHash = &spec, &plan, plan.Hash()
	f.out.Plan = &plan
	has := map[release.Stage]bool{release.StagePressure: spec.Pressure != nil}
	for _, c := range spec.Components {
		has[release.StageBuild] = has[release.StageBuild] || c.Build.Works()
		has[release.StageTest] = has[release.StageTest] || len(c.Test.Run) > 0
		has[release.StageCases] = has[release.StageCases] || len(c.Cases) > 0
	}
	for _, stage := range []release.Stage{release.StageBuild, release.StageTest, release.StageCases, release.StagePressure} {
		if has[stage] {
			f.question.Passed = append(f.question.Passed, stage)
		}
	}
}

// ramp takes the steps in every unit, and the cutover.
func (f *forecaster) ramp() {
	plan := f.question.Plan
	f.approve(release.BeforeRamp)
	from := release.NoWeight
	for _, step := range plan.Steps {
		for _, unit := range plan.Units {
			f.ask(release.GateStep, &release.StepChange{Unit: unit, From: from, To: step.Weight})
		}
		from = step.Weight
		f.question.Evidence = &release.Evidence{Verdict: release.VerdictPass, Sentence: "what if it passes", Wealth: 1, PValue: 1, At: f.question.At}
	}
	f.approve(release.BeforeCutover)
	for _, unit := range plan.Units {
		f.ask(release.GateCutover, &release.StepChange{Unit: unit, From: from, To: release.FullWeight})
	}
}

// approve lets as many people approve as are asked, each a member of what is asked for.
func (f *forecaster) approve(point release.ApprovalPoint) {
	for i, want := range f.question.Plan.Wants(point) {
		f.out.Wants = append(f.out.Wants, want)
		if i == 0 {
			f.answer(point, release.Actor{Name: "somebody-" + string(point), Source: "api", Groups: want.From}, false)
			f.answer(point, f.question.Request.Requester, true)
		}
		for i := range want.Count {
			by := release.Actor{Name: fmt.Sprintf("somebody-%s-%d", point, len(f.question.Approvals)+i), Source: "api", Groups: want.From}
			f.question.Approvals = append(f.question.Approvals, release.Approved{By: by, At: f.question.At, Point: point})
		}
	}
}

// answer asks about a yes. Who wrote the change is not known yet; it is taken to be somebody else.
func (f *forecaster) answer(point release.ApprovalPoint, by release.Actor, requester bool) {
	if f.err != nil {
		return
	}
	q := f.question
	q.Gate, q.By, q.Point, q.Authors = release.GateApprove, &by, point, []release.Actor{{Name: "the-author", Source: "git"}}
	decision, err := f.engine.Decide(f.ctx, q)
	f.err = err
	f.out.Approvals = append(f.out.Approvals, ForeseenApproval{Point: point, Requester: requester, Decision: decision})
}
