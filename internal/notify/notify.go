// Package notify tells people what happens to releases, and takes what they say to it. A [Notice] is kept in an
// outbox with the change it is about, so that none is lost; a router decides who hears of it, and a [Channel] says
// it in its own form. What people answer comes in as a [Word] and goes to a [Desk], which knows who they are.
package notify

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/skyisland/skyisland/internal/release"
)

// Severity is how much a notice matters.
type Severity string

// The severities, rising.
const (
	Info     Severity = "info"
	Warning  Severity = "warning"
	Critical Severity = "critical"
)

// Mark is what stands before a title where the severity matters; empty for what is only said.
func (s Severity) Mark() string {
	switch s {
	case Critical:
		return "🔴 "
	case Warning:
		return "🟠 "
	default:
		return ""
	}
}

// Notice is one thing people are told.
type Notice struct {
	// ID names it for ever: the same notice twice is one message.
	ID       string            `json:"id"`
	At       time.Time         `json:"at"`
	Release  release.ID        `json:"release"`
	Kind     release.EntryKind `json:"kind"`
	Severity Severity          `json:"severity"`
	// Title is one line of plain text, Lines are more of it. Anybody can have written them, but for what package markup
	// marks as our own in a line: a channel writes all of it through its markup.
	Title string   `json:"title"`
	Lines []string `json:"lines,omitempty"`
	// Link is where to see more; empty when nobody said where that is.
	Link string `json:"link,omitempty"`
	// Ask is set when people are asked, or when the question they were asked stands otherwise now: then the
	// message that put the question is changed in place.
	Ask *release.Ask `json:"ask,omitempty"`
	// Answer is where the question can be answered by a browser: a signed link; empty without one.
	Answer string `json:"answer,omitempty"`
	// Mention are the people and groups who are meant, by their names in the directory.
	Mention []string `json:"mention,omitempty"`
}

// Thread is what a target was told of a release before, as the channel's own receipts. Both are empty at first.
type Thread struct {
	// First is the first message of the release: later ones follow it.
	First string
	// Ask is the message that put the question which the notice is about.
	Ask string
}

// Channel is one way to reach people, such as a Slack workspace.
type Channel interface {
	// Send says notices to a target, in their order, and returns a receipt by which the channel finds the message
	// again. It is called with several only when [Batching]. A notice that is sent again after a lost answer is one
	// message where the service allows it. Errors: [LaterError] when the channel wants to be left alone, one that
	// wraps [ErrRefused] when no retry can help, and any other is tried again.
	Send(ctx context.Context, target string, thread Thread, notices []Notice) (receipt string, err error)
}

// Batching is a channel that merges notices which are due together, because it may send only so many messages.
type Batching interface {
	// Batch is how many notices fit into one message.
	Batch() int
}

// ErrRefused is returned for a notice that the channel will never take, such as one to a target that does not exist.
var ErrRefused = errors.New("refused for good")

// LaterError is returned by a channel that takes nothing before a time has passed, such as one over its rate limit.
type LaterError struct {
	After time.Duration
	Err   error
}

// Error says for how long, and why.
func (e *LaterError) Error() string {
	return fmt.Sprintf("not before %s have passed: %v", e.After, e.Err)
}

// Unwrap is the reason.
func (e *LaterError) Unwrap() error { return e.Err }

// Word is what somebody said in a chat or on a page.
type Word struct {
	// ID names the click or the message, so that the same one twice counts once.
	ID string
	// Source is the system that vouches for User: slack, dingtalk or page. User is the name there that never
	// changes, and Called the one that people see.
	Source, User, Called string
	// What is an instruction that releases understand (approve, reject, pause, …), or status or freeze.
	What string
	// About is the release, as tenant/application/environment/number; without the number it is the newest of the
	// lane. For a freeze it is a tenant, an application or a lane by as many parts, or "all".
	About string
	// For is how long a freeze lasts; 0 is until it is lifted.
	For time.Duration
	// PlanHash is the plan that was shown with the button.
	PlanHash string
	// Ask is the number of the question that was shown: the same plan may be asked about more than once. It is 0 where
	// the source does not know it.
	Ask     int
	Comment string
	At      time.Time
}

// Reply is what became of a word, for whoever said it.
type Reply struct {
	// Text is a sentence or more, in plain text.
	Text string
	// Refused says that the word was not followed; Text says why, and what would be right.
	Refused bool
	// Ask is how the question stands now, when the word was about one.
	Ask *release.Ask
}

// Desk takes words. An error means that nobody knows whether the word was followed; saying it again, with the same
// ID, is safe. A word that is not followed is no error.
type Desk interface {
	Tell(ctx context.Context, word Word) (Reply, error)
}
