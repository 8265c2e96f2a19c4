package release

import (
	"fmt"
	"time"
)

// Ask is a question to people about a plan, and how it stands: all that a message shows.
type Ask struct {
	// Number counts the release's questions from 1; with the release it names the question.
	Number int           `json:"number"`
	Point  ApprovalPoint `json:"point"`
	// PlanHash is the plan that is asked about. An answer counts for it and for nothing else.
	PlanHash string `json:"plan_hash"`
	// Wants are the demands on those who answer; all of them have to be met.
	Wants []Approval `json:"wants"`
	// Asked is when the question was put, Until when it expires.
	Asked time.Time `json:"asked"`
	Until time.Time `json:"until"`

	Requester Actor  `json:"requester"`
	Commit    string `json:"commit"`
	// Commits are the changes since what is stable, newest first, cut where there are many.
	Commits []Commit `json:"commits,omitempty"`
	Units   []string `json:"units"`
	Changes []Change `json:"changes"`
	Steps   []Step   `json:"steps,omitempty"`
	// Exposure is what the plan may cost at worst.
	Exposure *Exposure `json:"exposure,omitempty"`
	// Pressure are the sentences of the pressure gate, one for each component and unit.
	Pressure []string `json:"pressure,omitempty"`
	// Evidence is what is known of the canary so far; nil before it has traffic.
	Evidence *Evidence `json:"evidence,omitempty"`

	// Answers are the approvals that count, in the order they came.
	Answers []Approved `json:"answers,omitempty"`
	// Closed says in a sentence how the question ended; empty while it is open.
	Closed string `json:"closed,omitempty"`
}

// Commit is one change.
type Commit struct {
	ID string `json:"id"`
	// Subject is its first line, Author who wrote it.
	Subject string `json:"subject"`
	Author  string `json:"author"`
}

// Change is what a release changes in one component, by the names of the revisions.
type Change struct {
	Component string `json:"component"`
	// From is the stable revision, empty for a first release; To is the candidate and Artifact what it is made of.
	From     string `json:"from,omitempty"`
	To       string `json:"to"`
	Artifact Digest `json:"artifact"`
}

// Exposure is what a plan may cost, predicted from its steps alone.
type Exposure struct {
	// BadAnswers is how many bad answers a canary gives that fails every request, at its worst step,
	// before it is rolled back (canary-analysis.md section 3).
	BadAnswers int `json:"bad_answers"`
	// Takes is the least time from the first weight to the end of the watch.
	Takes Duration `json:"takes"`
	// FalseRollback is the chance that a harmless release is rolled back.
	FalseRollback Share `json:"false_rollback"`
}

// String is the exposure in a sentence for people.
func (e Exposure) String() string {
	return fmt.Sprintf("at worst %d bad answers; takes at least %s; a harmless release is rolled back in %s of cases", e.BadAnswers, e.Takes, e.FalseRollback)
}

// EntryKind is what kind of thing an entry tells, for who wants to hear of it.
type EntryKind string

// The kinds of entries.
const (
	// EntryPhase is a phase that begins, EntryStep a weight that is in force.
	EntryPhase EntryKind = "phase"
	EntryStep  EntryKind = "step"
	// EntryAsked is a question to people, EntryReminded one that is put again, EntryEscalated one that is put to
	// more people, EntryAnswered an approval that counts, and EntryClosed the end of a question.
	EntryAsked     EntryKind = "asked"
	EntryReminded  EntryKind = "reminded"
	EntryEscalated EntryKind = "escalated"
	EntryAnswered  EntryKind = "answered"
	EntryClosed    EntryKind = "closed"
	// EntryHeld is a rule that holds the release, EntryFreed its end.
	EntryHeld  EntryKind = "held"
	EntryFreed EntryKind = "freed"
	// EntryPaused, EntryResumed and EntryPromoted are people's instructions, EntryGlass a rule to be broken.
	EntryPaused   EntryKind = "paused"
	EntryResumed  EntryKind = "resumed"
	EntryPromoted EntryKind = "promoted"
	EntryGlass    EntryKind = "break-glass"
	// EntryBlind is a canary of which nothing is known, EntryLapsed a lease that ran out.
	EntryBlind  EntryKind = "blind"
	EntryLapsed EntryKind = "lapsed"
	// EntryStopped is a reason to turn back, EntryEnded the end of the release.
	EntryStopped EntryKind = "stopped"
	EntryEnded   EntryKind = "ended"
)

// EntryAlarm and EntryFreeze are what is told and is no part of a release's story.
const (
	EntryAlarm  EntryKind = "alarm"
	EntryFreeze EntryKind = "freeze"
)

// EntryKinds are all of a release's story, in the order people learn them.
func EntryKinds() []EntryKind {
	return []EntryKind{
		EntryPhase, EntryStep, EntryAsked, EntryReminded, EntryEscalated, EntryAnswered, EntryClosed, EntryHeld, EntryFreed,
		EntryPaused, EntryResumed, EntryPromoted, EntryGlass, EntryBlind, EntryLapsed, EntryStopped, EntryEnded,
	}
}
