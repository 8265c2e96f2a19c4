package workflows

import (
	"fmt"
	"slices"
	"strings"

	"github.com/skyisland/skyisland/activities"
	"github.com/skyisland/skyisland/internal/release"
)

// seenLength is how many requests a lane remembers, to answer one that comes twice. The inbox
// refuses a delivery that comes twice for much longer; this is for what gets past it.
const seenLength = 200

// queueLength bounds what may wait in a lane.
const queueLength = 100

// LaneState is all that a lane knows. Its methods are pure: they return the state that follows.
type LaneState struct {
	// Number is the last release's.
	Number int `json:"number"`
	// Stable is what serves, by component.
	Stable map[string]release.Revision `json:"stable,omitempty"`
	// Current is the release under way; nil when there is none.
	Current *Held `json:"current,omitempty"`
	// Queue waits, oldest first.
	Queue []Held `json:"queue,omitempty"`
	// Seen are the last requests and what became of them.
	Seen []Seen `json:"seen,omitempty"`
	// Last is how the last release ended.
	Last *release.Outcome `json:"last,omitempty"`
}

// Held is a release and the request for it.
type Held struct {
	Release release.ID      `json:"release"`
	Request release.Request `json:"request"`
}

// Seen is a request that was answered.
type Seen struct {
	Key     string     `json:"key"`
	Release release.ID `json:"release"`
}

// laneAnswer is what a lane does with a request.
type laneAnswer struct {
	State      LaneState
	Submission release.Submission
	// Start is the release to begin now, End those to record as ended unbegun.
	Start *ReleaseInput
	End   []ReleaseInput
	// Supersede is the release under way that has to make room.
	Supersede *release.ID
}

// decide answers a request.
func (s LaneState) decide(req release.Request) laneAnswer {
	if i := slices.IndexFunc(s.Seen, func(seen Seen) bool { return req.Key != "" && seen.Key == req.Key }); i >= 0 {
		id := s.Seen[i].Release
		return laneAnswer{State: s, Submission: release.Submission{Release: id, Answer: release.Duplicate, Message: "this is release " + id.String() + " already"}}
	}
	s.Number++
	held := Held{Release: release.ID{Lane: req.Lane, Number: s.Number}, Request: req}
	if req.Key != "" {
		s.Seen = append(slices.Clone(s.Seen), Seen{req.Key, held.Release})
	}
	if extra := len(s.Seen) - seenLength; extra > 0 {
		s.Seen = s.Seen[extra:]
	}
	switch {
	case len(req.Problems) > 0:
		return s.refuse(held, &stopped{release.Denied, release.Cause{
			Kind: release.CauseManifest, Message: "skyisland.yaml cannot be used", Details: lines(req.Problems),
		}})
	case s.Current == nil:
		s.Current = &held
		start := s.input(held)
		return laneAnswer{State: s, Start: &start, Submission: release.Submission{
			Release: held.Release, Answer: release.Started, Message: "release " + held.Release.String() + " has started"}}
	case req.Concurrency == release.Reject:
		return s.refuse(held, stop(release.Denied, release.CausePolicy, fmt.Sprintf("release %d is under way, and the manifest says reject", s.Current.Release.Number)))
	case req.Concurrency == release.Queue && len(s.Queue) >= queueLength:
		return s.refuse(held, stop(release.Denied, release.CausePolicy, fmt.Sprintf("%d releases wait in the lane already", len(s.Queue))))
	case req.Concurrency == release.Queue:
		s.Queue = append(slices.Clone(s.Queue), held)
		return laneAnswer{State: s, Submission: release.Submission{Release: held.Release, Answer: release.Queued,
			Message: fmt.Sprintf("release %s waits behind %d others", held.Release, len(s.Queue))}}
	default:
		return s.supersede(held)
	}
}

// refuse records the release as ended without a beginning.
func (s LaneState) refuse(held Held, why *stopped) laneAnswer {
	end := s.input(held)
	end.Refused = &Refusal{Event: why.Event, Cause: why.Cause}
	message := "release " + held.Release.String() + " is refused: " + why.Cause.Message
	if len(why.Cause.Details) > 0 {
		message += "\n" + strings.Join(why.Cause.Details, "\n")
	}
	return laneAnswer{State: s, End: []ReleaseInput{end}, Submission: release.Submission{Release: held.Release, Answer: release.Rejected, Message: message}}
}

// recalled is the state of a lane that goes on from what is recorded. A newest release that has not
// ended is taken for under way; whether it is there, the lane asks.
func (s LaneState) recalled(known activities.RecallResult) LaneState {
	if known.Stable != nil {
		s.Stable = known.Stable
	}
	if n := known.Newest; n != nil {
		s.Number = n.ID.Number
		if !n.Phase.Ended() {
			s.Current = &Held{Release: n.ID, Request: release.Request{Lane: n.ID.Lane, Commit: n.Commit, Message: n.Message, Requester: n.Requester, At: n.Requested}}
		}
	}
	return s
}

// forget lets the request for a release be made again.
func (s LaneState) forget(id release.ID) LaneState {
	s.Seen = slices.DeleteFunc(slices.Clone(s.Seen), func(seen Seen) bool { return seen.Release == id })
	return s
}

// supersede puts the newest first: what waits is overtaken, and what is under way makes room.
func (s LaneState) supersede(held Held) laneAnswer {
	current := s.Current.Release
	answer := laneAnswer{Supersede: &current, Submission: release.Submission{Release: held.Release, Answer: release.Superseding,
		Message: fmt.Sprintf("release %s takes the lane from release %d", held.Release, current.Number)}}
	for _, overtaken := range s.Queue {
		end := s.input(overtaken)
		end.Refused = &Refusal{Event: release.Overtaken, Cause: release.Cause{
			Kind: release.CauseSuperseded, Message: fmt.Sprintf("release %d takes the lane", held.Release.Number),
		}}
		answer.End = append(answer.End, end)
	}
	s.Queue = []Held{held}
	answer.State = s
	return answer
}

// finished takes in how a release ended.
func (s LaneState) finished(outcome release.Outcome) LaneState {
	if s.Current == nil || s.Current.Release != outcome.Release {
		return s
	}
	s.Current, s.Last = nil, &outcome
	if outcome.Phase == release.Completed {
		s.Stable = outcome.Stable
	}
	return s
}

// lost takes in a release that has ended without a word. Its traffic goes back to stable as its
// lease runs out.
func (s LaneState) lost(id release.ID) LaneState {
	return s.finished(release.Outcome{Release: id, Phase: release.Failed, Cause: &release.Cause{
		Kind: release.CauseInternal, Message: "the release's workflow was ended from outside",
	}})
}

// next is the release to begin now; false when there is none, or one is under way. It takes the
// release out of the queue.
func (s *LaneState) next() (ReleaseInput, bool) {
	if s.Current != nil || len(s.Queue) == 0 {
		return ReleaseInput{}, false
	}
	held := s.Queue[0]
	s.Queue = slices.Clone(s.Queue[1:])
	s.Current = &held
	return s.input(held), true
}

func (s LaneState) input(held Held) ReleaseInput {
	return ReleaseInput{Release: held.Release, Request: held.Request, Stable: s.Stable}
}

// details is the state as Markdown.
func (s LaneState) details() string {
	var b strings.Builder
	if s.Current != nil {
		fmt.Fprintf(&b, "Under way: **release %d**, commit `%s`\n\n", s.Current.Release.Number, short(s.Current.Request.Commit))
	} else {
		b.WriteString("Nothing is under way.\n\n")
	}
	for i, held := range s.Queue {
		fmt.Fprintf(&b, "%d. waits: release %d, commit `%s`\n", i+1, held.Release.Number, short(held.Request.Commit))
	}
	if s.Last != nil {
		fmt.Fprintf(&b, "\nLast: release %d, %s\n", s.Last.Release.Number, s.Last.Phase)
	}
	return b.String()
}

func lines(problems release.Problems) []string {
	out := make([]string, len(problems))
	for i, problem := range problems {
		out[i] = problem.String()
	}
	return out
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}
