package workflows

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/skyisland/skyisland/internal/release"
)

func heldAt(number int) Held {
	lane := release.Lane{Tenant: "t", Application: "a", Environment: "e"}
	return Held{Release: release.ID{Lane: lane, Number: number}, Request: release.Request{Lane: lane}}
}

func TestDecide(t *testing.T) {
	busy := func(waiting ...int) LaneState {
		current := heldAt(1)
		s := LaneState{Number: 1, Current: &current, Seen: []Seen{{Key: "old", Release: current.Release}}}
		for _, n := range waiting {
			s.Queue, s.Number = append(s.Queue, heldAt(n)), n
		}
		return s
	}
	full := make([]int, queueLength)
	for i := range full {
		full[i] = i + 2
	}
	for _, c := range []struct {
		name  string
		state LaneState
		req   release.Request
		want  release.Answer
		// started, ended and waiting are numbers; superseded is 0 for nobody.
		started, superseded int
		ended, waiting      []int
	}{
		{"an idle lane starts it", LaneState{Number: 6}, release.Request{Key: "k"}, release.Started, 7, 0, nil, nil},
		{"the same request again is a duplicate", busy(), release.Request{Key: "old"}, release.Duplicate, 0, 0, nil, nil},
		{"requests without a key are never the same", LaneState{Seen: []Seen{{}}}, release.Request{}, release.Started, 1, 0, nil, nil},
		{"a busy lane queues it", busy(2), release.Request{Concurrency: release.Queue}, release.Queued, 0, 0, nil, []int{2, 3}},
		{"a full queue refuses it", busy(full...), release.Request{Concurrency: release.Queue}, release.Rejected, 0, 0, []int{queueLength + 2}, full},
		{"it is refused where the manifest says so", busy(), release.Request{Concurrency: release.Reject}, release.Rejected, 0, 0, []int{2}, nil},
		{"it supersedes what is under way and what waits", busy(2, 3), release.Request{Concurrency: release.Supersede}, release.Superseding, 0, 1, []int{2, 3}, []int{4}},
		{"it supersedes where the manifest says nothing", busy(), release.Request{}, release.Superseding, 0, 1, nil, []int{2}},
		{"a broken manifest is refused in a busy lane", busy(2), release.Request{Problems: release.Problems{{Message: "no"}}}, release.Rejected, 0, 0, []int{3}, []int{2}},
		{"a broken manifest is refused in an idle lane", LaneState{}, release.Request{Problems: release.Problems{{Message: "no"}}}, release.Rejected, 0, 0, []int{1}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.req.Lane = heldAt(1).Release.Lane
			before := fmt.Sprintf("%+v", c.state)
			got := c.state.decide(c.req)
			if fmt.Sprintf("%+v", c.state) != before {
				t.Error("the state was changed in place")
			}
			if got.Submission.Answer != c.want || got.Submission.Message == "" {
				t.Errorf("answered %+v, want %s with a sentence", got.Submission, c.want)
			}
			started, superseded := 0, 0
			if got.Start != nil {
				started = got.Start.Release.Number
			}
			if got.Supersede != nil {
				superseded = got.Supersede.Number
			}
			var ended, waiting []int
			for _, end := range got.End {
				ended = append(ended, end.Release.Number)
				if end.Refused == nil {
					t.Errorf("release %d is to be recorded as over, and has no reason", end.Release.Number)
				}
			}
			for _, held := range got.State.Queue {
				waiting = append(waiting, held.Release.Number)
			}
			if started != c.started || superseded != c.superseded || !slices.Equal(ended, c.ended) || !slices.Equal(waiting, c.waiting) {
				t.Errorf("starts %d, supersedes %d, ends %v, leaves %v waiting; want %d, %d, %v, %v",
					started, superseded, ended, waiting, c.started, c.superseded, c.ended, c.waiting)
			}
		})
	}
}

func TestLaneRemembersTheLastRequestsOnly(t *testing.T) {
	s := LaneState{}
	for i := range seenLength + 5 {
		s = s.decide(release.Request{Key: fmt.Sprint(i), Lane: heldAt(1).Release.Lane, Concurrency: release.Reject}).State
	}
	if len(s.Seen) != seenLength || s.Seen[0].Key != "5" {
		t.Errorf("it remembers %d from %q on, want %d from 5 on", len(s.Seen), s.Seen[0].Key, seenLength)
	}
}

func TestLaneTakesInTheEndOfItsOwnReleaseOnly(t *testing.T) {
	current := heldAt(3)
	s := LaneState{Current: &current, Stable: map[string]release.Revision{"web": {ID: "web-old"}}}
	updated := map[string]release.Revision{"web": {ID: "web-new"}}
	if got := s.finished(release.Outcome{Release: heldAt(2).Release, Phase: release.Completed, Stable: updated}); got.Current == nil || got.Stable["web"].ID != "web-old" {
		t.Errorf("another release's end changed the lane: %+v", got)
	}
	if got := s.finished(release.Outcome{Release: current.Release, Phase: release.RolledBack, Stable: updated}); got.Current != nil || got.Stable["web"].ID != "web-old" {
		t.Errorf("a rollback left %+v, want the lane free and stable as it was", got)
	}
	if got := s.finished(release.Outcome{Release: current.Release, Phase: release.Completed, Stable: updated}); got.Stable["web"].ID != "web-new" {
		t.Errorf("a completed release left %+v as stable", got.Stable)
	}
}

func TestLaneDetailsSayWhatIsUnderWayAndWhatWaits(t *testing.T) {
	current := heldAt(3)
	current.Request.Commit = strings.Repeat("a", 40)
	s := LaneState{Current: &current, Queue: []Held{heldAt(4)}, Last: &release.Outcome{Release: heldAt(2).Release, Phase: release.RolledBack}}
	for _, want := range []string{"release 3", "`aaaaaaaaaaaa`", "release 4", "release 2, rolled-back"} {
		if !strings.Contains(s.details(), want) {
			t.Errorf("details lack %q:\n%s", want, s.details())
		}
	}
}
