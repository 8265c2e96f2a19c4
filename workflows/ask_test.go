package workflows_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/workflows"
)

// oblige makes the rules of a scene demand something at the build gate.
func (s *scene) oblige(obligations ...release.Obligation) {
	rules, err := engine()
	if err != nil {
		s.t.Fatal(err)
	}
	s.world.Rules.Answer(func(ctx context.Context, q release.Question) (release.Decision, error) {
		d, err := rules.Decide(ctx, q)
		if q.Gate == release.GateBuild {
			d.Obligations = obligations
		}
		return d, err
	})
}

// entries are the lines of the story of a kind.
func (p *playing) entries(kind release.EntryKind) []release.Entry {
	var out []release.Entry
	for _, entry := range p.world.Journal.Entries(p.id) {
		if entry.Kind == kind {
			out = append(out, entry)
		}
	}
	return out
}

func TestWhatTheRulesDemandIsInThePlan(t *testing.T) {
	hour := release.Duration(time.Hour)
	security := release.Actor{Name: "sam", Source: "api", Groups: []string{"security"}}
	inScene(t, func(s *scene) {
		s.live()
		s.push(v2, approvalBefore(release.BeforeRamp))
		s.oblige(
			release.Obligation{Kind: release.ObligeApprovals, Count: 1, From: []string{"security"}, Before: release.BeforeRamp, Within: hour, Reason: "tier 1"},
			release.Obligation{Kind: release.ObligeMaxStep, Weight: 1000, Reason: "tier 1"},
		)
		r := s.begin(2, v2)
		r.on("note: waiting for 3 approvals", time.Minute, func() {
			status := r.status()
			if status.Ask == nil || len(status.Ask.Wants) != 2 || status.Ask.PlanHash != status.PlanHash {
				t.Fatalf("people are asked %+v, want both demands about the plan", status.Ask)
			}
			if e := status.Ask.Exposure; e == nil || e.BadAnswers == 0 || len(status.Ask.Changes) != 3 || len(status.Ask.Commits) == 0 || len(status.Ask.Pressure) != 6 {
				t.Errorf("people are not shown what they decide on: %+v", status.Ask)
			}
			for _, by := range []release.Actor{bert, cleo, security} {
				if r.status().Ask == nil {
					t.Errorf("the question is closed before %s has answered", by)
				}
				r.tell(workflows.UpdateApprove, release.Instruction{By: by, PlanHash: status.PlanHash})
			}
		})
		r.end(release.Completed)
		if steps := r.status().Steps; len(steps) != 7 {
			t.Errorf("%d steps, want a probe and six that rise by at most 10%%: %v", len(steps), steps)
		}
		answered := r.entries(release.EntryAnswered)
		if len(answered) != 3 || answered[0].Ask.Closed != "" || !strings.HasPrefix(answered[2].Ask.Closed, "approved") {
			t.Errorf("the answers are told as %+v", answered)
		}
	})
}

func TestDemandThatTheManifestCannotMeetRefusesTheRelease(t *testing.T) {
	inScene(t, func(s *scene) {
		s.live()
		s.push(v2, func(spec *release.Spec) { spec.Pressure = nil })
		s.oblige(release.Obligation{Kind: release.ObligeStages, Stages: []release.Stage{release.StagePressure}, Reason: "tier 1"})
		r := s.begin(2, v2)
		r.end(release.Refused)
		r.cause(release.CausePolicy, "the rules demand")
		if details := r.outcome.Cause.Details; len(details) != 1 || !strings.Contains(details[0], "add pressure:") {
			t.Errorf("details %q, want what to add", details)
		}
	})
}

func TestQuestionThatNobodyAnswersIsPutAgainAndToMorePeople(t *testing.T) {
	hour := release.Duration(time.Hour)
	boss := release.Actor{Name: "boss", Source: "api", Groups: []string{"heads"}}
	inScene(t, func(s *scene) {
		s.live()
		s.push(v2, func(spec *release.Spec) {
			spec.Approval = &release.Approval{
				Before: release.BeforeRamp, From: []string{"release-managers"}, Count: 1, Within: 4 * hour, Remind: hour,
				Escalate: &release.Escalation{After: 2 * hour, To: []string{"heads"}},
			}
		})
		r := s.begin(2, v2)
		tell := func(after time.Duration) {
			r.on("note: waiting for 1 approvals", after, func() {
				r.tell(workflows.UpdateApprove, release.Instruction{By: boss, PlanHash: r.status().PlanHash})
			})
		}
		tell(90 * time.Minute)
		tell(150 * time.Minute)
		r.end(release.Completed)
		if got := r.refused[workflows.UpdateApprove]; !strings.Contains(got, "boss may not answer") {
			t.Errorf("before the escalation boss was told %q, want a refusal", got)
		}
		for _, c := range []struct {
			kind release.EntryKind
			at   time.Duration
		}{{release.EntryReminded, time.Hour}, {release.EntryEscalated, 2 * time.Hour}} {
			told := r.entries(c.kind)
			if len(told) != 1 || told[0].Ask == nil || told[0].At.Sub(told[0].Ask.Asked) != c.at {
				t.Errorf("%s is told as %+v, want once, after %s", c.kind, told, c.at)
			}
		}
	})
}

func TestQuestionIsClosedHoweverItEnds(t *testing.T) {
	for name, c := range map[string]struct {
		do   func(*playing)
		end  release.Phase
		says string
	}{
		"by a rejection": {func(p *playing) {
			p.tell(workflows.UpdateReject, release.Instruction{By: bert, PlanHash: p.status().PlanHash, Comment: "no"})
		}, release.Refused, "rejected by bert"},
		"by an abort":        {func(p *playing) { p.tell(workflows.UpdateAbort, release.Instruction{By: ada}) }, release.Aborted, "no longer asked: aborted by ada"},
		"by a newer release": {(*playing).overtake, release.Superseded, "no longer asked: release 3 takes the lane"},
		"by nobody's answer": {func(*playing) {}, release.Refused, "expired: 0 of 2 approvals"},
	} {
		t.Run(name, func(t *testing.T) {
			inScene(t, func(s *scene) {
				s.live()
				s.push(v2, approvalBefore(release.BeforeRamp))
				r := s.begin(2, v2)
				r.on("note: waiting for 2 approvals", time.Minute, func() { c.do(r) })
				r.end(c.end)
				stopped := r.entries(release.EntryStopped)
				if len(stopped) != 1 || stopped[0].Ask == nil || !strings.HasPrefix(stopped[0].Ask.Closed, c.says) {
					t.Errorf("the end of the question is told as %+v, want %q", stopped, c.says)
				}
				if r.status().Ask != nil {
					t.Error("people are asked after the end")
				}
			})
		})
	}
}

func TestGlassIsBrokenByTwoPeopleAndTheRulesAreAskedAtOnce(t *testing.T) {
	inScene(t, func(s *scene) {
		s.live()
		rules, err := engine()
		if err != nil {
			t.Fatal(err)
		}
		s.world.Rules.Answer(func(ctx context.Context, q release.Question) (release.Decision, error) {
			d, err := rules.Decide(ctx, q)
			broken := q.BreakGlass != nil && q.BreakGlass.Second != nil
			if q.Breaking {
				// Without data the rules let nobody break any.
				d.Allow, d.Deny = true, nil
			}
			if q.Gate == release.GateStep && q.Step.To == 2000 && !broken {
				d.Allow, d.Deny = false, []release.Denial{{Code: "freeze.open", Message: "holidays", Hold: true}}
			}
			return d, err
		})
		r := s.begin(2, v2)
		begin := time.Now()
		var refused []string
		tell := func(after time.Duration, by release.Actor, why string) {
			r.on("decide step in a to 20%: deny", after, func() {
				r.refused = map[string]string{}
				r.tell(workflows.UpdateBreakGlass, release.Instruction{By: by, Comment: why})
				r.env.RegisterDelayedCallback(func() { refused = append(refused, r.refused[workflows.UpdateBreakGlass]) }, time.Second)
			})
		}
		tell(5*time.Second, bert, "")
		tell(10*time.Second, bert, "people cannot pay")
		tell(15*time.Second, release.Actor{Name: "Bert", Source: "slack"}, "people cannot pay")
		tell(20*time.Second, cleo, "I saw it")
		r.end(release.Completed)
		if took := time.Since(begin); took > 4*time.Minute {
			t.Errorf("it took %s: the rules were not asked again at once", took)
		}
		want := []string{"for a reason", "", "a second person", ""}
		for i, text := range want {
			if len(refused) != len(want) || (text == "") != (refused[i] == "") || !strings.Contains(refused[i], text) {
				t.Fatalf("refusals %q, want %q", refused, want)
			}
		}
		glass := r.status().BreakGlass
		if glass == nil || glass.By.Name != "bert" || glass.Second == nil || glass.Second.Name != "cleo" || len(r.entries(release.EntryGlass)) != 2 {
			t.Errorf("recorded %+v, want both people, and two lines", glass)
		}
		kinds := []release.EntryKind{release.EntryHeld, release.EntryFreed}
		for _, kind := range kinds {
			if n := len(r.entries(kind)); n != 1 {
				t.Errorf("%q is told %d times, want once", kind, n)
			}
		}
	})
}

func TestNobodyBlocksOrUndoesBrokenGlass(t *testing.T) {
	eve := release.Actor{Name: "eve", Source: "api"}
	inScene(t, func(s *scene) {
		s.live()
		// The rules let managers break glass; eve is none. What holds is lifted while glass is broken.
		s.world.Rules.Answer(func(_ context.Context, q release.Question) (release.Decision, error) {
			glass := q.BreakGlass
			manager := func(a *release.Actor) bool { return a != nil && slices.Contains(a.Groups, "release-managers") }
			broken := glass != nil && manager(&glass.By) && manager(glass.Second)
			d := release.Decision{Gate: q.Gate, Allow: true}
			switch {
			case q.Breaking && !broken:
				d.Allow, d.Deny = false, []release.Denial{{Code: "break_glass.not_allowed", Message: "eve may not"}}
			case q.Gate == release.GateStep && q.Step.To >= 2000 && !broken:
				d.Allow, d.Deny = false, []release.Denial{{Code: "freeze.open", Message: "holidays", Hold: true}}
			}
			return d, nil
		})
		r := s.begin(2, v2)
		var refused []string
		tell := func(at string, after time.Duration, by release.Actor) {
			r.on(at, after, func() {
				r.refused = map[string]string{}
				r.tell(workflows.UpdateBreakGlass, release.Instruction{By: by, Comment: "people cannot pay"})
				r.env.RegisterDelayedCallback(func() { refused = append(refused, r.refused[workflows.UpdateBreakGlass]) }, time.Second)
			})
		}
		const held = "decide step in a to 20%: deny"
		tell(held, 5*time.Second, eve)
		tell(held, 10*time.Second, bert)
		tell(held, 15*time.Second, cleo)
		// Once it is broken, another's word takes nothing back.
		tell("weight web in b: 20%", time.Second, eve)
		r.end(release.Completed)
		if len(refused) != 4 || refused[0] != "" || !strings.Contains(refused[1], "kept as the first") || refused[2] != "" || refused[3] != "" {
			t.Errorf("refusals %q, want bert's with eve alone", refused)
		}
		if glass := r.status().BreakGlass; glass == nil || glass.By.Name != "bert" || glass.Second == nil || glass.Second.Name != "cleo" {
			t.Errorf("broken by %+v, want bert and cleo", glass)
		}
	})
}

func TestFreezeThatOpensInTheMiddleOfAStepTakesItBackWhereTheManifestSaysSo(t *testing.T) {
	for _, c := range []struct {
		freeze release.FreezeAction
		end    release.Phase
	}{{release.HoldFreeze, release.Completed}, {release.RevertFreeze, release.RolledBack}} {
		t.Run(string(c.freeze), func(t *testing.T) {
			inScene(t, func(s *scene) {
				s.live()
				s.push(v2, func(spec *release.Spec) {
					spec.Freeze = c.freeze
					spec.Ramp.Steps, spec.Ramp.Bake = []release.Weight{5000}, release.Duration(time.Hour)
					spec.Ramp.Patience = release.Duration(3 * time.Hour)
				})
				opens := time.Now().Add(10 * time.Minute)
				s.object(release.Denial{Code: "freeze.open", Message: "holidays", Hold: true}, func(q release.Question) bool {
					return q.Gate == release.GateStep && q.At.After(opens) && q.At.Before(opens.Add(20*time.Minute))
				})
				r := s.begin(2, v2)
				r.end(c.end)
				if c.end == release.RolledBack {
					r.cause(release.CauseFreeze, "revert", "holidays")
					if late := time.Since(opens); late > 12*time.Minute {
						t.Errorf("it came %s after the freeze opened", late)
					}
				}
			})
		})
	}
}

func TestRulesAreToldWhatHasPassedAndWhoHasApproved(t *testing.T) {
	inScene(t, func(s *scene) {
		s.live()
		s.push(v2, approvalBefore(release.BeforeCutover))
		var cutover release.Question
		rules, err := engine()
		if err != nil {
			t.Fatal(err)
		}
		s.world.Rules.Answer(func(ctx context.Context, q release.Question) (release.Decision, error) {
			if q.Gate == release.GateCutover {
				cutover = q
			}
			return rules.Decide(ctx, q)
		})
		r := s.begin(2, v2)
		r.on("note: waiting for 2 approvals", time.Minute, func() {
			for _, by := range []release.Actor{bert, cleo} {
				r.tell(workflows.UpdateApprove, release.Instruction{By: by, PlanHash: r.status().PlanHash})
			}
		})
		r.end(release.Completed)
		if want := []release.Stage{release.StageBuild, release.StageTest, release.StageCases, release.StagePressure}; !slices.Equal(cutover.Passed, want) {
			t.Errorf("passed %v, want %v", cutover.Passed, want)
		}
		for _, a := range s.world.Ledger.Asked() {
			if q := a.Question; q.Gate == release.GateApprove && (len(q.Authors) != 1 || q.Authors[0].Name != "ada@example.com" || q.Point != release.BeforeCutover) {
				t.Errorf("asked about an approval with authors %+v before the %s", q.Authors, q.Point)
			}
		}
		if len(cutover.Approvals) != 2 || cutover.Approvals[0].Point != release.BeforeCutover {
			t.Errorf("approvals %+v, want two before the cutover", cutover.Approvals)
		}
	})
}
