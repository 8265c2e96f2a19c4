package release

import "time"

// Verdict is what the evidence says of a canary.
type Verdict string

// The verdicts. Blind is never a pass and never rolls back at once.
const (
	VerdictPass         Verdict = "pass"
	VerdictFail         Verdict = "fail"
	VerdictInconclusive Verdict = "inconclusive"
	VerdictBlind        Verdict = "blind"
)

// Evidence is the counts a verdict rests on, for people and policies.
type Evidence struct {
	Verdict Verdict `json:"verdict"`
	// Sentence says the verdict and its reason.
	Sentence string `json:"sentence"`
	// Wealth is the evidence against the canary (1 is none, 100 the default bound), PValue its
	// always-valid p-value.
	Wealth float64 `json:"wealth"`
	PValue float64 `json:"p_value"`
	// Requests of each arm since the ramp began, and those of them that failed.
	CanaryRequests int64 `json:"canary_requests"`
	CanaryBad      int64 `json:"canary_bad"`
	StableRequests int64 `json:"stable_requests"`
	StableBad      int64 `json:"stable_bad"`
	// StepRequests of the canary were seen at this step, Needed is the number it may not end before.
	StepRequests int64     `json:"step_requests"`
	Needed       int64     `json:"needed"`
	Hold         bool      `json:"hold,omitempty"`
	At           time.Time `json:"at"`
}

// Status is everything about a release that a person looks at.
type Status struct {
	ID    ID        `json:"id"`
	Phase Phase     `json:"phase"`
	Since time.Time `json:"since"`
	// Ref is the branch or tag whose commit it is, by its full name; empty in releases from before it was kept.
	Ref       string    `json:"ref,omitempty"`
	Commit    string    `json:"commit"`
	Message   string    `json:"message,omitempty"`
	Requester Actor     `json:"requester"`
	Requested time.Time `json:"requested"`
	// PlanHash is empty until the artifacts are built.
	PlanHash string   `json:"plan_hash,omitempty"`
	Units    []string `json:"units,omitempty"`
	Moves    []Move   `json:"moves,omitempty"`
	Steps    []Step   `json:"steps,omitempty"`
	// Step is the index of the step under way, -1 before the first; Weight is what is in force.
	Step   int    `json:"step"`
	Weight Weight `json:"weight"`
	Paused bool   `json:"paused,omitempty"`
	// Waiting is nil when the release works.
	Waiting   *Waiting   `json:"waiting,omitempty"`
	Evidence  *Evidence  `json:"evidence,omitempty"`
	Approvals []Approved `json:"approvals,omitempty"`
	// Ask is the question people are being asked; nil when they are not.
	Ask *Ask `json:"ask,omitempty"`
	// BreakGlass is set once somebody wants a rule broken.
	BreakGlass *BreakGlass `json:"break_glass,omitempty"`
	// Cause is why the release is rolling back or has not completed.
	Cause *Cause `json:"cause,omitempty"`
	// Timeline is what happened, oldest first.
	Timeline []Entry `json:"timeline,omitempty"`
}

// Waiting is what a release waits for.
type Waiting struct {
	For string `json:"for"`
	// Until is when the wait ends by itself; zero when it does not.
	Until time.Time `json:"until,omitzero"`
}

// Approved is one approval that counts.
type Approved struct {
	By      Actor     `json:"by"`
	Comment string    `json:"comment,omitempty"`
	At      time.Time `json:"at"`
	// Point is what they were asked before; empty in releases from before it was kept.
	Point ApprovalPoint `json:"point,omitempty"`
}

// Cause is why a release ended other than by completing.
type Cause struct {
	// Kind is for programs: policy, manifest, build, test, health, cases, pressure, rejected,
	// expired, abort, rollback, superseded, alarm, evidence, lease, patience, freeze, internal.
	Kind CauseKind `json:"kind"`
	// Message is a sentence; Details are further lines, such as the tail of a build's output.
	Message string   `json:"message"`
	Details []string `json:"details,omitempty"`
	By      *Actor   `json:"by,omitempty"`
}

// CauseKind is the kind of a cause.
type CauseKind string

// The causes.
const (
	CausePolicy     CauseKind = "policy"
	CauseManifest   CauseKind = "manifest"
	CauseSource     CauseKind = "source"
	CauseBuild      CauseKind = "build"
	CauseTest       CauseKind = "test"
	CauseHealth     CauseKind = "health"
	CauseCases      CauseKind = "cases"
	CausePressure   CauseKind = "pressure"
	CauseRejected   CauseKind = "rejected"
	CauseExpired    CauseKind = "expired"
	CauseAbort      CauseKind = "abort"
	CauseRollback   CauseKind = "rollback"
	CauseSuperseded CauseKind = "superseded"
	CauseAlarm      CauseKind = "alarm"
	CauseEvidence   CauseKind = "evidence"
	CauseLease      CauseKind = "lease"
	CausePatience   CauseKind = "patience"
	CauseFreeze     CauseKind = "freeze"
	CauseTraffic    CauseKind = "traffic"
	CauseInternal   CauseKind = "internal"
)

// Entry is one thing that happened to a release.
type Entry struct {
	// Number counts the release's entries from 1; with the release it names the entry, so that
	// writing it twice stores it once.
	Number  int       `json:"number"`
	At      time.Time `json:"at"`
	Phase   Phase     `json:"phase"`
	Message string    `json:"message"`
	// Details are further lines for people.
	Details []string `json:"details,omitempty"`
	// Kind is what kind of thing it is, for who is told; empty is a line of the story and no more.
	Kind EntryKind `json:"kind,omitempty"`
	// Ask is the question as it stands with this entry, when the entry is about one.
	Ask *Ask `json:"ask,omitempty"`
}

// Outcome is how a release ended.
type Outcome struct {
	Release ID     `json:"release"`
	Phase   Phase  `json:"phase"`
	Cause   *Cause `json:"cause,omitempty"`
	// Stable is what serves the lane now, by component; unchanged unless the release completed.
	Stable map[string]Revision `json:"stable,omitempty"`
}

// Application is one application the installation knows.
type Application struct {
	Tenant     string `json:"tenant" db:"tenant"`
	Name       string `json:"name" db:"name"`
	Repository string `json:"repository" db:"repository"`
	// Branches maps each branch to its environments, as the last valid manifest said.
	Branches map[string][]string `json:"branches"`
	// Triggers are of those environments that pushes of their branch do not release.
	Triggers map[string]Trigger `json:"triggers,omitempty"`
}

// Summary is a release in a list.
type Summary struct {
	ID    ID    `json:"id"`
	Phase Phase `json:"phase"`
	// Ref is the branch or tag whose commit it is, by its full name; empty in releases from before it was kept.
	Ref       string    `json:"ref,omitempty"`
	Commit    string    `json:"commit"`
	Message   string    `json:"message,omitempty"`
	Requester Actor     `json:"requester"`
	Requested time.Time `json:"requested"`
	Updated   time.Time `json:"updated"`
	Cause     *Cause    `json:"cause,omitempty"`
}
