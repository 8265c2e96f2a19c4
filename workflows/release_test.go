package workflows_test

import (
	"context"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"

	"github.com/skyisland/skyisland/activities"
	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/workflows"
)

func TestFirstReleaseGoesStraightToItsCutover(t *testing.T) {
	inScene(t, func(s *scene) {
		r := s.begin(1, v1)
		r.end(release.Completed)
		equal(t, "weights of web", r.moves("web"), []string{"a 100%", "b 100%", "a 0%", "b 0%"})
	})
}

func TestSecondReleaseWalksAllStepsInAllUnitsInLockStep(t *testing.T) {
	inScene(t, func(s *scene) {
		s.live()
		r := s.begin(2, v2)
		r.end(release.Completed)
		want := []string{"a 1%", "b 1%", "a 5%", "b 5%", "a 20%", "b 20%", "a 50%", "b 50%", "a 100%", "b 100%", "a 0%", "b 0%"}
		for _, name := range []string{"web", "api", "jobs"} {
			equal(t, "weights of "+name, r.moves(name), want)
		}
		for name, revision := range r.outcome.Stable {
			if revision.Commit != v2 || revision.ID == s.stable[name].ID {
				t.Errorf("%s is %s of commit %s, want a new revision of %s", name, revision.ID, revision.Commit, v2)
			}
		}
		r.predecessorsStayWarm(s.spec.Watch.Std())
	})
}

// predecessorsStayWarm checks that nothing was retired before the watch had passed in every unit.
func (p *playing) predecessorsStayWarm(watch time.Duration) {
	p.t.Helper()
	cut := p.world.Events("weight web in b: 100%")
	retired := p.world.Events("retire web-")
	if len(cut) == 0 || len(retired) == 0 {
		p.t.Fatalf("cutovers %v, retirements %v: want some of both", cut, retired)
	}
	if warm := retired[0].At.Sub(cut[len(cut)-1].At); warm < watch {
		p.t.Errorf("the predecessor was retired %s after the cutover, want at least %s", warm, watch)
	}
}

func TestWhatOneGatewayFindsIsTakenBackEverywhere(t *testing.T) {
	inScene(t, func(s *scene) {
		s.live()
		s.world.Once("weight web in b: 20%", func() { s.world.Gateways.Trip("b/gateway-1", "error: canary 3 of 3 bad") })
		r := s.begin(2, v2)
		r.end(release.RolledBack)
		r.cause(release.CauseEvidence, "found at the gateway b/gateway-1: error: canary 3 of 3 bad")
	})
}

func TestGuardsAndWatcherShareWhatTheReleaseMaySpend(t *testing.T) {
	inScene(t, func(s *scene) {
		s.live()
		spent := 0.0
		s.world.Once("weight web in b: 20%", func() {
			for _, unit := range []string{"a", "b"} {
				for _, component := range []string{"web", "api", "jobs"} {
					guard := s.world.Gateways.Route(unit, release.RouteKey(lane, component)).Guard
					if guard == nil || guard.Steps == 0 || guard.Planned == 0 {
						t.Errorf("the route of %s in unit %s is guarded by %+v", component, unit, guard)
						return
					}
					spent += guard.FalseRollback * float64(s.world.Gateways.Size(unit))
				}
			}
		})
		r := s.begin(2, v2)
		watched := 0.0
		r.env.SetOnActivityStartedListener(func(info *activity.Info, _ context.Context, args converter.EncodedValues) {
			var in activities.WatchInput
			if info.ActivityType.Name == activities.WatchType && args.Get(&in) == nil {
				watched = max(watched, in.Config.Alpha)
			}
		})
		r.end(release.Completed)
		if all := float64(s.spec.Analysis.FalseRollback); spent == 0 || watched == 0 || math.Abs(spent+watched-all) > 1e-12 {
			t.Errorf("the guards spend %v and the watcher %v, want %v together", spent, watched, all)
		}
	})
}

func TestBadCanaryIsTakenBackInReverseOrderOfTheUnits(t *testing.T) {
	inScene(t, func(s *scene) {
		s.live()
		r := s.begin(2, v2)
		s.world.Once("weight web in b: 5%", func() { s.world.Gateways.Fail(s.revision("web", v2), 1) })
		r.end(release.RolledBack)
		r.cause(release.CauseEvidence, "bad")
		equal(t, "weights of web", r.moves("web"), []string{"a 1%", "b 1%", "a 5%", "b 5%", "b 0%", "a 0%"})
		if status := r.status(); status.Evidence == nil || status.Evidence.Verdict != release.VerdictFail {
			t.Errorf("evidence %+v, want the verdict that ended it", status.Evidence)
		}
	})
}

// stopping is a reason to stop at a moment, and how the release ends by it.
type stopping struct {
	name string
	// at is the event after which the release is stopped, wait the time between.
	at   string
	wait time.Duration
	edit func(*release.Spec)
	do   func(*playing)
	end  release.Phase
	kind release.CauseKind
}

func approvalBefore(point release.ApprovalPoint) func(*release.Spec) {
	return func(spec *release.Spec) {
		spec.Approval = &release.Approval{Before: point, From: []string{"release-managers"}, Count: 2, Within: release.Duration(24 * time.Hour)}
	}
}

func TestReleaseStops(t *testing.T) {
	abort := func(p *playing) { p.tell(workflows.UpdateAbort, release.Instruction{}) }
	back := func(p *playing) { p.tell(workflows.UpdateRollback, release.Instruction{}) }
	pause := func(p *playing) {
		p.tell(workflows.UpdatePause, release.Instruction{})
		p.on("note: paused", time.Minute, p.alarm)
	}
	for _, c := range []stopping{
		{"an alarm before traffic fails it", "cases of web", 0, nil, (*playing).alarm, release.Failed, release.CauseAlarm},
		{"an alarm in the ramp rolls it back", "weight web in a: 5%", 0, nil, (*playing).alarm, release.RolledBack, release.CauseAlarm},
		{"an alarm between two units rolls it back", "decide step in b to 20%", 0, nil, (*playing).alarm, release.RolledBack, release.CauseAlarm},
		{"an alarm in a pause rolls it back", "weight web in a: 5%", 0, nil, pause, release.RolledBack, release.CauseAlarm},
		{"an alarm while people are asked before the cutover rolls it back", "note: waiting for 2 approvals", time.Minute,
			approvalBefore(release.BeforeCutover), (*playing).alarm, release.RolledBack, release.CauseAlarm},
		{"an alarm in the middle of the cutover rolls it back", "weight web in a: 100%", 0, nil, (*playing).alarm, release.RolledBack, release.CauseAlarm},
		{"an alarm in the watch rolls it back", "note: watching", 5 * time.Second, nil, (*playing).alarm, release.RolledBack, release.CauseAlarm},
		{"an abort while it builds ends it", "run fliggy/rail-tour/production/2/web/build", 0, nil, abort, release.Aborted, release.CauseAbort},
		{"an abort while it is deployed ends it", "deploy web", 0, nil, abort, release.Aborted, release.CauseAbort},
		{"an abort while people are asked ends it", "note: waiting for 2 approvals", time.Minute, approvalBefore(release.BeforeRamp), abort, release.Aborted, release.CauseAbort},
		{"an abort in the ramp rolls it back", "weight web in a: 20%", time.Second, nil, abort, release.RolledBack, release.CauseAbort},
		{"a rollback in the ramp rolls it back", "weight web in a: 20%", time.Second, nil, back, release.RolledBack, release.CauseRollback},
		{"a rollback in the watch rolls it back", "note: watching", time.Second, nil, back, release.RolledBack, release.CauseRollback},
		{"a newer release before traffic supersedes it", "cases of web", 0, nil, (*playing).overtake, release.Superseded, release.CauseSuperseded},
		{"a newer release in the ramp rolls it back", "weight web in a: 5%", time.Second, nil, (*playing).overtake, release.RolledBack, release.CauseSuperseded},
		{"its end in Temporal before traffic aborts it", "cases of web", 0, nil, func(p *playing) { p.env.CancelWorkflow() }, release.Aborted, release.CauseAbort},
		{"its end in Temporal in the ramp rolls it back", "weight web in a: 5%", time.Second, nil, func(p *playing) { p.env.CancelWorkflow() }, release.RolledBack, release.CauseAbort},
	} {
		t.Run(c.name, func(t *testing.T) {
			inScene(t, func(s *scene) {
				s.live()
				s.push(v2, c.edit)
				r := s.begin(2, v2)
				r.on(c.at, c.wait, func() { c.do(r) })
				r.end(c.end)
				r.cause(c.kind)
				if len(r.refused) > 0 {
					t.Errorf("refused: %v", r.refused)
				}
				if c.end != release.RolledBack && len(r.moves("web")) > 0 {
					t.Errorf("traffic moved: %v", r.moves("web"))
				}
			})
		})
	}
}

func TestNewerReleaseInTheWatchCompletesTheOlder(t *testing.T) {
	inScene(t, func(s *scene) {
		s.live()
		r := s.begin(2, v2)
		r.on("note: watching", time.Second, r.overtake)
		r.end(release.Completed)
		if r.outcome.Cause != nil {
			t.Errorf("cause %+v, want none", r.outcome.Cause)
		}
	})
}

func TestAlarmInTheLastMomentDoesNotUndoTheEnd(t *testing.T) {
	inScene(t, func(s *scene) {
		s.live()
		r := s.begin(2, v2)
		s.world.Once("weight web in b: 100%", func() {
			// The first final route: from here on the predecessor goes.
			r.on("weight web in a: 0%", 0, func() {
				r.alarm()
				r.tell(workflows.UpdateRollback, release.Instruction{})
			})
		})
		r.end(release.Completed)
		if got := r.refused[workflows.UpdateRollback]; !strings.Contains(got, "being completed") {
			t.Errorf("a rollback in the last moment was answered %q, want a refusal: the predecessor goes", got)
		}
	})
}

func TestPromotionOfAStepIsForThatStepAlone(t *testing.T) {
	inScene(t, func(s *scene) {
		s.live()
		r := s.begin(2, v2)
		r.on("note: step 2 of 4", time.Second, func() { r.tell(workflows.UpdatePromote, release.Instruction{}) })
		r.end(release.Completed)
		at := func(prefix string) time.Time { return s.world.Events(prefix)[0].At }
		if took := at("weight web in a: 20%").Sub(at("weight web in b: 5%")); took >= s.spec.Ramp.Bake.Std() {
			t.Errorf("the promoted step took %s", took)
		}
		if took := at("weight web in a: 50%").Sub(at("weight web in b: 20%")); took < s.spec.Ramp.Bake.Std() {
			t.Errorf("the step after it took %s, want its bake", took)
		}
	})
}

func TestGateEndsTheReleaseBeforeTraffic(t *testing.T) {
	for _, c := range []struct {
		name  string
		fault func(*scene)
		end   release.Phase
		kind  release.CauseKind
		words []string
	}{
		{"a build that fails, with the tail of its output", func(s *scene) { s.world.Commands.Fail("2/api/build", "exit status 2") },
			release.Failed, release.CauseBuild, []string{"api", "exit status 2", "the last line of"}},
		{"a test that fails, with the tail of its output", func(s *scene) { s.world.Commands.Fail("2/jobs/test", "exit status 1") },
			release.Failed, release.CauseTest, []string{"jobs", "exit status 1", "the last line of"}},
		{"a candidate that is never healthy", func(s *scene) { s.world.Runtime.Ail("web", "refused on port 80") },
			release.Failed, release.CauseHealth, []string{"web-", "unit", "refused on port 80", "panic: no luck"}},
		{"cases that fail", func(s *scene) { s.world.Prover.FailCases("got 500, want 200") }, release.Failed, release.CauseCases, []string{"got 500, want 200"}},
		{"too little capacity", func(s *scene) { s.world.Prover.FailPressure("carries 80/s, needs 100/s") },
			release.Failed, release.CausePressure, []string{"carries 80/s, needs 100/s"}},
		{"a commit that is not there", func(s *scene) { s.world.Source.Break(release.ErrNotFound) }, release.Refused, release.CauseSource, []string{v2}},
		{"a manifest with several errors, all of them", func(s *scene) { s.world.Source.Spoil(v2, problems) },
			release.Refused, release.CauseManifest, []string{"skyisland.yaml:3:7: name: no name; add one", "skyisland.yaml:9:1: extra: unknown field"}},
		{"a unit that does not exist", func(s *scene) { s.push(v2, func(spec *release.Spec) { spec.Units = []string{"a", "z"} }) },
			release.Refused, release.CauseManifest, []string{`no unit "z"`, "a, b"}},
		{"a manifest of another application", func(s *scene) { s.push(v2, func(spec *release.Spec) { spec.Lane.Application = "hotels" }) },
			release.Refused, release.CauseManifest, []string{"fliggy/hotels/production", "application: rail-tour"}},
		{"a component whose folder is missing", func(s *scene) {
			s.push(v2, func(spec *release.Spec) { spec.Components[1].Path = "nowhere" })
			s.world.Source.Empty(v2, "nowhere")
		}, release.Refused, release.CauseManifest, []string{`no folder "nowhere"`, "there are ., "}},
		{"a path that belongs to somebody else", func(s *scene) {
			s.world.Gateways.Seize("a", "other/app/production/web", "/taken")
			s.push(v2, func(spec *release.Spec) { spec.Components[0].Ingress.Path = "/taken" })
		}, release.Failed, release.CauseTraffic, []string{"other/app/production/web"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			inScene(t, func(s *scene) {
				s.live()
				c.fault(s)
				r := s.begin(2, v2)
				r.run(r.input())
				if r.outcome.Phase != c.end {
					t.Fatalf("ended %s, want %s", r.outcome.Phase, c.end)
				}
				r.cause(c.kind, c.words...)
				r.checkRecords()
				if moves := slices.Concat(r.moves("web"), r.moves("api"), r.moves("jobs")); len(moves) > 0 {
					t.Errorf("traffic moved: %v", moves)
				}
				for _, unit := range []string{"a", "b"} {
					if got := s.world.Runtime.Running(unit); len(got) != 3 {
						t.Errorf("unit %s runs %v, want the three stable revisions", unit, got)
					}
				}
			})
		})
	}
}

var problems = release.Problems{
	{File: "skyisland.yaml", Line: 3, Column: 7, Path: "name", Message: "no name", Fix: "add one"},
	{File: "skyisland.yaml", Line: 9, Column: 1, Path: "extra", Message: "unknown field"},
}

func TestRepositoryThatIsGoneIsGivenUpWithAClearCause(t *testing.T) {
	inScene(t, func(s *scene) {
		s.world.Source.Break(errGone)
		r := s.begin(1, v1)
		r.run(r.input())
		r.cause(release.CauseInternal, "Resolve", "no route to host")
		if r.outcome.Phase != release.Failed {
			t.Errorf("ended %s, want failed", r.outcome.Phase)
		}
	})
}

func TestReleaseThatIsOverBeforeItBeginsIsRecorded(t *testing.T) {
	for phase, event := range map[release.Phase]release.Event{release.Refused: release.Denied, release.Superseded: release.Overtaken} {
		t.Run(string(phase), func(t *testing.T) {
			inScene(t, func(s *scene) {
				r := s.begin(7, v2)
				in := r.input()
				in.Refused = &workflows.Refusal{Event: event, Cause: release.Cause{Kind: release.CauseManifest, Message: "no"}}
				r.run(in)
				r.checkRecords()
				if r.outcome.Phase != phase || len(r.told) != 0 {
					t.Errorf("ended %s and told the lane %v, want %s and nothing: the lane knows", r.outcome.Phase, r.told, phase)
				}
			})
		})
	}
}

func TestNothingChangedMovesNoTraffic(t *testing.T) {
	inScene(t, func(s *scene) {
		s.live()
		r := s.begin(2, v1)
		r.end(release.Completed)
		if moves := r.moves("web"); len(moves) > 0 {
			t.Errorf("traffic moved: %v", moves)
		}
		if !slices.ContainsFunc(r.lines("note:"), func(l string) bool { return strings.Contains(l, "nothing changed") }) {
			t.Error("nobody is told that nothing changed")
		}
	})
}

func TestRemovedComponentIsTakenOffTheAir(t *testing.T) {
	without := func(spec *release.Spec) { spec.Components = spec.Components[:2] }
	for name, commit := range map[string]string{"while others change": v2, "while nothing else changes": v1} {
		t.Run(name, func(t *testing.T) {
			inScene(t, func(s *scene) {
				s.live()
				s.push(commit, without)
				r := s.begin(2, commit)
				r.end(release.Completed)
				if _, there := r.outcome.Stable["jobs"]; there {
					t.Error("the lane still has the component")
				}
				route := s.world.Gateways.Route("b", "fliggy/rail-tour/production/jobs")
				if route.Stable != nil || route.Canary != nil || route.Ingress.Path != "/jobs" {
					t.Errorf("route %+v, want its own path and nobody behind it", route)
				}
				recorded := s.world.Journal.Routes("b")
				if !slices.ContainsFunc(recorded, func(r release.Route) bool { return component("jobs").Ingress.Path == r.Ingress.Path && r.Stable == nil }) {
					t.Errorf("recorded routes %+v, want the removed one among them", recorded)
				}
				if !slices.ContainsFunc(s.world.Ledger.Asked(), func(a asked) bool {
					return a.Question.Gate == release.GateDeploy && a.Question.Release.Number == 2 && a.Decision.Allow
				}) {
					t.Error("traffic changed without a recorded yes")
				}
			})
		})
	}
}

func TestNewComponentInAGroupThatRampsIsWholeFromTheFirstStep(t *testing.T) {
	inScene(t, func(s *scene) {
		s.live()
		s.push(v2, func(spec *release.Spec) { spec.Components = append(spec.Components, component("maps")) })
		s.world.Once("weight maps in a: 100%", func() {
			// It does badly, and has nobody to be compared with: that is not the others' fault.
			s.world.Gateways.Fail(s.revision("maps", v2), 0.5)
		})
		r := s.begin(2, v2)
		r.end(release.Completed)
		if got := r.moves("maps"); got[0] != "a 100%" {
			t.Errorf("weights of maps %v, want all from the first step on", got)
		}
		if got := r.moves("web"); got[0] != "a 1%" {
			t.Errorf("weights of web %v, want a ramp", got)
		}
	})
}

func TestNewComponentAloneIsTakenBackWhenItDoesBadly(t *testing.T) {
	inScene(t, func(s *scene) {
		s.live()
		s.push(v1, func(spec *release.Spec) { spec.Components = append(spec.Components, component("maps")) })
		s.world.Once("weight maps in b: 100%", func() { s.world.Gateways.Fail(s.revision("maps", v2), 0.5) })
		r := s.begin(2, v1)
		r.end(release.RolledBack)
		r.cause(release.CauseEvidence)
	})
}

func TestChangedRouteComesWithTheCutoverAndGoesWithTheWayBack(t *testing.T) {
	moved := func(spec *release.Spec) {
		spec.Components[0].Ingress = release.Ingress{Path: "/new", Pins: []release.Pin{{Header: "X-Canary", Values: []string{"yes"}}}}
	}
	path := func(s *scene) string {
		in := s.world.Gateways.Route("a", "fliggy/rail-tour/production/web").Ingress
		return in.Path + strings.Repeat(" pinned", len(in.Pins))
	}
	t.Run("when it is rolled back in the watch", func(t *testing.T) {
		inScene(t, func(s *scene) {
			s.live()
			s.push(v2, moved)
			r := s.begin(2, v2)
			var seen []string
			for _, at := range []string{"weight web in b: 5%", "weight web in b: 100%"} {
				s.world.Once(at, func() { seen = append(seen, path(s)) })
			}
			r.on("note: watching", 0, r.alarm)
			r.end(release.RolledBack)
			equal(t, "ways in", append(seen, path(s)), []string{"/web pinned", "/new pinned", "/web"})
		})
	})
	t.Run("when nothing else changes", func(t *testing.T) {
		inScene(t, func(s *scene) {
			s.live()
			s.push(v1, moved)
			r := s.begin(2, v1)
			r.end(release.Completed)
			if got := path(s); got != "/new pinned" {
				t.Errorf("the way in is %s, want the new one", got)
			}
			if got := s.world.Lines("retire web"); len(got) > 0 {
				t.Errorf("%v, want the same instances", got)
			}
		})
	})
}

func TestFirstReleaseThatDoesBadlyWaitsForAPerson(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(*playing)
		end  release.Phase
	}{
		{"promote keeps it", func(p *playing) { p.tell(workflows.UpdatePromote, release.Instruction{}) }, release.Completed},
		{"rollback takes it off the air", func(p *playing) { p.tell(workflows.UpdateRollback, release.Instruction{}) }, release.RolledBack},
		{"a new push replaces it", (*playing).overtake, release.Completed},
	} {
		t.Run(c.name, func(t *testing.T) {
			inScene(t, func(s *scene) {
				r := s.begin(1, v1)
				s.world.Once("weight web in b: 100%", func() { s.world.Gateways.Fail(s.revision("web", v2), 1) })
				r.on("note: the evidence is against the first release", 24*time.Hour, func() {
					if status := r.status(); status.Waiting == nil || status.Waiting.For != "promote or rollback" {
						t.Errorf("waits for %+v, want a person", status.Waiting)
					}
					c.do(r)
				})
				r.end(c.end)
			})
		})
	}
}

func TestTheBudgetOfBadAnswersMakesTheRampSmaller(t *testing.T) {
	inScene(t, func(s *scene) {
		s.live()
		s.push(v2, func(spec *release.Spec) { spec.Ramp.Exposure = 5 })
		r := s.begin(2, v2)
		r.end(release.Completed)
		moves := r.moves("web")
		for _, move := range moves {
			if strings.HasSuffix(move, " 50%") {
				t.Errorf("the weights are %v: 50%% can cost more than 5 bad answers", moves)
			}
		}
		if said := r.status().Timeline; !slices.ContainsFunc(said, func(e release.Entry) bool {
			return strings.Contains(e.Message, "the budget of bad answers makes the ramp smaller") && strings.Contains(strings.Join(e.Details, " "), "the step of 50%")
		}) {
			t.Errorf("nothing says why: %+v", said)
		}
	})
}
