// Package intake takes events from outside: it verifies a delivery over its raw bytes, stores it
// once, answers, and hands it on from the store. What was accepted has exactly one outcome, which
// survives this program and the ones behind it being away.
package intake

import (
	"context"
	"time"

	"github.com/skyisland/skyisland/internal/release"
)

// Event is a delivery that was verified.
type Event struct {
	// ID names the stored event, and grows in the order of storing; 0 before it is stored.
	ID int64
	// Source and Delivery are its identity: the same pair is stored once. Both are printable ASCII
	// of at most 128 characters.
	Source   string
	Delivery string
	// Kind is the source's name for it, such as push: printable ASCII, at most 128 characters.
	Kind string
	// Body is JSON of at most 25 MB. Its strings can hold anything, also bytes that are not UTF-8:
	// it belongs in a column of bytes, not of text.
	Body       []byte
	ReceivedAt time.Time
	// ReplayOf is the event that this one repeats because somebody asked for it; 0 for one that came from outside.
	// Replays are all that repeat it, First is its delivery, and Released is what it and its other replays have asked for.
	// Again asks for another release where there is one. All of it is given by the inbox.
	ReplayOf int64
	Replays  []int64
	First    string
	Released []release.ID
	Again    bool
}

// Outcome is what became of an event.
type Outcome struct {
	Kind OutcomeKind
	// Message is a sentence for whoever sent the event, or several, a line each.
	Message string
	// Releases are those the event asked for, in the order of their environments in the manifest;
	// nil for one that asked for none.
	Releases []release.ID
}

// OutcomeKind is the kind of an outcome.
type OutcomeKind string

// The outcomes of an event. The first four and Refused are answers of a lane; Refused is also for an
// event that can never mean a release, and Ignored for one that does not.
const (
	Started     OutcomeKind = "started"
	Queued      OutcomeKind = "queued"
	Superseding OutcomeKind = "superseding"
	Duplicate   OutcomeKind = "duplicate"
	Ignored     OutcomeKind = "ignored"
	Refused     OutcomeKind = "refused"
	// Superseded is of a change that a later one of its ref has overtaken on the way here.
	Superseded OutcomeKind = "superseded"
	// Stopped is of an alarm that stopped a release.
	Stopped OutcomeKind = "stopped"
	// Told is of an event that was passed on to who waits for it.
	Told OutcomeKind = "told"
)

// Inbox keeps events.
type Inbox interface {
	// Accept stores an event once, and says whether it was there already. Two calls at one time
	// with the same source and delivery store one event, and both get its ID.
	Accept(ctx context.Context, event Event) (id int64, duplicate bool, err error)
	// Pending are events without an outcome whose turn it is, oldest first.
	Pending(ctx context.Context, now time.Time, limit int) ([]Event, error)
	// Settle gives an event its one outcome. An event that has one keeps it, which is no error.
	Settle(ctx context.Context, id int64, outcome Outcome) error
	// Postpone leaves an event for later and says why. It changes nothing for an event that has its
	// outcome.
	Postpone(ctx context.Context, id int64, why string, until time.Time) error
	// Outcome is what became of an event; the second result is false while it is pending. An event
	// that is not kept, or no longer, is [release.ErrNotFound].
	Outcome(ctx context.Context, id int64) (Outcome, bool, error)
}
