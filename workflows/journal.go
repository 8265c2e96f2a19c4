package workflows

import (
	"go.temporal.io/sdk/workflow"

	"github.com/skyisland/skyisland/activities"
	"github.com/skyisland/skyisland/internal/release"
)

// timelineLength bounds what the status shows, and entriesAtOnce what is written at once, because what
// an activity is given has a bound; the journal keeps everything.
const (
	timelineLength = 200
	entriesAtOnce  = 50
)

// journal is what has happened and is not written yet.
type journal struct {
	count   int
	pending []release.Entry
	writing bool
	// held keeps entries back while something more urgent is under way.
	held bool
}

func (j *journal) idle() bool { return len(j.pending) == 0 && !j.writing }

// note adds a line to the release's story.
func (r *run) note(message string, details ...string) { r.noteOf("", message, details...) }

// noteOf adds a line of a kind that people may want to be told of.
func (r *run) noteOf(kind release.EntryKind, message string, details ...string) {
	r.enterNote(release.Entry{Kind: kind, Message: message, Details: details})
}

// noteAsk adds a line about the question that people are being asked, with the question as it stands.
func (r *run) noteAsk(kind release.EntryKind, message string, details ...string) {
	r.enterNote(release.Entry{Kind: kind, Message: message, Details: details, Ask: r.snapshot()})
}

func (r *run) enterNote(entry release.Entry) {
	r.journal.count++
	entry.Number, entry.At, entry.Phase = r.journal.count, workflow.Now(r.base), r.status.Phase
	r.journal.pending = append(r.journal.pending, entry)
	// What is shown has the question once, as it stands now.
	entry.Ask = nil
	r.status.Timeline = append(r.status.Timeline, entry)
	if extra := len(r.status.Timeline) - timelineLength; extra > 0 {
		r.status.Timeline = r.status.Timeline[extra:]
	}
}

// writeJournal stores what happened, in order and beside the release's way: the journal is a
// record, and a database that is away must not keep traffic from going back.
func (r *run) writeJournal(ctx workflow.Context) {
	for {
		if err := workflow.Await(ctx, func() bool { return len(r.journal.pending) > 0 && !r.journal.held }); err != nil {
			return
		}
		n := min(len(r.journal.pending), entriesAtOnce)
		in := activities.ProgressInput{Summary: r.summary(), Entries: r.journal.pending[:n:n]}
		r.journal.pending, r.journal.writing = r.journal.pending[n:], true
		err := workflow.ExecuteActivity(quick(ctx, "Record: "+in.Entries[len(in.Entries)-1].Message), records.Progress, in).Get(ctx, nil)
		r.journal.writing = false
		if err != nil {
			// Only an end of the workflow itself gets here: the activity is tried for ever.
			workflow.GetLogger(ctx).Error("journal not written", "error", err)
			return
		}
	}
}

func (r *run) summary() release.Summary {
	return release.Summary{
		ID: r.status.ID, Phase: r.status.Phase, Ref: r.status.Ref, Commit: r.status.Commit, Message: r.status.Message, Requester: r.status.Requester,
		Requested: r.status.Requested, Updated: workflow.Now(r.base), Cause: r.status.Cause,
	}
}
