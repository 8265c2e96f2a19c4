package release_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/skyisland/skyisland/internal/release"
)

var (
	allPhases = []release.Phase{
		release.Pending, release.Admitting, release.Building, release.Testing, release.Deploying, release.Verifying, release.Pressing,
		release.Approving, release.Ramping, release.CuttingOver, release.Watching, release.RollingBack,
		release.Completed, release.Refused, release.Failed, release.Aborted, release.Superseded, release.RolledBack,
	}
	allEvents = []release.Event{release.Passed, release.Denied, release.Broke, release.Stopped, release.Overtaken, release.Restored}
)

// arrows are all the transitions, written by hand: for each phase, where each event leads, in the
// order of allEvents; empty is nowhere.
var arrows = map[release.Phase][6]release.Phase{
	release.Pending:     {release.Admitting, release.Refused, release.Failed, release.Aborted, release.Superseded},
	release.Admitting:   {release.Building, release.Refused, release.Failed, release.Aborted, release.Superseded},
	release.Building:    {release.Testing, release.Refused, release.Failed, release.Aborted, release.Superseded},
	release.Testing:     {release.Deploying, release.Refused, release.Failed, release.Aborted, release.Superseded},
	release.Deploying:   {release.Verifying, release.Refused, release.Failed, release.Aborted, release.Superseded},
	release.Verifying:   {release.Pressing, release.Refused, release.Failed, release.Aborted, release.Superseded},
	release.Pressing:    {release.Approving, release.Refused, release.Failed, release.Aborted, release.Superseded},
	release.Approving:   {release.Ramping, release.Refused, release.Failed, release.Aborted, release.Superseded},
	release.Ramping:     {release.CuttingOver, release.RollingBack, release.RollingBack, release.RollingBack, release.RollingBack},
	release.CuttingOver: {release.Watching, release.RollingBack, release.RollingBack, release.RollingBack, release.RollingBack},
	release.Watching:    {release.Completed, release.RollingBack, release.RollingBack, release.RollingBack, release.Completed},
	release.RollingBack: {"", "", "", "", "", release.RolledBack},
}

func TestNext(t *testing.T) {
	for _, phase := range allPhases {
		for i, event := range allEvents {
			want := arrows[phase][i]
			got, err := phase.Next(event)
			switch {
			case want == "" && (err == nil || got != phase):
				t.Errorf("%s on %s leads to %s, %v; want an error and no change", phase, event, got, err)
			case want != "" && (err != nil || got != want):
				t.Errorf("%s on %s leads to %s, %v; want %s", phase, event, got, err, want)
			}
		}
		if _, goesOn := arrows[phase]; phase.Ended() == goesOn {
			t.Errorf("%s: ended is %t", phase, phase.Ended())
		}
	}
}

func TestTrafficThatMovedComesBackOrStays(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for range 2_000 {
		phase, moved, restored := release.Pending, false, false
		for range 40 {
			event := allEvents[random.IntN(len(allEvents))]
			next, err := phase.Next(event)
			if err != nil {
				continue
			}
			if phase.Ended() {
				t.Fatalf("%s was left for %s", phase, next)
			}
			moved = moved || next.MovesTraffic()
			restored = restored || next == release.RollingBack
			phase = next
		}
		without := []release.Phase{release.Refused, release.Failed, release.Aborted, release.Superseded}
		if moved && slices.Contains(without, phase) {
			t.Fatalf("a release whose traffic had moved ended %s", phase)
		}
		if phase == release.RolledBack && !restored {
			t.Fatal("a release was rolled back without rolling back")
		}
		if phase == release.Completed && restored {
			t.Fatal("a release that rolled back completed")
		}
	}
}

func TestEveryPhaseIsReachedAndEnds(t *testing.T) {
	reached := map[release.Phase]bool{release.Pending: true}
	for range allPhases {
		for _, arrow := range release.Transitions() {
			if reached[arrow.From] {
				reached[arrow.To] = true
			}
		}
	}
	ends := map[release.Phase]bool{}
	for range allPhases {
		for _, arrow := range release.Transitions() {
			ends[arrow.From] = ends[arrow.From] || arrow.To.Ended() || ends[arrow.To]
		}
	}
	for _, phase := range allPhases {
		if !reached[phase] {
			t.Errorf("no way leads to %s", phase)
		}
		if !phase.Ended() && !ends[phase] {
			t.Errorf("no way leads from %s to an end", phase)
		}
	}
}
