package policy_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/policy"
	"github.com/skyisland/skyisland/internal/release"
)

// critical is a tier that demands one thing of each kind.
func critical() map[string]any {
	return map[string]any{
		"tiers": map[string]any{"critical": []any{map[string]any{"tenants": []any{"demo"}, "environments": []any{"production"}}}},
		"tier_rules": map[string]any{"critical": map[string]any{
			"approvals":          []any{map[string]any{"count": 2, "from": []any{"release-managers"}, "before": "ramp", "within": "4h"}},
			"max_step_permyriad": 1001, "min_bake": "10m", "min_watch": "1d", "stages": []any{"test"},
		}},
	}
}

// What a tier demands is read by Go, merged, and then found done by the same tier.
func TestWhatATierDemandsCanBeDone(t *testing.T) {
	e, q := engine(t, policy.Options{Data: critical()}), question()
	q.Spec.Components[0].Test.Run = []string{"make", "test"}
	build := q
	build.Gate, build.Plan, build.PlanHash, build.Step, build.Evidence = release.GateBuild, nil, "", nil, nil
	d := decide(t, e, build)
	want := []release.Obligation{
		{Kind: release.ObligeApprovals, Count: 2, From: []string{"release-managers"}, Before: release.BeforeRamp, Within: release.Duration(4 * time.Hour)},
		{Kind: release.ObligeMaxStep, Weight: 1001},
		{Kind: release.ObligeMinBake, For: release.Duration(10 * time.Minute)},
		{Kind: release.ObligeMinWatch, For: release.Duration(24 * time.Hour)},
		{Kind: release.ObligeStages, Stages: []release.Stage{release.StageTest}},
	}
	for i := range want {
		want[i].Reason = "tier critical"
	}
	if !d.Allow || !reflect.DeepEqual(d.Obligations, want) {
		t.Fatalf("allow %v, obligations %+v, want %+v", d.Allow, d.Obligations, want)
	}

	q.Gate, q.Step, q.Evidence = release.GateDeploy, nil, nil
	if got := slices.Compact(codes(decide(t, e, q))); !slices.Equal(got, []string{"tier.approvals", "tier.max_step", "tier.min_bake", "tier.min_watch", "tier.stages"}) {
		t.Errorf("a plan that does nothing of it is denied for %q", got)
	}

	spec, _, err := q.Spec.Oblige(d.Obligations)
	if err != nil {
		t.Fatal(err)
	}
	built := map[string]release.Digest{"web": q.Plan.Moves[0].Candidate.Artifact}
	stable := map[string]release.Revision{"web": *q.Plan.Moves[0].Stable}
	plan := release.NewPlan(q.Release, q.Request, spec, built, stable)
	q.Spec, q.Plan, q.PlanHash, q.Passed = &spec, &plan, plan.Hash(), []release.Stage{release.StageTest}
	if d := decide(t, e, q); !d.Allow {
		t.Errorf("a plan that does all of it is denied for %+v", d.Deny)
	}

	q.Gate, q.Step = release.GateStep, &release.StepChange{Unit: "local", From: 0, To: plan.Steps[0].Weight}
	q.Approvals = []release.Approved{{By: release.Actor{Name: "ada", Groups: []string{"release-managers"}}, Point: release.BeforeRamp}}
	if got := codes(decide(t, e, q)); !slices.Equal(got, []string{"tier.approvals"}) {
		t.Errorf("with one of two approvals denied for %q", got)
	}
	q.Approvals = append(q.Approvals, release.Approved{By: release.Actor{Name: "bob", Groups: []string{"release-managers"}}, Point: release.BeforeRamp})
	if d := decide(t, e, q); !d.Allow {
		t.Errorf("with both approvals denied for %+v", d.Deny)
	}
}

func TestBrokenGlassIsTold(t *testing.T) {
	e := engine(t, policy.Options{Data: map[string]any{
		"freeze_windows": []any{map[string]any{"starts": "2026-03-01T00:00:00Z", "ends": "2026-03-03T00:00:00Z", "reason": "stock-taking"}},
		"break_glass":    map[string]any{"groups": []any{"incident-commanders"}, "lifts": []any{"freeze.open"}, "lasts": "4h"},
	}})
	commander := func(name string) release.Actor {
		return release.Actor{Name: name, Source: "slack", Groups: []string{"incident-commanders"}}
	}
	cleo := commander("cleo")
	q := question()
	q.BreakGlass = &release.BreakGlass{By: commander("bert"), Reason: "people cannot pay", At: q.At.Add(-time.Minute)}
	if d := decide(t, e, q); d.Allow || len(d.Lifted) != 0 {
		t.Errorf("one person's word lifted %+v", d.Lifted)
	}
	q.BreakGlass.Second = &cleo
	d := decide(t, e, q)
	until := time.Date(2026, 3, 3, 0, 0, 0, 0, time.UTC)
	want := []release.Denial{{
		Code: "freeze.open", Message: "production of demo/hello is frozen until 2026-03-03T00:00:00Z: stock-taking", Until: &until, Hold: true,
	}}
	if !d.Allow || !reflect.DeepEqual(d.Lifted, want) {
		t.Errorf("allow %v, denied for %+v, lifted %+v, want %+v", d.Allow, d.Deny, d.Lifted, want)
	}
	q.At = q.At.Add(5 * time.Hour)
	if d := decide(t, e, q); d.Allow {
		t.Error("the glass is broken for longer than it lasts")
	}
}

// People's freezes come with the question, so their types are what the rules read.
func TestPeopleStopTheLine(t *testing.T) {
	e, q := engine(t, policy.Options{}), question()
	freeze, err := release.NewFreeze("demo/hello", time.Hour, "payments are down", release.Actor{Name: "ada", Source: "api"}, q.At)
	if err != nil {
		t.Fatal(err)
	}
	other := release.Freeze{Starts: q.At, Reason: "elsewhere", Tenants: []string{"other"}, By: freeze.By}
	q.Facts = &release.Facts{
		Freezes: []release.Freeze{freeze, other},
		Ramping: []release.RampingRelease{{Release: q.Release, Units: []string{"local"}}},
	}
	d := decide(t, e, q)
	if !slices.Equal(codes(d), []string{"freeze.declared"}) || !d.Deny[0].Hold || !d.Deny[0].Until.Equal(*freeze.Ends) {
		t.Errorf("denied for %+v, want the freeze until %s", d.Deny, freeze.Ends)
	}
	freeze.Line, freeze.Ends = true, nil
	q.Facts.Freezes = []release.Freeze{freeze}
	q.Gate, q.Plan, q.PlanHash, q.Step, q.Evidence = release.GateAdmit, nil, "", nil, nil
	d = decide(t, e, q)
	if !slices.Equal(codes(d), []string{"freeze.line"}) || !d.Deny[0].Hold || d.Deny[0].Until != nil {
		t.Errorf("denied for %+v, want a line that is stopped until it is let go", d.Deny)
	}
}

// What the rules work out once for the data is what they would work out each time.
func TestPreparedDataGiveTheSameAnswer(t *testing.T) {
	file := everyTopic()
	file["freeze_windows"] = []any{map[string]any{"starts": "2026-03-01T00:00", "ends": "2026-03-03T00:00", "time_zone": "Asia/Shanghai", "reason": "stock-taking"}}
	file["hours"] = "always"
	d := decide(t, engine(t, policy.Options{Data: file}), question())
	if !slices.Equal(codes(d), []string{"freeze.open", "hours.malformed"}) {
		t.Errorf("denied for %+v", d.Deny)
	}
}

// What is stated of candidates comes with the question, so its types are what the rules read.
func TestAnUnprovenCandidateIsNotDeployed(t *testing.T) {
	q := question()
	q.Gate, q.Step, q.Evidence = release.GateDeploy, nil, nil
	demands := func(builders ...any) *policy.Engine {
		entry := map[string]any{"environments": []any{"production"}}
		if len(builders) > 0 {
			entry["builders"] = builders
		}
		return engine(t, policy.Options{Data: map[string]any{"provenance": []any{entry}}})
	}
	proven := release.Provenance{
		Component: "web", Artifact: q.Plan.Moves[0].Candidate.Artifact, Verified: true, Builder: "https://sky.example/builder",
		Repository: "demo/hello", Commit: q.Request.Commit, Keys: []string{"abc"}, Built: q.At,
	}
	foreign, other := proven, proven
	foreign.Repository = "demo/other"
	other.Artifact = release.Digest("sha256:" + strings.Repeat("9", 64))
	failed := release.Provenance{Component: "web", Artifact: proven.Artifact, Problem: "signature: it was changed"}
	for _, test := range []struct {
		name   string
		engine *policy.Engine
		facts  *release.Facts
		want   []string
	}{
		{"nothing is demanded", engine(t, policy.Options{}), &release.Facts{}, nil},
		{"it is proven", demands(), &release.Facts{Provenance: []release.Provenance{proven}}, nil},
		{"it is built by who may", demands("https://other.example", "https://sky.example/builder"), &release.Facts{Provenance: []release.Provenance{proven}}, nil},
		{"it is built by somebody else", demands("https://other.example"), &release.Facts{Provenance: []release.Provenance{proven}}, []string{"provenance.builder"}},
		{"it is from somewhere else", demands(), &release.Facts{Provenance: []release.Provenance{foreign}}, []string{"provenance.repository"}},
		{"the statement does not hold", demands(), &release.Facts{Provenance: []release.Provenance{failed}}, []string{"provenance.missing"}},
		{"the statement is about something else", demands(), &release.Facts{Provenance: []release.Provenance{other}}, []string{"provenance.missing"}},
		{"nobody looked", demands(), &release.Facts{}, []string{"provenance.unknown"}},
		{"an older program asked", demands(), nil, []string{"provenance.unknown"}},
	} {
		q.Facts = test.facts
		if d := decide(t, test.engine, q); !slices.Equal(codes(d), test.want) || d.Allow != (len(test.want) == 0) {
			t.Errorf("%s: denied for %+v, want %q", test.name, d.Deny, test.want)
		}
	}
	forecast, err := demands("https://sky.example/builder").WhatIf(t.Context(), *q.Spec, release.Actor{Name: "ada", Source: "api"}, q.At)
	if err != nil || forecast.Refused() {
		t.Errorf("before it is built: %+v, %v; want no demand that nobody could meet", forecast.Answers, err)
	}
}
