package workflows_test

import (
	"context"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/workflows"
)

// randomReleases is how many random lives are played; -short plays fewer.
const randomReleases = 30

// TestNoWeightWithoutAStoredYesWhateverHappens plays releases under random rules with random events. The gateways of the
// world check each weight that rises against the recorded answers, and a release that has ended, however it did, leaves
// traffic and revisions as every end has to.
func TestNoWeightWithoutAStoredYesWhateverHappens(t *testing.T) {
	ends := map[release.Phase]int{}
	lives := randomReleases
	if testing.Short() {
		lives /= 4
	}
	for seed := range uint64(lives) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			inScene(t, func(s *scene) {
				s.live()
				r := s.random(rand.New(rand.NewPCG(seed, 7)))
				r.run(r.input())
				for _, v := range s.world.Violations() {
					t.Errorf("violation: %s", v)
				}
				r.checkTraffic()
				r.checkRecords()
				r.allAllowed()
				ends[r.outcome.Phase]++
				if t.Failed() {
					t.Log(strings.Join(r.lines(), "\n"))
				}
			})
		})
	}
	// A test in which nothing moves, or nothing is stopped, would show nothing.
	if ends[release.Completed] == 0 || ends[release.RolledBack] == 0 || len(ends) < 4 {
		t.Errorf("the lives ended %v: too much alike", ends)
	}
}

// random is a release of v2 whose rules and events are drawn.
func (s *scene) random(draw *rand.Rand) *playing {
	s.push(v2, func(spec *release.Spec) {
		spec.Freeze = []release.FreezeAction{release.HoldFreeze, release.FinishFreeze, release.RevertFreeze}[draw.IntN(3)]
		if draw.IntN(2) == 0 {
			spec.Approval = &release.Approval{
				Before: []release.ApprovalPoint{release.BeforeRamp, release.BeforeCutover}[draw.IntN(2)], From: []string{"release-managers"},
				Count: 1 + draw.IntN(2), Within: release.Duration(time.Hour), Remind: release.Duration(20 * time.Minute),
			}
		}
	})
	// Drawn once for each question: the activity that asks may be tried again, and is told the same.
	no, hold := draw.Float64()*0.04, draw.Float64()*0.2
	salt := draw.Uint64()
	s.world.Rules.Answer(func(_ context.Context, q release.Question) (release.Decision, error) {
		chance := rand.New(rand.NewPCG(salt, stamp(q))).Float64()
		d := release.Decision{Gate: q.Gate, Allow: true}
		switch {
		case chance < no:
			d.Allow, d.Deny = false, []release.Denial{{Code: "team.no", Message: "no"}}
		case chance < no+hold:
			until := q.At.Add(time.Duration(1+int(chance*1000)%300) * time.Second)
			d.Allow, d.Deny = false, []release.Denial{{Code: "freeze.open", Message: "wait", Until: &until, Hold: true}}
		}
		return d, nil
	})
	r := s.begin(2, v2)
	// Most lives end by themselves; a person approves what is asked, and one in three is disturbed again and again.
	r.on("note: waiting for", time.Minute, func() {
		for _, by := range []release.Actor{bert, cleo} {
			r.tell(workflows.UpdateApprove, release.Instruction{By: by, PlanHash: r.status().PlanHash})
		}
	})
	for range draw.IntN(7) {
		at := time.Duration(1+draw.IntN(120)) * time.Second
		r.env.RegisterDelayedCallback(r.event(draw.IntN(24)), at)
	}
	return r
}

// stamp tells questions apart, also those of one moment.
func stamp(q release.Question) uint64 {
	h := fnv.New64a()
	fmt.Fprintln(h, q.At.UnixNano(), q.Gate)
	if q.Step != nil {
		fmt.Fprintln(h, q.Step.Unit, q.Step.To)
	}
	return h.Sum64()
}

// event is something that happens to a release; the gentle ones are the more likely.
func (p *playing) event(n int) func() {
	tell := func(name string) func() {
		return func() {
			p.tell(name, release.Instruction{By: bert, PlanHash: p.status().PlanHash, Comment: "because"})
		}
	}
	switch {
	case n == 0:
		return p.alarm
	case n == 1:
		return p.overtake
	case n == 2:
		return tell(workflows.UpdateAbort)
	case n == 3:
		return tell(workflows.UpdateRollback)
	case n == 4:
		return tell(workflows.UpdateReject)
	case n == 5:
		return func() { p.server.loseWatcher() }
	case n < 11:
		return func() {
			tell(workflows.UpdatePause)()
			p.env.RegisterDelayedCallback(tell(workflows.UpdateResume), 30*time.Second)
		}
	case n < 17:
		return tell(workflows.UpdateBreakGlass)
	default:
		return tell(workflows.UpdatePromote)
	}
}

// allAllowed fails the test for a move of traffic to a candidate that has no recorded yes of its own.
func (p *playing) allAllowed() {
	p.t.Helper()
	for _, line := range p.lines("weight ") {
		if strings.HasSuffix(line, ": 0%") {
			continue
		}
		allowed := false
		for _, a := range p.world.Ledger.Asked() {
			step := a.Question.Step
			if a.Decision.Allow && a.Question.Release == p.id && step != nil &&
				strings.Contains(line, " in "+step.Unit+": ") && strings.HasSuffix(line, ": "+step.To.String()) {
				allowed = true
			}
		}
		if !allowed {
			p.t.Errorf("%s has no recorded yes", line)
		}
	}
}
