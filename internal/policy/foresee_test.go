package policy_test

import (
	"encoding/json"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/skyisland/skyisland/internal/policy"
	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/policies"
)

func engineWith(t *testing.T, data map[string]any) *policy.Engine {
	t.Helper()
	engine, err := policy.New(policy.Options{Bundle: policies.FS, Data: data, Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	return engine
}

var aThursday = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

func foreseeable() release.Spec {
	return release.Spec{
		Lane: release.Lane{Tenant: "demo", Application: "hello", Environment: "production"}, Branch: "main", Concurrency: release.Supersede,
		Units: []string{"a", "b"}, Freeze: release.HoldFreeze, Watch: release.Duration(time.Minute),
		Components: []release.Component{{
			Name: "web", Build: release.Build{Run: []string{"make"}}, Test: release.Command{Run: []string{"test"}},
			Run: release.Run{Command: []string{"web"}, Health: "/", Instances: 1}, Ingress: release.Ingress{Path: "/"},
		}},
		Ramp: release.Ramp{Steps: []release.Weight{500, 5000}, Bake: release.Duration(time.Minute), Patience: release.Duration(time.Hour)},
	}
}

func TestWhatIfAsksAllThatAReleaseWouldAsk(t *testing.T) {
	forecast, err := engineWith(t, nil).WhatIf(t.Context(), foreseeable(), release.Actor{Name: "ada", Source: "api"}, aThursday)
	if err != nil {
		t.Fatal(err)
	}
	var gates []string
	for _, answer := range forecast.Answers {
		gates = append(gates, string(answer.Gate))
		if !answer.Allow {
			t.Errorf("%s is answered no: %+v", answer.Gate, answer.Deny)
		}
	}
	if got, want := strings.Join(gates, " "), "admit build deploy step step step step cutover cutover"; got != want {
		t.Errorf("asked %s, want %s", got, want)
	}
	if forecast.Refused() {
		t.Error("it would be refused, without any rule against it")
	}
}

func TestWhatIfSaysWhatWouldStandAgainstItAndWhatIsDemanded(t *testing.T) {
	tiered := map[string]any{
		"tiers":      map[string]any{"one": []any{map[string]any{"tenants": []any{"demo"}}}},
		"tier_rules": map[string]any{"one": map[string]any{"approvals": []any{map[string]any{"count": 2, "from": []any{"managers"}, "before": "ramp"}}, "stages": []any{"pressure"}}},
	}
	lacks, err := engineWith(t, tiered).WhatIf(t.Context(), foreseeable(), release.Actor{Name: "ada", Source: "api"}, aThursday)
	if err != nil || !lacks.Refused() || len(lacks.Problems) != 1 || !strings.Contains(lacks.Problems[0].String(), "pressure") {
		t.Errorf("without a pressure gate: %+v, %v", lacks, err)
	}
	spec := foreseeable()
	spec.Pressure = &release.Pressure{Rate: 100, For: release.Duration(time.Minute), P99: release.Duration(time.Second), Errors: 0.01}
	met, err := engineWith(t, tiered).WhatIf(t.Context(), spec, release.Actor{Name: "ada", Source: "api"}, aThursday)
	if err != nil || met.Refused() || len(met.Notes) != 1 || len(met.Wants) != 1 || met.Wants[0].Count != 2 {
		t.Errorf("with one: %+v, %v", met, err)
	}
	frozen := map[string]any{"freeze_windows": []any{map[string]any{"starts": "2026-11-26T00:00:00Z", "ends": "2026-11-27T00:00:00Z", "reason": "holiday"}}}
	held, err := engineWith(t, frozen).WhatIf(t.Context(), foreseeable(), release.Actor{Name: "ada", Source: "api"}, aThursday)
	if err != nil || held.Refused() {
		t.Errorf("a freeze refuses: %+v, %v; it holds", held, err)
	}
	if last := held.Answers[len(held.Answers)-1]; last.Allow || last.Deny[0].Code != "freeze.open" {
		t.Errorf("the cutover in a freeze is answered %+v", last)
	}
}

func TestReplaySaysWhatOtherRulesWouldChange(t *testing.T) {
	question := release.Question{
		Version: release.QuestionVersion, Gate: release.GateAdmit, Release: release.ID{Lane: foreseeable().Lane, Number: 3}, At: aThursday,
		Request: release.Request{Lane: foreseeable().Lane, Requester: release.Actor{Name: "ada", Source: "github"}, Commit: strings.Repeat("a", 40), Repository: "r", Ref: "refs/heads/main"},
	}
	recorded, err := json.Marshal(question)
	if err != nil {
		t.Fatal(err)
	}
	now := engineWith(t, nil)
	was, err := now.Decide(t.Context(), question)
	if err != nil || !was.Allow {
		t.Fatalf("answered %+v, %v", was, err)
	}
	if change, err := now.Replay(t.Context(), recorded, was); err != nil || change != nil {
		t.Errorf("the same rules change %+v, %v", change, err)
	}
	strict := engineWith(t, map[string]any{"requesters": []any{map[string]any{"tenant": "demo", "names": []any{"bert"}}}})
	change, err := strict.Replay(t.Context(), recorded, was)
	if err != nil || change == nil || !change.Turned() || len(change.New) != 1 || change.New[0].Code != "requester.not_allowed" || change.Gate != release.GateAdmit {
		t.Errorf("stricter rules change %+v, %v", change, err)
	}
	if _, err := now.Replay(t.Context(), json.RawMessage("{"), was); err == nil {
		t.Error("half a question was answered")
	}
}

func TestTestsOfRulesAreRun(t *testing.T) {
	report, err := policy.Test(t.Context(), policies.FS)
	if err == nil && len(report.Failed) > 0 {
		t.Errorf("the built-in rules: %+v, %v", report.Failed, err)
	}
	rules := fstest.MapFS{
		"a/a.rego":      {Data: []byte("package a\n\nok if input.x == 1\n\nnever if input.y == 2\n")},
		"a/a_test.rego": {Data: []byte("package a_test\n\nimport data.a\n\ntest_ok if a.ok with input as {\"x\": 1}\n\ntest_wrong if a.ok with input as {\"x\": 2}\n")},
	}
	report, err = policy.Test(t.Context(), rules)
	if err != nil || report.Passed != 1 || len(report.Failed) != 1 || !strings.Contains(report.Failed[0], "test_wrong") || len(report.Missed) == 0 {
		t.Errorf("got %+v, %v", report, err)
	}
	rules["b.rego"] = &fstest.MapFile{Data: []byte("package b\n\nok if {")}
	if _, err := policy.Test(t.Context(), rules); err == nil || !strings.Contains(err.Error(), "b.rego") {
		t.Errorf("got %v, want the file that cannot be read", err)
	}
}

func TestWhatIfSaysWhoseApprovalWouldCount(t *testing.T) {
	spec := foreseeable()
	spec.Approval = &release.Approval{Before: release.BeforeCutover, Count: 1, From: []string{"managers"}, Within: release.Duration(time.Hour)}
	ada := release.Actor{Name: "ada", Source: "api", Groups: []string{"managers"}}
	for name, c := range map[string]struct {
		data map[string]any
		self bool
	}{
		"nothing against it":   {nil, true},
		"separation of duties": {map[string]any{"separation": map[string]any{"requester": true, "authors": true}}, false},
	} {
		forecast, err := engineWith(t, c.data).WhatIf(t.Context(), spec, ada, aThursday)
		if err != nil {
			t.Fatal(err)
		}
		if len(forecast.Approvals) != 2 || forecast.Refused() {
			t.Fatalf("%s: %+v, want two answers and no refusal", name, forecast)
		}
		for _, a := range forecast.Approvals {
			if want := c.self || !a.Requester; a.Allow != want || a.Point != release.BeforeCutover {
				t.Errorf("%s: %+v, want %t", name, a, want)
			}
		}
	}
}
