package policy_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/skyisland/skyisland/internal/policy"
	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/policies"
)

// question is one that the embedded rules allow: the second step of a release's ramp.
func question() release.Question {
	lane := release.Lane{Tenant: "demo", Application: "hello", Environment: "production"}
	id := release.ID{Lane: lane, Number: 2}
	request := release.Request{
		Key: "push", Lane: lane, Repository: "demo/hello", Ref: "refs/heads/main",
		Commit:    "0123456789abcdef0123456789abcdef01234567",
		Requester: release.Actor{Name: "ada", Source: "github"},
	}
	spec := release.Spec{
		Lane: lane, Units: []string{"local"}, Components: []release.Component{{Name: "web"}},
		Ramp: release.Ramp{Steps: []release.Weight{500, 2000, 5000}, Probe: release.Duration(time.Second)},
	}
	built := map[string]release.Digest{"web": release.Digest("sha256:" + strings.Repeat("2", 64))}
	stable := map[string]release.Revision{
		"web": release.NewRevision("web", release.Digest("sha256:"+strings.Repeat("1", 64)), release.Run{}, "old"),
	}
	plan := release.NewPlan(id, request, spec, built, stable)
	return release.Question{
		Version: release.QuestionVersion, Gate: release.GateStep, Release: id, Request: request, Spec: &spec,
		Plan: &plan, PlanHash: plan.Hash(), Step: &release.StepChange{Unit: "local", From: 500, To: 2000},
		Evidence: &release.Evidence{Verdict: release.VerdictPass, Sentence: "as good as stable"},
		At:       time.Date(2026, 3, 2, 12, 0, 0, 123, time.FixedZone("", 8*3600)),
	}
}

func engine(t testing.TB, options policy.Options) *policy.Engine {
	t.Helper()
	if options.Bundle == nil {
		options.Bundle = policies.FS
	}
	e, err := policy.New(options)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// bundle is a set of rules with one file.
func bundle(rego string) fstest.MapFS {
	return fstest.MapFS{"release/release.rego": {Data: []byte("package release\n" + rego)}}
}

func decide(t testing.TB, e *policy.Engine, q release.Question) release.Decision {
	t.Helper()
	d, err := e.Decide(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func codes(d release.Decision) []string {
	var out []string
	for _, denial := range d.Deny {
		out = append(out, denial.Code)
	}
	return out
}

func TestEmbeddedRulesAtEachGate(t *testing.T) {
	allowed := question()
	frozen := map[string]any{"freeze_windows": []any{map[string]any{
		"starts": "2026-03-02T00:00:00Z", "ends": "2026-03-03T00:00:00+08:00", "reason": "stock-taking",
	}}}
	plan := func(change func(*release.Plan)) func(*release.Question) {
		return func(q *release.Question) {
			changed := *q.Plan
			change(&changed)
			q.Plan = &changed
		}
	}
	for _, test := range []struct {
		name   string
		data   map[string]any
		change func(*release.Question)
		want   []string
	}{
		{"a planned step", nil, func(*release.Question) {}, nil},
		{"admission, which knows no plan yet", nil, func(q *release.Question) {
			*q = release.Question{Version: 1, Gate: release.GateAdmit, Release: q.Release, Request: q.Request, At: q.At}
		}, nil},
		{"a build during a freeze", frozen, func(q *release.Question) {
			q.Gate, q.Plan, q.PlanHash, q.Step, q.Evidence = release.GateBuild, nil, "", nil, nil
		}, nil},
		{"a deployment", nil, func(q *release.Question) { q.Gate, q.Step = release.GateDeploy, nil }, nil},
		{"the pressure gate", nil, func(q *release.Question) { q.Gate, q.Step = release.GatePress, nil }, nil},
		{"an approval", nil, func(q *release.Question) { q.Gate, q.Step = release.GateApprove, nil }, nil},
		{"the cutover after the last step", nil, func(q *release.Question) {
			q.Gate, q.Step = release.GateCutover, &release.StepChange{Unit: "local", From: 5000, To: 10000}
		}, nil},
		{"the cutover of a first release", nil, func(q *release.Question) {
			plan := release.NewPlan(q.Release, q.Request, *q.Spec, map[string]release.Digest{"web": q.Plan.Moves[0].Candidate.Artifact}, nil)
			q.Gate, q.Plan, q.Step = release.GateCutover, &plan, &release.StepChange{Unit: "local", From: 0, To: 10000}
		}, nil},
		{"the probe and the step of the same weight after it", nil, func(q *release.Question) {
			q.Step = &release.StepChange{Unit: "local", From: 0, To: 100}
		}, nil},
		{"an override by somebody known", nil, func(q *release.Question) {
			q.Gate, q.Step, q.By = release.GateOverride, nil, &release.Actor{Name: "bob", Source: "api"}
		}, nil},

		{"an override by nobody", nil, func(q *release.Question) { q.Gate, q.Step = release.GateOverride, nil }, []string{"requester.unidentified"}},
		{"a step against the evidence", nil, func(q *release.Question) { q.Evidence = &release.Evidence{Verdict: release.VerdictFail} }, []string{"step.evidence"}},
		{"a step over the limit", map[string]any{"max_step_permyriad": 1000}, func(*release.Question) {}, []string{"step.too_far"}},
		{"a step during a freeze", frozen, func(*release.Question) {}, []string{"freeze.open"}},
		{"a step during a freeze in a plan that finishes", frozen, plan(func(p *release.Plan) { p.Freeze = release.FinishFreeze }), nil},
		{"a step back during a freeze", frozen, func(q *release.Question) { q.Step = &release.StepChange{Unit: "local", From: 2000, To: 500} }, nil},
		{"a tag in the place of a digest", nil, plan(func(p *release.Plan) {
			p.Moves = slices.Clone(p.Moves)
			p.Moves[0].Candidate.Artifact = "latest"
		}), []string{"artifact.unpinned"}},
		{"a plan without its hash", nil, func(q *release.Question) { q.PlanHash = "" }, []string{"artifact.plan_hash"}},
		{"a requester who is not on the list", map[string]any{"requesters": []any{map[string]any{"tenant": "demo", "names": []any{"bob"}}}},
			func(q *release.Question) { q.Gate = release.GateAdmit }, []string{"requester.not_allowed"}},
		{"the zero question", nil, func(q *release.Question) { *q = release.Question{} }, []string{
			"artifact.none", "artifact.plan_hash", "question.clock", "question.gate", "question.plan",
			"question.release", "question.request", "question.version", "requester.unidentified",
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			q := allowed
			test.change(&q)
			d := decide(t, engine(t, policy.Options{Data: test.data}), q)
			if got := codes(d); !slices.Equal(got, test.want) || d.Allow != (len(test.want) == 0) {
				t.Errorf("allow %v, denied for %q, want %q: %+v", d.Allow, got, test.want, d.Deny)
			}
			if d.Gate != q.Gate || len(d.Bundle) != 16 || len(d.ID) != 32 {
				t.Errorf("gate %q, bundle %q, ID %q", d.Gate, d.Bundle, d.ID)
			}
		})
	}
}

func TestAFreezeSaysUntilWhen(t *testing.T) {
	e := engine(t, policy.Options{Data: map[string]any{"freeze_windows": []any{
		map[string]any{"starts": "2026-03-01T00:00:00Z", "ends": "2026-03-03T00:00:00+08:00", "reason": "stock-taking"},
	}}})
	d := decide(t, e, question())
	until := time.Date(2026, 3, 2, 16, 0, 0, 0, time.UTC)
	want := []release.Denial{{
		Code:    "freeze.open",
		Message: "production of demo/hello is frozen until 2026-03-03T00:00:00+08:00: stock-taking",
		Until:   &until,
		Hold:    true,
	}}
	if !reflect.DeepEqual(d.Deny, want) {
		t.Errorf("denied for %+v, want %+v", d.Deny, want)
	}
}

// Each way in which rules can fail to answer, with rules that really fail that way.
func TestNoAnswerIsANo(t *testing.T) {
	const endless = `decision := {"allow": true, "deny": set(), "obligations": set()} if {
		some i in numbers.range(1, 10000)
		some j in numbers.range(1, 10000)
		i * j < 0
	}`
	for _, test := range []struct{ name, rego, code, message string }{
		{"undefined", `decision := {} if input.gate == "no such gate"`, policy.CodeUndefined, "data.release.decision is undefined"},
		{"a conflict between two rules", `decision := 1 if input.version == 1
			decision := 2 if input.gate == "step"`, policy.CodeError, "conflicting values"},
		{"a built-in function that fails", `decision := {"allow": count(_deny) == 0, "deny": _deny, "obligations": set()}
			_deny contains {"code": "a.b", "msg": "never"} if time.parse_rfc3339_ns(input.gate) > 0`, policy.CodeError, "time.parse_rfc3339_ns"},
		{"no end", endless, policy.CodeTimeout, "no answer within"},
		{"no object", `decision := true`, policy.CodeMalformed, "no decision"},
		{"a bare yes", `decision := {"allow": true}`, policy.CodeMalformed, "needs allow, deny and obligations"},
		{"no word on allowing", `decision := {"deny": set(), "obligations": set()}`, policy.CodeMalformed, "needs allow, deny and obligations"},
		{"null for the denials", `decision := {"allow": true, "deny": null, "obligations": []}`, policy.CodeMalformed, "needs allow, deny and obligations"},
		{"another type for allow", `decision := {"allow": "yes", "deny": set(), "obligations": set()}`, policy.CodeMalformed, "no decision"},
		{"something beside", `decision := {"allow": true, "deny": set(), "obligations": set(), "warn": set()}`, policy.CodeMalformed, "warn"},
		{"a yes with a denial", `decision := {"allow": true, "deny": {{"code": "a.b", "msg": "c"}}, "obligations": set()}`, policy.CodeMalformed, "allows and denies"},
		{"a no without a reason", `decision := {"allow": false, "deny": set(), "obligations": set()}`, policy.CodeMalformed, "denies without a reason"},
		{"a denial without a code", `decision := {"allow": false, "deny": {{"msg": "c"}}, "obligations": set()}`, policy.CodeMalformed, "code"},
		{"a denial without a message", `decision := {"allow": false, "deny": {{"code": "a.b"}}, "obligations": set()}`, policy.CodeMalformed, "no message"},
		{"a denial that is only text", `decision := {"allow": false, "deny": {"no"}, "obligations": set()}`, policy.CodeMalformed, "no decision"},
		{"an end that is no moment", `decision := {"allow": false, "deny": {{"code": "a.b", "msg": "c", "until": "noon"}}, "obligations": set()}`, policy.CodeMalformed, "noon"},
		{"an end that UTC cannot write", `decision := {"allow": false, "deny": {{"code": "a.b", "msg": "c", "until": "9999-12-31T23:59:59-08:00"}}, "obligations": set()}`, policy.CodeMalformed, "year 10000"},
		{"an obligation without a kind", `decision := {"allow": true, "deny": set(), "obligations": {{"count": 2}}}`, policy.CodeMalformed, "obligation"},
		{"too long an answer", `decision := {"allow": false, "deny": {d | some i in numbers.range(1, 40000); d := {"code": "a.b", "msg": sprintf("reason %d of many", [i])}}, "obligations": set()}`, policy.CodeMalformed, "bytes"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var log bytes.Buffer
			options := policy.Options{Bundle: bundle(test.rego), Timeout: time.Minute, Log: slog.New(slog.NewTextHandler(&log, nil))}
			if test.code == policy.CodeTimeout {
				options.Timeout = time.Millisecond
			}
			d := decide(t, engine(t, options), question())
			if got := codes(d); d.Allow || !slices.Equal(got, []string{test.code}) {
				t.Fatalf("allow %v, denied for %q, want %s: %+v", d.Allow, got, test.code, d.Deny)
			}
			if !strings.Contains(d.Deny[0].Message, test.message) || len(d.Deny[0].Message) > 600 {
				t.Errorf("message %q, want one with %q, not too long", d.Deny[0].Message, test.message)
			}
			if d.ID == "" || d.Bundle == "" || !strings.Contains(log.String(), test.code) {
				t.Errorf("ID %q, bundle %q, log %q", d.ID, d.Bundle, log.String())
			}
		})
	}
}

func TestAQuestionThatCannotBeWrittenIsDenied(t *testing.T) {
	q := question()
	q.At = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)
	if d := decide(t, engine(t, policy.Options{}), q); d.Allow || !d.Denied(policy.CodeError) {
		t.Errorf("decision %+v, want a denial for %s", d, policy.CodeError)
	}
}

func TestAnEndedContextIsANoAndAnError(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	d, err := engine(t, policy.Options{}).Decide(ctx, question())
	if !errors.Is(err, context.Canceled) || d.Allow || len(d.Deny) == 0 {
		t.Errorf("decision %+v, error %v, want a denial and %v", d, err, context.Canceled)
	}
}

func TestNewRefusesRulesItCannotTrust(t *testing.T) {
	const rest = `decision := {"allow": true, "deny": set(), "obligations": set()}`
	calls := func(call string) policy.Options {
		return policy.Options{Bundle: bundle(rest + "\nx if " + call)}
	}
	for _, test := range []struct {
		name    string
		options policy.Options
		want    string
	}{
		{"no bundle", policy.Options{}, "no bundle"},
		{"an empty bundle", policy.Options{Bundle: fstest.MapFS{}}, "no rule defines data.release.decision"},
		{"only tests", policy.Options{Bundle: fstest.MapFS{"release_test.rego": {Data: []byte("package release\n" + rest)}}}, "no rule defines"},
		{"rules that are not Rego", policy.Options{Bundle: bundle("decision = = 1")}, "release/release.rego:2"},
		{"Rego of before version 1", policy.Options{Bundle: bundle("deny[msg] { msg := 1 }")}, "release/release.rego:2"},
		{"rules that are not strict", policy.Options{Bundle: bundle(rest + "\nx if { y := 1 }")}, "assigned var y unused"},
		{"the network", calls(`http.send({"method": "get", "url": "http://localhost"}).status_code == 200`), "http.send"},
		{"names of the network", calls(`net.lookup_ip_addr("localhost")`), "net.lookup_ip_addr"},
		{"network addresses", calls(`net.cidr_contains("10.0.0.0/8", "10.1.1.1")`), "net.cidr_contains"},
		{"the environment", calls(`opa.runtime().env.HOME`), "opa.runtime"},
		{"another clock than the question's", calls(`time.now_ns() > 0`), "time.now_ns"},
		{"chance", calls(`rand.intn("x", 2) == 1`), "rand.intn"},
		{"printing", calls(`print("x")`), "print"},
		{"tracing", calls(`trace("x")`), "trace"},
		{"data in the place of rules", policy.Options{Bundle: policies.FS, Data: map[string]any{"release": map[string]any{"decision": true}}}, "release: this name belongs to the rules"},
		{"data that no rule reads", policy.Options{Bundle: policies.FS, Data: map[string]any{"freeze_window": []any{}}},
			"freeze_window: no rule reads this; they read break_glass, error_budget, freeze_calendars, freeze_windows, freezers, hours, max_ramping, max_step_permyriad, overriders, provenance, repositories, requesters, separation, tier_rules, tiers"},
		{"data that is not JSON", policy.Options{Bundle: policies.FS, Data: map[string]any{"freeze_windows": func() {}}}, "JSON"},
		{"data twice", policy.Options{Bundle: policies.FS, Data: map[string]any{}, DataFile: "policy-data.yaml"}, "give one"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := policy.New(test.options)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one with %q", err, test.want)
			}
		})
	}
}

func TestRulesThatLookDataUpByAVariableMayHaveAny(t *testing.T) {
	e := engine(t, policy.Options{
		Bundle: bundle(`decision := {"allow": true, "deny": set(), "obligations": set()} if data[input.release.lane.tenant].open`),
		Data:   map[string]any{"demo": map[string]any{"open": true}},
	})
	if d := decide(t, e, question()); !d.Allow {
		t.Errorf("decision %+v, want a yes", d)
	}
}

func TestObligationsReachTheDecision(t *testing.T) {
	e := engine(t, policy.Options{Bundle: bundle(`decision := {"allow": true, "deny": set(), "obligations": {
		{"kind": "approvals", "count": 2, "from": ["release-managers"]}, {"kind": "a-record"},
	}}`)})
	want := []release.Obligation{{Kind: "a-record"}, {Kind: "approvals", Count: 2, From: []string{"release-managers"}}}
	if d := decide(t, e, question()); !reflect.DeepEqual(d.Obligations, want) {
		t.Errorf("obligations %+v, want %+v", d.Obligations, want)
	}
}

func TestDecisionIDs(t *testing.T) {
	q := question()
	plain, limited := engine(t, policy.Options{}), engine(t, policy.Options{Data: map[string]any{"max_step_permyriad": 4000}})
	first := decide(t, plain, q)
	if again := decide(t, engine(t, policy.Options{}), q); !reflect.DeepEqual(first, again) {
		t.Errorf("the same question to the same bundle gave %+v and %+v", first, again)
	}
	if other := decide(t, limited, q); other.ID == first.ID || other.Bundle == first.Bundle {
		t.Errorf("other data gave the same ID %s or bundle %s", other.ID, other.Bundle)
	}
	q.At = q.At.Add(time.Nanosecond)
	if later := decide(t, plain, q); later.ID == first.ID || later.Bundle != first.Bundle {
		t.Errorf("a later question gave ID %s after %s, bundle %s after %s", later.ID, first.ID, later.Bundle, first.Bundle)
	}
	slow := engine(t, policy.Options{Timeout: time.Nanosecond})
	q = question()
	if late := decide(t, slow, q); late.ID == first.ID || late.Bundle != first.Bundle {
		t.Errorf("a time-out gave ID %s and bundle %s; the rules' own answer has %s and %s", late.ID, late.Bundle, first.ID, first.Bundle)
	}
}

func TestTheRevisionKnowsEveryFileAndIgnoresTests(t *testing.T) {
	base := bundle(`decision := {"allow": true, "deny": set(), "obligations": set()}`)
	with := func(name, text string) string {
		files := fstest.MapFS{name: {Data: []byte(text)}}
		for name, file := range base {
			files[name] = file
		}
		return engine(t, policy.Options{Bundle: files}).Bundle(t.Context())
	}
	before := engine(t, policy.Options{Bundle: base}).Bundle(t.Context())
	if got := with("release/release_test.rego", "not even Rego"); got != before {
		t.Errorf("a test changed the revision from %s to %s", before, got)
	}
	one, two := with("release/a/a.rego", "package release.a\n"), with("release/b/a.rego", "package release.a\n")
	if one == before || two == before || one == two {
		t.Errorf("revisions %s, %s and %s, want three", before, one, two)
	}
}

// The input that rules are written against is what is sent, so a recorded question asks the same again.
func TestARecordedQuestionHasTheSameAnswer(t *testing.T) {
	e := engine(t, policy.Options{})
	recorded, err := json.Marshal(question())
	if err != nil {
		t.Fatal(err)
	}
	var again release.Question
	if err := json.Unmarshal(recorded, &again); err != nil {
		t.Fatal(err)
	}
	if first, second := decide(t, e, question()), decide(t, e, again); !reflect.DeepEqual(first, second) {
		t.Errorf("first %+v, from the record %+v", first, second)
	}
}

func TestManyAskAtOnce(t *testing.T) {
	e := engine(t, policy.Options{Timeout: time.Minute})
	want := decide(t, e, question())
	var wait sync.WaitGroup
	for range 16 {
		wait.Go(func() {
			for range 10 {
				if d, err := e.Decide(t.Context(), question()); err != nil || !reflect.DeepEqual(d, want) {
					t.Errorf("decision %+v, error %v, want %+v", d, err, want)
				}
			}
		})
	}
	wait.Wait()
}
