package workflows_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/policy"
	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/policies"
	"github.com/skyisland/skyisland/workflows"
)

func TestPausedReleaseKeepsItsWeightAndItsWatcherUntilItIsResumed(t *testing.T) {
	inScene(t, func(s *scene) {
		s.live()
		r := s.begin(2, v2)
		// In the last unit: a pause before it holds what is left of the move.
		r.on("weight web in b: 5%", 0, func() {
			r.tell(workflows.UpdatePause, release.Instruction{Comment: "lunch"})
			r.on("note: paused", time.Minute, func() {
				status := r.status()
				if !status.Paused || status.Weight != 500 || status.Waiting == nil || status.Waiting.For != "somebody to resume it" {
					t.Errorf("paused %t at %s, waiting for %+v; want 5%% until somebody resumes it", status.Paused, status.Weight, status.Waiting)
				}
				if got := s.world.Gateways.Weights()["b"]["fliggy/rail-tour/production/web"]; got != 500 {
					t.Errorf("the gateways serve %s, want 5%%: the watcher renews the lease", got)
				}
				r.tell(workflows.UpdateResume, release.Instruction{})
			})
		})
		r.end(release.Completed)
	})
}

func TestPauseThatHoldsNothingAnyMoreIsOver(t *testing.T) {
	pause := func(p *playing) func() {
		return func() { p.tell(workflows.UpdatePause, release.Instruction{}) }
	}
	for _, c := range []struct {
		name    string
		do      func(*playing)
		refused string
		end     release.Phase
	}{
		{"when it comes after the last move", func(p *playing) {
			// The routes are recorded before the watch begins.
			p.world.Once("weight web in b: 100%", func() { p.world.Journal.Away(true) })
			p.on("weight web in b: 100%", 2*time.Second, pause(p))
			p.on("weight web in b: 100%", 3*time.Second, func() { p.world.Journal.Away(false) })
		}, "nothing is left to pause", release.Completed},
		{"when it comes with the last move under way", func(p *playing) {
			p.world.Once("decide cutover in b", func() { p.world.Gateways.Away("b/gateway-1", true) })
			p.on("decide cutover in b", time.Second, pause(p))
			p.on("note: paused", time.Second, func() { p.world.Gateways.Away("b/gateway-1", false) })
			p.world.Once("note: the pause came with the last move", func() {})
		}, "", release.Completed},
		{"when the release goes back", func(p *playing) {
			p.on("weight web in b: 5%", 0, pause(p))
			p.on("note: paused", time.Minute, p.alarm)
		}, "", release.RolledBack},
	} {
		t.Run(c.name, func(t *testing.T) {
			inScene(t, func(s *scene) {
				s.live()
				r := s.begin(2, v2)
				c.do(r)
				r.end(c.end)
				if got := r.refused[workflows.UpdatePause]; (got != "") != (c.refused != "") || !strings.Contains(got, c.refused) {
					t.Errorf("the pause was refused with %q, want %q in it", got, c.refused)
				}
				if r.status().Paused {
					t.Error("the release has ended, and is shown as paused")
				}
			})
		})
	}
}

func TestPromotionEndsAStepAndTheWatch(t *testing.T) {
	inScene(t, func(s *scene) {
		s.live()
		s.push(v2, func(spec *release.Spec) {
			spec.Ramp.Bake, spec.Watch = release.Duration(time.Minute), release.Duration(time.Hour)
		})
		r := s.begin(2, v2)
		begin := time.Now()
		for _, at := range []string{"note: step 2 of 4", "note: step 3 of 4", "note: step 4 of 4", "note: watching"} {
			r.on(at, time.Second, func() { r.tell(workflows.UpdatePromote, release.Instruction{By: bert, Comment: "I looked"}) })
		}
		r.end(release.Completed)
		if len(r.refused) > 0 {
			t.Errorf("refused: %v", r.refused)
		}
		if took := time.Since(begin); took > time.Minute {
			t.Errorf("it took %s, want less than one bake", took)
		}
		for _, a := range s.world.Ledger.Asked() {
			if a.Question.Gate == release.GateOverride && (a.Question.By == nil || a.Question.By.Name != "bert") {
				t.Errorf("the rules were asked about %+v, want who promoted", a.Question.By)
			}
		}
	})
}

func TestInstructionThatMakesNoSenseNowIsRefusedWithAReason(t *testing.T) {
	all := []string{
		workflows.UpdateApprove, workflows.UpdateReject, workflows.UpdatePause, workflows.UpdateResume,
		workflows.UpdatePromote, workflows.UpdateAbort, workflows.UpdateRollback,
	}
	for _, c := range []struct {
		name, at string
		edit     func(*release.Spec)
		do       func(*playing)
		// refused are words of the reason; what is not here is not tried.
		refused map[string]string
		end     release.Phase
	}{
		{"before traffic", "cases of web", nil, nil, map[string]string{
			"approve": "nobody is asked: the release is verifying", "reject": "nobody is asked", "resume": "not paused",
			"promote": "no step or watch to end: the release is verifying", "rollback": "no traffic has moved",
		}, release.Completed},
		{"in the ramp", "note: step 2 of 4", nil, nil, map[string]string{
			"approve": "nobody is asked: the release is ramping", "reject": "nobody is asked", "resume": "not paused",
		}, release.Completed},
		{"while people are asked before the cutover", "note: waiting for 2 approvals", approvalBefore(release.BeforeCutover), nil, map[string]string{
			"approve": "the answer is for plan (none)", "reject": "the answer is for plan (none)", "resume": "not paused",
			"promote": "waits for 2 approvals",
		}, release.Refused},
		{"in the watch", "note: watching", nil, nil, map[string]string{
			"approve": "nobody is asked", "reject": "nobody is asked", "pause": "nothing is left to pause", "resume": "not paused",
			"abort": "use rollback",
		}, release.Completed},
		{"on the way back", "weight web in b: 0%", nil, func(p *playing) { p.on("weight web in a: 5%", 0, p.alarm) }, map[string]string{
			"approve": "on its way back", "reject": "on its way back", "pause": "on its way back", "resume": "on its way back",
			"promote": "on its way back", "abort": "on its way back", "rollback": "on its way back",
		}, release.RolledBack},
	} {
		t.Run(c.name, func(t *testing.T) {
			inScene(t, func(s *scene) {
				s.live()
				s.push(v2, c.edit)
				r := s.begin(2, v2)
				if c.do != nil {
					c.do(r)
				}
				if c.name == "on the way back" {
					// The way back is short, unless a gateway is away.
					s.world.Once("weight web in a: 5%", func() { s.world.Gateways.Away("a/gateway-1", true) })
					r.on(c.at, 5*time.Second, func() { s.world.Gateways.Away("a/gateway-1", false) })
				}
				r.on(c.at, 0, func() {
					for _, name := range all {
						if c.refused[name] != "" {
							r.tell(name, release.Instruction{})
						}
					}
				})
				if c.end == release.Refused {
					r.on(c.at, time.Minute, func() { r.tell(workflows.UpdateAbort, release.Instruction{}) })
					c.end = release.RolledBack
				}
				r.end(c.end)
				for name, words := range c.refused {
					if !strings.Contains(r.refused[name], "cannot "+name) || !strings.Contains(r.refused[name], words) {
						t.Errorf("%s was refused with %q, want %q in it", name, r.refused[name], words)
					}
				}
			})
		})
	}
}

func TestApproval(t *testing.T) {
	type answer struct {
		name string
		by   release.Actor
		// other is set for an answer to another plan.
		other   bool
		refused string
	}
	approve := func(by release.Actor) answer { return answer{name: workflows.UpdateApprove, by: by} }
	for _, c := range []struct {
		name    string
		answers []answer
		end     release.Phase
		kind    release.CauseKind
	}{
		{"is given by enough people", []answer{approve(bert), approve(cleo)}, release.Completed, ""},
		{"is not for everybody", []answer{{workflows.UpdateApprove, dora, false, "dora may not answer"}, approve(bert), approve(cleo)}, release.Completed, ""},
		{"counts once a person", []answer{approve(bert), {workflows.UpdateApprove, bert, false, "bert has approved already; 1 of 2"}, approve(cleo)}, release.Completed, ""},
		{"counts once a person, wherever they are", []answer{
			approve(bert),
			{workflows.UpdateApprove, release.Actor{Name: "Bert", Source: "github", Groups: bert.Groups}, false, "has approved already"}, approve(cleo),
		}, release.Completed, ""},
		{"counts for the plan it was shown with", []answer{{workflows.UpdateApprove, bert, true, "the answer is for plan"}, approve(bert), approve(cleo)}, release.Completed, ""},
		{"is refused by one who may", []answer{{name: workflows.UpdateReject, by: cleo}}, release.Refused, release.CauseRejected},
		{"is taken back by one who gave it", []answer{approve(bert), {name: workflows.UpdateReject, by: bert}}, release.Refused, release.CauseRejected},
		{"is not refused by one who may not", []answer{{workflows.UpdateReject, dora, false, "dora may not answer"}, approve(bert), approve(cleo)}, release.Completed, ""},
		{"runs out", []answer{approve(bert)}, release.Refused, release.CauseExpired},
	} {
		t.Run(c.name, func(t *testing.T) {
			inScene(t, func(s *scene) {
				s.live()
				s.push(v2, approvalBefore(release.BeforeRamp))
				r := s.begin(2, v2)
				for i, a := range c.answers {
					r.on("note: waiting for 2 approvals", time.Duration(i+1)*time.Minute, func() {
						hash := r.status().PlanHash
						if a.other {
							hash = strings.Repeat("0", 64)
						}
						r.refused = map[string]string{}
						r.tell(a.name, release.Instruction{By: a.by, PlanHash: hash, Comment: "fine"})
						r.env.RegisterDelayedCallback(func() {
							if got := r.refused[a.name]; (a.refused == "") != (got == "") || !strings.Contains(got, a.refused) {
								t.Errorf("answer %d was refused with %q, want %q", i+1, got, a.refused)
							}
						}, time.Second)
					})
				}
				r.end(c.end)
				if c.kind != "" {
					r.cause(c.kind)
				}
				if c.end == release.Completed && len(r.status().Approvals) != 2 {
					t.Errorf("approvals %+v, want two", r.status().Approvals)
				}
			})
		})
	}
}

func TestApprovalBeforeTheCutoverHoldsTheLastStep(t *testing.T) {
	inScene(t, func(s *scene) {
		s.live()
		s.push(v2, approvalBefore(release.BeforeCutover))
		r := s.begin(2, v2)
		r.on("note: waiting for 2 approvals", time.Minute, func() {
			if got := s.world.Gateways.Weights()["a"]["fliggy/rail-tour/production/api"]; got != 5000 {
				t.Errorf("the gateways serve %s, want 50%%: the watcher renews the lease", got)
			}
			for _, by := range []release.Actor{bert, cleo} {
				r.tell(workflows.UpdateApprove, release.Instruction{By: by, PlanHash: r.status().PlanHash})
			}
		})
		r.end(release.Completed)
	})
}

// deny makes the rules of a scene deny some questions, with the code.
func (s *scene) deny(code string, until time.Time, when func(release.Question) bool) {
	s.t.Helper()
	s.object(release.Denial{Code: code, Message: "not now", Until: &until}, when)
}

// object makes the rules of a scene deny some questions.
func (s *scene) object(denial release.Denial, when func(release.Question) bool) {
	rules, err := engine()
	if err != nil {
		s.t.Fatal(err)
	}
	s.world.Rules.Answer(func(ctx context.Context, q release.Question) (release.Decision, error) {
		d, err := rules.Decide(ctx, q)
		if err == nil && when(q) {
			d.Allow = false
			d.Deny = append(d.Deny, denial)
		}
		return d, err
	})
}

func TestRulesSayNo(t *testing.T) {
	for _, c := range []struct {
		name string
		when func(release.Question) bool
		end  release.Phase
	}{
		{"to the release", func(q release.Question) bool { return q.Gate == release.GateAdmit }, release.Refused},
		{"to the deployment", func(q release.Question) bool { return q.Gate == release.GateDeploy }, release.Refused},
		{"to the pressure", func(q release.Question) bool { return q.Gate == release.GatePress }, release.Refused},
		{"to a step, in the second unit", func(q release.Question) bool {
			return q.Gate == release.GateStep && q.Step.Unit == "b" && q.Step.To == 2000
		}, release.RolledBack},
		{"to the cutover", func(q release.Question) bool { return q.Gate == release.GateCutover }, release.RolledBack},
	} {
		t.Run(c.name, func(t *testing.T) {
			inScene(t, func(s *scene) {
				s.live()
				s.deny("team.no", time.Time{}, c.when)
				r := s.begin(2, v2)
				r.end(c.end)
				r.cause(release.CausePolicy, "not now")
			})
		})
	}
}

func TestRulesThatHoldAreWaitedForAndRevertNothing(t *testing.T) {
	inScene(t, func(s *scene) {
		s.live()
		s.push(v2, func(spec *release.Spec) { spec.Freeze = release.RevertFreeze })
		begin := time.Now()
		until := begin.Add(30 * time.Minute)
		s.object(release.Denial{Code: "team.busy", Message: "another release ramps", Until: &until, Hold: true},
			func(q release.Question) bool { return q.Gate == release.GateStep && q.At.Before(until) })
		r := s.begin(2, v2)
		r.end(release.Completed)
		if took := time.Since(begin); took < 30*time.Minute {
			t.Errorf("it took %s, want at least half an hour of waiting", took)
		}
	})
}

func TestRulesSayNoToAnApproval(t *testing.T) {
	inScene(t, func(s *scene) {
		s.live()
		s.push(v2, approvalBefore(release.BeforeRamp))
		s.deny("approver.self", time.Time{}, func(q release.Question) bool { return q.Gate == release.GateApprove && q.By.Name == "bert" })
		r := s.begin(2, v2)
		r.on("note: waiting for 2 approvals", time.Minute, func() {
			r.tell(workflows.UpdateApprove, release.Instruction{By: bert, PlanHash: r.status().PlanHash})
		})
		r.end(release.Refused)
		r.cause(release.CauseExpired, "0 of 2")
		if got := r.refused[workflows.UpdateApprove]; !strings.Contains(got, "approver.self: not now") {
			t.Errorf("refused with %q, want the rules' reason", got)
		}
		told := s.world.Journal.Instructions()
		if len(told) != 1 || told[0].Refused == "" {
			t.Errorf("recorded %+v, want the refused approval", told)
		}
	})
}

func TestFreezeThatOpensInTheRamp(t *testing.T) {
	window := func(from, to time.Duration) map[string]any {
		return map[string]any{"freeze_windows": []any{map[string]any{
			"starts": time.Now().Add(from).UTC().Format(time.RFC3339), "ends": time.Now().Add(to).UTC().Format(time.RFC3339), "reason": "holidays",
		}}}
	}
	for _, c := range []struct {
		freeze release.FreezeAction
		end    release.Phase
		least  time.Duration
	}{
		{release.HoldFreeze, release.Completed, 30 * time.Minute},
		{release.FinishFreeze, release.Completed, 0},
		{release.RevertFreeze, release.RolledBack, 0},
	} {
		t.Run(string(c.freeze), func(t *testing.T) {
			inScene(t, func(s *scene) {
				s.live()
				s.push(v2, func(spec *release.Spec) { spec.Freeze = c.freeze })
				r := s.begin(2, v2)
				s.world.Once("weight web in b: 5%", func() {
					rules, err := policy.New(policy.Options{Bundle: policies.FS, Data: window(-time.Minute, 5*time.Minute)})
					if err != nil {
						t.Error(err)
						return
					}
					s.world.Rules.Answer(rules.Decide)
				})
				if c.freeze == release.HoldFreeze {
					r.on("decide step in a to 20%: deny", 0, func() {
						r.env.RegisterDelayedCallback(func() {
							status := r.status()
							if status.Waiting == nil || !strings.Contains(status.Waiting.For, "holidays") || status.Waiting.Until.IsZero() {
								t.Errorf("waits for %+v, want the end of the freeze", status.Waiting)
							}
						}, 10*time.Second)
					})
				}
				r.end(c.end)
				if c.end == release.RolledBack {
					r.cause(release.CauseFreeze, "revert", "holidays")
				}
			})
		})
	}
}

func TestLongFreezeAsksTheRulesLessAndLess(t *testing.T) {
	inScene(t, func(s *scene) {
		s.live()
		s.push(v2, func(spec *release.Spec) { spec.Pressure = nil })
		end := time.Now().Add(14 * 24 * time.Hour)
		var asked int
		s.world.Rules.Answer(func(_ context.Context, q release.Question) (release.Decision, error) {
			if q.Gate != release.GateDeploy || q.At.After(end) {
				return release.Decision{Allow: true, Gate: q.Gate}, nil
			}
			asked++
			return release.Decision{Gate: q.Gate, Deny: []release.Denial{{Code: "freeze.open", Message: "holidays"}}}, nil
		})
		r := s.begin(2, v2)
		r.end(release.Completed)
		// Each question costs about ten events, and a history ends at 51,200.
		if asked < 100 || asked > 14*24+10 {
			t.Errorf("the rules were asked %d times in two weeks, want about once an hour", asked)
		}
	})
}

func TestRulesThatCannotBeReadDoNotHoldTheReleaseAsAFreeze(t *testing.T) {
	inScene(t, func(s *scene) {
		s.live()
		s.deny("freeze.malformed", time.Time{}, func(q release.Question) bool { return q.Gate == release.GateDeploy })
		r := s.begin(2, v2)
		r.end(release.Refused)
		r.cause(release.CausePolicy)
	})
}

func TestRulesAreAskedAboutARejection(t *testing.T) {
	for _, c := range []struct {
		name  string
		allow bool
		end   release.Phase
		kind  release.CauseKind
	}{
		{"and allow it", true, release.Refused, release.CauseRejected},
		{"and deny it: it does not count", false, release.Refused, release.CauseExpired},
	} {
		t.Run(c.name, func(t *testing.T) {
			inScene(t, func(s *scene) {
				s.live()
				s.push(v2, approvalBefore(release.BeforeRamp))
				if !c.allow {
					s.deny("team.no", time.Time{}, func(q release.Question) bool { return q.Rejecting })
				}
				r := s.begin(2, v2)
				r.on("note: waiting for 2 approvals", time.Minute, func() {
					r.tell(workflows.UpdateReject, release.Instruction{By: bert, PlanHash: r.status().PlanHash, Comment: "not today"})
				})
				r.end(c.end)
				r.cause(c.kind)
				asked := slices.DeleteFunc(s.world.Ledger.Asked(), func(a asked) bool { return a.Question.Gate != release.GateApprove })
				if len(asked) != 1 {
					t.Fatalf("the rules were asked %+v, want once", asked)
				}
				if q := asked[0].Question; !q.Rejecting || q.By.Name != "bert" || q.Reason != "not today" || q.Point != release.BeforeRamp {
					t.Errorf("the rules were asked %+v, want bert's rejection", q)
				}
				if got := r.refused[workflows.UpdateReject]; !c.allow && (!strings.Contains(got, "team.no: not now") || !strings.Contains(got, "abort")) {
					t.Errorf("refused with %q, want the rules' reason and the way that is left", got)
				}
			})
		})
	}
}
