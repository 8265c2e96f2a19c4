package release

import (
	"strings"
	"time"
)

// Gate is a transition that a policy is asked about. Rolling back is none: it needs nobody's permission.
type Gate string

// The gates, in the order of the way.
const (
	GateAdmit    Gate = "admit"
	GateBuild    Gate = "build"
	GateDeploy   Gate = "deploy"
	GatePress    Gate = "press"
	GateApprove  Gate = "approve"
	GateStep     Gate = "step"
	GateCutover  Gate = "cutover"
	GateOverride Gate = "override"
)

// The gates that are of no release: a person declares a freeze, or lifts one.
const (
	GateFreeze Gate = "freeze"
	GateLift   Gate = "lift"
)

// Question is what a policy is asked: the whole of its input. Its JSON is version 1 of the input
// document that rules are written against.
type Question struct {
	Version int     `json:"version"`
	Gate    Gate    `json:"gate"`
	Release ID      `json:"release"`
	Request Request `json:"request"`
	// Spec is set from admission on, Plan and PlanHash once artifacts are built.
	Spec     *Spec  `json:"spec,omitempty"`
	Plan     *Plan  `json:"plan,omitempty"`
	PlanHash string `json:"plan_hash,omitempty"`
	// Step is set at the gate of the same name and at the cutover.
	Step *StepChange `json:"step,omitempty"`
	// By is who asks for an override (promote before the evidence is in), or who approves, and Reason what
	// they gave for it.
	By     *Actor `json:"by,omitempty"`
	Reason string `json:"reason,omitempty"`
	// Breaking says, at an override, that By wants the rules broken that BreakGlass is about, and does not promote.
	Breaking bool `json:"breaking,omitempty"`
	// Rejecting says, at an approval, that By answers with a no.
	Rejecting bool `json:"rejecting,omitempty"`
	// Point is, at an approval, what people are asked before; Authors are who wrote the change, as the directory
	// knows them.
	Point    ApprovalPoint `json:"point,omitempty"`
	Authors  []Actor       `json:"authors,omitempty"`
	Evidence *Evidence     `json:"evidence,omitempty"`
	// Passed are the stages that have done work and ended well, in order.
	Passed []Stage `json:"passed,omitempty"`
	// Approvals are those that count for the plan so far.
	Approvals []Approved `json:"approvals,omitempty"`
	// BreakGlass is set once somebody wants a rule broken; it counts when it has a second.
	BreakGlass *BreakGlass `json:"break_glass,omitempty"`
	// Freeze is what a person wants to declare or lift, at the gates of those names, which are of no release.
	Freeze *Freeze `json:"freeze,omitempty"`
	// Facts are what the installation knows beside the release.
	Facts *Facts `json:"facts,omitempty"`
	// At is the clock; rules have no other.
	At time.Time `json:"at"`
}

// About names what the question is about: the release, or the freeze.
func (q Question) About() string {
	if q.Freeze != nil {
		return "freeze " + q.Freeze.ID
	}
	return q.Release.String()
}

// QuestionVersion is the version of [Question]'s JSON.
const QuestionVersion = 1

// StepChange is a change of weight in one unit. From is the weight in force there.
type StepChange struct {
	Unit string `json:"unit"`
	From Weight `json:"from_permyriad"`
	To   Weight `json:"to_permyriad"`
}

// MarshalJSON writes the weights as numbers, since rules compare them.
func (s StepChange) MarshalJSON() ([]byte, error) { return marshalStepChange(s) }

// UnmarshalJSON reads what MarshalJSON writes.
func (s *StepChange) UnmarshalJSON(data []byte) error { return unmarshalStepChange(data, s) }

// Decision is a policy's recorded answer.
type Decision struct {
	// ID names the decision in the store.
	ID    string `json:"id"`
	Gate  Gate   `json:"gate"`
	Allow bool   `json:"allow"`
	// Deny are all the reasons against, sorted by code; never empty when Allow is false.
	Deny []Denial `json:"deny,omitempty"`
	// Lifted are the reasons against that do not count, because two people have broken the glass. They are
	// sorted as Deny is.
	Lifted []Denial `json:"lifted,omitempty"`
	// Obligations are what the rules demand beside the yes.
	Obligations []Obligation `json:"obligations,omitempty"`
	// Bundle is the revision of the rules that answered.
	Bundle string `json:"bundle"`
}

// Denial is one reason against.
type Denial struct {
	// Code is stable and for programs, such as freeze.open.
	Code string `json:"code"`
	// Message is a sentence for people.
	Message string `json:"msg"`
	// Until is when the reason ends, when the rule knows; a hold waits for it.
	Until *time.Time `json:"until,omitempty"`
	// Hold says that the reason goes by itself, so that a release waits for its end and is not turned away.
	Hold bool `json:"hold,omitempty"`
}

// DeniedError is the rules' no to what a person wants of no release.
type DeniedError struct{ Decision Decision }

// Error is the sentence for the person, with the code and the message of each reason.
func (e *DeniedError) Error() string {
	reasons := []string{"the rules do not allow it"}
	for _, denial := range e.Decision.Deny {
		reasons = append(reasons, denial.Code+": "+denial.Message)
	}
	return strings.Join(reasons, "; ")
}

// Denied says whether the decision is a no for this reason.
func (d Decision) Denied(code string) bool {
	for _, denial := range d.Deny {
		if denial.Code == code {
			return true
		}
	}
	return false
}
