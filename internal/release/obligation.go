package release

import (
	"fmt"
	"slices"
	"strings"
)

// ObligationKind says what a rule demands.
type ObligationKind string

// What rules can demand of a plan.
const (
	// ObligeApprovals demands Count approvals From these groups or people, at the point Before.
	ObligeApprovals ObligationKind = "approvals"
	// ObligeStages demands that the Stages do work in this release.
	ObligeStages ObligationKind = "stages"
	// ObligeMaxStep demands that no step of the ramp raises the weight by more than Weight. The cutover is no
	// step: above half of the requests there is nothing left to compare with.
	ObligeMaxStep ObligationKind = "max_step"
	// ObligeMinBake and ObligeMinWatch demand that each step bakes, and the watch lasts, at least For.
	ObligeMinBake  ObligationKind = "min_bake"
	ObligeMinWatch ObligationKind = "min_watch"
)

// Obligation is something a rule demands beside its yes.
type Obligation struct {
	Kind ObligationKind `json:"kind"`
	// Reason is a sentence for people: what demands it.
	Reason string        `json:"reason,omitempty"`
	Count  int           `json:"count,omitempty"`
	From   []string      `json:"from,omitempty"`
	Before ApprovalPoint `json:"before,omitempty"`
	Within Duration      `json:"within,omitempty"`
	Stages []Stage       `json:"stages,omitempty"`
	Weight Weight        `json:"weight,omitempty"`
	For    Duration      `json:"for,omitempty"`
}

// Check says why nobody could meet the obligation.
func (o Obligation) Check() error {
	switch o.Kind {
	case ObligeApprovals:
		if o.Count < 1 || o.Before != BeforeRamp && o.Before != BeforeCutover || o.Within < 0 {
			return fmt.Errorf("obligation %s needs a count from 1 and a point before: ramp or cutover", o.Kind)
		}
	case ObligeStages:
		for _, stage := range o.Stages {
			if !slices.Contains([]Stage{StageBuild, StageTest, StageCases, StagePressure}, stage) {
				return fmt.Errorf("obligation %s names %q; stages are build, test, cases and pressure", o.Kind, stage)
			}
		}
		if len(o.Stages) == 0 {
			return fmt.Errorf("obligation %s names no stages", o.Kind)
		}
	case ObligeMaxStep:
		if o.Weight <= NoWeight || !o.Weight.Valid() {
			return fmt.Errorf("obligation %s needs a weight over 0%%, such as 10%%", o.Kind)
		}
	case ObligeMinBake, ObligeMinWatch:
		if o.For <= 0 {
			return fmt.Errorf("obligation %s needs a duration in for, such as 10m", o.Kind)
		}
	default:
		return fmt.Errorf("an obligation of kind %q is unknown: it is approvals, stages, max_step, min_bake or min_watch", o.Kind)
	}
	return nil
}

// mostSteps bounds a ramp that rules have made finer: each step costs a verdict in every unit.
const mostSteps = 100

// demandWithin is how long people may take where neither a rule nor the manifest says it.
const demandWithin = 24 * Duration(3600_000_000_000)

// Oblige is the spec with what the rules demand merged into it: the stricter of the two counts. The notes say
// what became stricter, a sentence each. Its error is [Problems]: demands that only the manifest's author can
// meet, such as a stage that has nothing to do.
func (s Spec) Oblige(obligations []Obligation) (Spec, []string, error) {
	var notes []string
	var problems Problems
	note := func(o Obligation, format string, args ...any) {
		notes = append(notes, because(fmt.Sprintf(format, args...), o))
	}
	for _, o := range obligations {
		if err := o.Check(); err != nil {
			problems = append(problems, Problem{Message: err.Error(), Fix: "mend the rules"})
			continue
		}
		switch o.Kind {
		case ObligeApprovals:
			if s.demand(o) {
				note(o, "the rules demand %s before the %s", demanded(o.Count, o.From), o.Before)
			}
		case ObligeStages:
			problems = append(problems, s.lacks(o)...)
		case ObligeMaxStep:
			steps, fits := finer(s.Ramp.Steps, o.Weight)
			if !fits {
				problems = append(problems, Problem{
					Path:    "environments." + s.Lane.Environment + ".ramp.steps",
					Message: because(fmt.Sprintf("the rules allow %s at once, which would be more than %d steps", o.Weight, mostSteps), o),
					Fix:     "end the ramp at a smaller weight",
				})
				continue
			}
			if len(steps) > len(s.Ramp.Steps) {
				note(o, "the ramp has %d steps instead of %d: the rules allow %s at once", len(steps), len(s.Ramp.Steps), o.Weight)
				s.Ramp.Steps = steps
			}
		case ObligeMinBake:
			if s.Ramp.Bake < o.For {
				note(o, "each step bakes %s instead of %s", o.For, s.Ramp.Bake)
				s.Ramp.Bake, s.Ramp.Patience = o.For, max(s.Ramp.Patience, o.For)
			}
		case ObligeMinWatch:
			if s.Watch < o.For {
				note(o, "the watch lasts %s instead of %s", o.For, s.Watch)
				s.Watch = o.For
			}
		}
	}
	if len(problems) > 0 {
		return s, notes, problems
	}
	return s, notes, nil
}

func because(sentence string, o Obligation) string {
	if o.Reason == "" {
		return sentence
	}
	return sentence + " (" + o.Reason + ")"
}

func demanded(count int, from []string) string {
	text := fmt.Sprintf("%d approvals", count)
	if count == 1 {
		text = "an approval"
	}
	if len(from) > 0 {
		text += " of " + strings.Join(from, ", ")
	}
	return text
}

// demand adds a demand for approvals, unless one as strict is there.
func (s *Spec) demand(o Obligation) bool {
	want := Approval{Before: o.Before, From: o.From, Count: o.Count, Within: o.Within}
	if want.Within == 0 {
		want.Within = demandWithin
	}
	want.Remind = want.Within / 2
	if s.Approval != nil && s.Approval.meets(want) || slices.ContainsFunc(s.Demands, func(a Approval) bool { return a.meets(want) }) {
		return false
	}
	s.Demands = append(slices.Clone(s.Demands), want)
	return true
}

// meets says whether whoever satisfies a satisfies want too. Others may answer once a question is escalated.
func (a Approval) meets(want Approval) bool {
	return a.Escalate == nil && a.Before == want.Before && a.Count >= want.Count && slices.Equal(a.From, want.From)
}

// lacks are the stages that have nothing to do although they are demanded.
func (s Spec) lacks(o Obligation) (out Problems) {
	report := func(path, what, fix string) {
		out = append(out, Problem{Path: path, Message: because("the rules demand "+what, o), Fix: fix})
	}
	for i, c := range s.Components {
		at := fmt.Sprintf("components[%d].", i)
		if slices.Contains(o.Stages, StageBuild) && !c.Build.Works() {
			report(at+"build", "that "+c.Name+" is built", "add build: {run: [...]}")
		}
		if slices.Contains(o.Stages, StageTest) && len(c.Test.Run) == 0 {
			report(at+"test", "tests of "+c.Name, "add test: {run: [...]}")
		}
		if slices.Contains(o.Stages, StageCases) && len(c.Cases) == 0 {
			report(at+"cases", "function cases of "+c.Name, "add cases: cases/*.yaml, and cases")
		}
	}
	if slices.Contains(o.Stages, StagePressure) && s.Pressure == nil {
		report("environments."+s.Lane.Environment+".pressure", "a pressure gate", "add pressure: {rate: 100/s, for: 30s, p99: 200ms, errors: 0.1%}")
	}
	return out
}

// finer puts steps between those that are further apart than most, evenly.
func finer(steps []Weight, most Weight) (out []Weight, fits bool) {
	from := NoWeight
	for _, to := range steps {
		parts := (to - from + most - 1) / most
		if len(out)+int(parts) > mostSteps {
			return nil, false
		}
		for i := Weight(1); i <= parts; i++ {
			out = append(out, from+(to-from)*i/parts)
		}
		from = to
	}
	return out, true
}
