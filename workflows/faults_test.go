package workflows_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/workflows"
)

func TestLeaseThatRanOutBeginsTheRampAgain(t *testing.T) {
	inScene(t, func(s *scene) {
		s.live()
		r := s.begin(2, v2)
		r.on("weight web in b: 20%", time.Second, func() { s.world.Gateways.Expire("b") })
		r.end(release.Completed)
		equal(t, "weights of web", r.moves("web"), []string{
			"a 1%", "b 1%", "a 5%", "b 5%", "a 20%", "b 20%",
			"a 1%", "b 1%", "a 5%", "b 5%", "a 20%", "b 20%", "a 50%", "b 50%", "a 100%", "b 100%", "a 0%", "b 0%",
		})
	})
}

func TestLeaseThatRunsOutAgainAndAgainRollsBack(t *testing.T) {
	inScene(t, func(s *scene) {
		s.live()
		r := s.begin(2, v2)
		var expire func()
		expire = func() {
			s.world.Gateways.Expire("a")
			s.world.Once("note: step 1 of 4", expire)
		}
		s.world.Once("note: step 1 of 4", expire)
		r.world.Once("note: all traffic is back", func() {})
		r.run(r.input())
		r.cause(release.CauseLease, "4 times")
		if got := strings.Join(r.moves("web"), ", "); strings.Count(got, "a 1%") != 4 {
			t.Errorf("weights of web %s, want four beginnings", got)
		}
		r.checkTraffic()
	})
}

func TestLeaseThatRunsOutWhilePeopleAreAskedNeverLeavesTheCanaryUnwatched(t *testing.T) {
	for _, c := range []struct {
		name string
		edit func(*release.Spec)
		hold func(*playing)
	}{
		{"before the cutover", approvalBefore(release.BeforeCutover), func(p *playing) {
			p.on("note: waiting for 2 approvals", 10*time.Second, func() { p.world.Gateways.Expire("a") })
			p.on("note: waiting for 2 approvals", time.Minute, func() {
				for _, by := range []release.Actor{bert, cleo} {
					p.tell(workflows.UpdateApprove, release.Instruction{By: by, PlanHash: p.status().PlanHash})
				}
			})
		}},
		{"in a pause", nil, func(p *playing) {
			p.on("weight web in b: 50%", 0, func() { p.tell(workflows.UpdatePause, release.Instruction{}) })
			p.on("note: paused", time.Minute, func() { p.world.Gateways.Expire("a") })
			p.on("note: paused", 2*time.Minute, func() { p.tell(workflows.UpdateResume, release.Instruction{}) })
		}},
		{"while the rules are away", nil, func(p *playing) {
			p.world.Once("weight web in b: 50%", func() { p.world.Rules.Away(true) })
			p.on("weight web in b: 50%", 20*time.Second, func() { p.world.Gateways.Expire("a") })
			p.on("weight web in b: 50%", time.Minute, func() { p.world.Rules.Away(false) })
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			inScene(t, func(s *scene) {
				s.live()
				s.push(v2, c.edit)
				r := s.begin(2, v2)
				c.hold(r)
				r.end(release.Completed)
				// The ramp begins again before the cutover, and the approval still counts.
				moves := r.moves("web")
				if last := slices.Index(moves, "a 100%"); last < 0 || !slices.Equal(moves[last-8:last], []string{"a 1%", "b 1%", "a 5%", "b 5%", "a 20%", "b 20%", "a 50%", "b 50%"}) {
					t.Errorf("weights of web %v, want the whole ramp again before the cutover", moves)
				}
			})
		})
	}
}

func TestPauseAtTheLastStepKeepsTheCanaryWatched(t *testing.T) {
	inScene(t, func(s *scene) {
		s.live()
		r := s.begin(2, v2)
		r.on("weight web in b: 50%", 0, func() { r.tell(workflows.UpdatePause, release.Instruction{}) })
		r.on("note: paused", 5*time.Minute, func() { r.tell(workflows.UpdateResume, release.Instruction{}) })
		r.end(release.Completed)
		story := s.world.Lines("note: paused", "note: resumed", "renew a/")
		from, to := slices.Index(story, "note: paused by bert (api)"), slices.Index(story, "note: resumed by bert (api)")
		// Five minutes are some 90 renewals, each after a third of ten seconds.
		if from < 0 || to-from < 80 {
			t.Errorf("%d renewals in a pause of five minutes: nobody watched; the story is %q", to-from-1, story[:min(20, len(story))])
		}
		moves := r.moves("web")
		if cut := slices.Index(moves, "a 100%"); cut < 1 || moves[cut-1] != "b 50%" {
			t.Errorf("weights of web %v, want the cutover to follow the last step", moves)
		}
	})
}

func TestCanaryWithoutRequestsIsSaidAndStepsBack(t *testing.T) {
	inScene(t, func(s *scene) {
		s.live()
		r := s.begin(2, v2)
		r.on("note: step 3 of 4", 0, func() { s.world.Gateways.Traffic(0) })
		r.on("note: no evidence for 30s; the ramp steps back", time.Second, func() { s.world.Gateways.Traffic(2000) })
		r.end(release.Completed)
		if got := r.lines("note: blind"); len(got) == 0 {
			t.Error("nobody was told that the canary is blind")
		}
		if moves := r.moves("web"); !slices.Equal(moves[4:8], []string{"a 20%", "b 20%", "a 5%", "b 5%"}) {
			t.Errorf("weights of web %v, want a step back from 20%% to 5%%", moves)
		}
	})
}

func TestCanaryThatNeverGetsRequestsEndsByPatience(t *testing.T) {
	inScene(t, func(s *scene) {
		s.live()
		r := s.begin(2, v2)
		s.world.Once("note: ramping", func() { s.world.Gateways.Traffic(0) })
		r.end(release.RolledBack)
		r.cause(release.CausePatience, "10m")
		equal(t, "weights of web", r.moves("web"), []string{"a 1%", "b 1%", "b 0%", "a 0%"})
	})
}

func TestWatcherThatIsLostGoesOnWithWhatItHad(t *testing.T) {
	inScene(t, func(s *scene) {
		s.live()
		r := s.begin(2, v2)
		r.on("weight web in b: 5%", time.Second, r.server.loseWatcher)
		r.on("weight web in b: 5%", 2*time.Second, r.server.loseWatcher)
		r.on("note: watching", 5*time.Second, r.server.loseWatcher)
		r.end(release.Completed)
		equal(t, "weights of web", r.moves("web"), []string{
			"a 1%", "b 1%", "a 5%", "b 5%", "a 20%", "b 20%", "a 50%", "b 50%", "a 100%", "b 100%", "a 0%", "b 0%",
		})
	})
}

func TestEvidenceThatCannotBeJudgedRollsBack(t *testing.T) {
	inScene(t, func(s *scene) {
		s.live()
		r := s.begin(2, v2)
		r.world.Once("weight web in b: 5%", func() { s.world.Gateways.Garble() })
		r.end(release.RolledBack)
		r.cause(release.CauseInternal, "the watcher ended")
	})
}

func TestGatewayThatIsAwayHoldsTheStepAndNotTheWayBack(t *testing.T) {
	inScene(t, func(s *scene) {
		s.live()
		r := s.begin(2, v2)
		s.world.Once("weight web in b: 5%", func() { s.world.Gateways.Away("b/gateway-1", true) })
		r.on("weight web in b: 5%", time.Minute, func() {
			if got := r.status(); got.Step > 1 {
				t.Errorf("step %d was reached without the evidence of a gateway", got.Step)
			}
			s.world.Once("weight web in a: 0%", func() {
				if got := s.world.Gateways.Weights()["b"]["fliggy/rail-tour/production/web"]; got != 0 {
					t.Errorf("the gateway that is away has %s, want its lease to have run out", got)
				}
				s.world.Gateways.Away("b/gateway-1", false)
			})
			r.alarm()
		})
		r.end(release.RolledBack)
		r.cause(release.CauseAlarm)
	})
}

func TestCutoverThatOneGatewayTookIsTakenBackHoweverLongItIsAway(t *testing.T) {
	inSceneWith(t, 2, func(s *scene) {
		s.live()
		r := s.begin(2, v2)
		// One gateway of the unit takes all traffic, which no lease ends; the other is away, so that the
		// step does not count as done.
		s.world.Once("decide cutover in a", func() { s.world.Gateways.Away("a/gateway-2", true) })
		r.on("decide cutover in a", 2*time.Second, func() {
			s.world.Gateways.Away("a/gateway-1", true)
			r.alarm()
		})
		r.on("weight web in b: 0%", time.Hour, func() {
			s.world.Gateways.Away("a/gateway-1", false)
			s.world.Gateways.Away("a/gateway-2", false)
		})
		r.end(release.RolledBack)
		r.cause(release.CauseAlarm)
	})
}

func TestWayBackNeedsNoRulesNoLedgerAndNoJournal(t *testing.T) {
	inScene(t, func(s *scene) {
		s.live()
		r := s.begin(2, v2)
		away := func(away bool) {
			s.world.Rules.Away(away)
			s.world.Ledger.Away(away)
			s.world.Journal.Away(away)
		}
		asked := 0
		s.world.Once("weight web in b: 20%", func() {
			away(true)
			asked = len(s.world.Ledger.Asked())
		})
		var stopped, back time.Time
		r.on("weight web in b: 20%", time.Second, func() {
			stopped = time.Now()
			r.alarm()
		})
		s.world.Once("weight web in a: 0%", func() { back = time.Now() })
		r.on("weight web in a: 0%", time.Hour, func() {
			if got := len(s.world.Ledger.Asked()); got != asked {
				t.Errorf("the rules were asked %d times on the way back", got-asked)
			}
			if r.env.IsWorkflowCompleted() {
				t.Error("the release ended with its journal unwritten")
			}
			away(false)
		})
		r.end(release.RolledBack)
		r.cause(release.CauseAlarm)
		if took := back.Sub(stopped); took > time.Second {
			t.Errorf("the way back took %s", took)
		}
	})
}

func TestJournalThatIsAwayHoldsNoTrafficBack(t *testing.T) {
	inScene(t, func(s *scene) {
		s.live()
		r := s.begin(2, v2)
		s.world.Once("weight web in b: 1%", func() { s.world.Journal.Away(true) })
		r.on("weight web in b: 100%", 3*time.Minute, func() { s.world.Journal.Away(false) })
		r.end(release.Completed)
		if got := s.world.Journal.Entries(r.id); len(got) < 20 {
			t.Errorf("%d entries were written, want all", len(got))
		}
	})
}

func TestRulesThatAreAwayHoldTheStep(t *testing.T) {
	inScene(t, func(s *scene) {
		s.live()
		r := s.begin(2, v2)
		s.world.Once("weight web in b: 5%", func() { s.world.Rules.Away(true) })
		r.on("weight web in b: 5%", 2*time.Minute, func() {
			if got := s.world.Gateways.Weights()["a"]["fliggy/rail-tour/production/web"]; got != 500 {
				t.Errorf("the gateways serve %s, want 5%% held", got)
			}
			s.world.Rules.Away(false)
		})
		r.end(release.Completed)
	})
}

func TestAbortedDeploymentLeavesNothingRunning(t *testing.T) {
	inScene(t, func(s *scene) {
		s.live()
		s.world.Runtime.Slow(20 * time.Second)
		r := s.begin(2, v2)
		r.on("decide deploy: allow", 2*time.Second, func() { r.tell(workflows.UpdateAbort, release.Instruction{}) })
		r.end(release.Aborted)
	})
}
