package release_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/release"
)

var exampleLane = release.Lane{Tenant: "demo", Application: "hello", Environment: "production"}

func digest(c string) release.Digest { return release.Digest("sha256:" + strings.Repeat(c, 64)) }

// exampleSpec has one component that exists and one that is new.
func exampleSpec() release.Spec {
	run := release.Run{
		Command: []string{"bin/hello"}, Env: map[string]string{"GREETING": "good day", "LANG": "C"}, Health: "/healthz", Instances: 2,
		Start: release.Duration(10 * time.Second), Drain: release.Duration(30 * time.Second),
	}
	return release.Spec{
		Lane: exampleLane, Units: []string{"a", "b"},
		Components: []release.Component{
			{Name: "web", Path: "web", Run: run, Cases: []string{"cases/*.yaml"}, Ingress: release.Ingress{Path: "/"}},
			{Name: "api", Path: "api", Run: run, Ingress: release.Ingress{Path: "/api", Pins: []release.Pin{{Header: "X-Canary", Values: []string{"yes"}}}}},
		},
		Ramp: release.Ramp{
			Steps: []release.Weight{500, 2500}, Bake: release.Duration(2 * time.Minute), Patience: release.Duration(time.Hour),
			Probe: release.Duration(30 * time.Second), Sticky: release.StickyUser,
		},
		Analysis: release.Analysis{
			ErrorMargin: 0.005, LatencyQuantile: 99, LatencyMargin: 0.2, FalseRollback: 0.01, Detect: 0.05,
			Blind: release.Duration(30 * time.Second), BlindBack: release.Duration(10 * time.Minute),
		},
		Approval: &release.Approval{Before: release.BeforeRamp, From: []string{"release-managers"}, Count: 2, Within: release.Duration(24 * time.Hour)},
		Freeze:   release.HoldFreeze, Watch: release.Duration(2 * time.Hour),
	}
}

func exampleRequest() release.Request {
	return release.Request{
		Repository: "demo/hello", Commit: strings.Repeat("ab", 20), Requester: release.Actor{Name: "ada", Source: "github"},
	}
}

func examplePlan() release.Plan {
	spec := exampleSpec()
	stable := release.NewRevision("web", digest("1"), spec.Components[0].Run, strings.Repeat("cd", 20))
	stable.Ingress = spec.Components[0].Ingress
	return release.NewPlan(release.ID{Lane: exampleLane, Number: 3}, exampleRequest(), spec,
		map[string]release.Digest{"web": digest("2"), "api": digest("3")}, map[string]release.Revision{"web": stable})
}

// exampleHash was computed outside of this program, as docs/plan.md says.
const exampleHash = "06af6787649c947ddf490e76e352bd9c94fc55e53c57738dff2d033c1532610d"

func TestPlanHashIsTheSameForEver(t *testing.T) {
	if got := examplePlan().Hash(); got != exampleHash {
		t.Errorf("the example's hash is %s, want %s: plans that people approved would have another name now", got, exampleHash)
	}
}

func TestPlanHashDoesNotDependOnTheOrderOfMaps(t *testing.T) {
	for range 20 {
		plan := examplePlan()
		env := map[string]string{}
		for _, i := range []int{3, 1, 4, 2, 0} {
			env[fmt.Sprint("KEY", i)] = "value"
		}
		plan.Moves[0].Candidate.Run.Env = env
		other := examplePlan()
		other.Moves[0].Candidate.Run.Env = map[string]string{"KEY0": "value", "KEY1": "value", "KEY2": "value", "KEY3": "value", "KEY4": "value"}
		if plan.Hash() != other.Hash() {
			t.Fatal("the same plan has two hashes")
		}
	}
}

func TestPlanHashChangesWithEveryField(t *testing.T) {
	plan := fill[release.Plan]()
	seen := map[string]string{plan.Hash(): "nothing"}
	changes := 0
	walk(reflect.ValueOf(&plan).Elem(), "plan", func(path string) {
		changes++
		if other, twice := seen[plan.Hash()]; twice {
			t.Errorf("a change of %s has the same hash as a change of %s", path, other)
		}
		seen[plan.Hash()] = path
	})
	if changes < 60 {
		t.Errorf("only %d fields were changed, the walk misses some", changes)
	}
}

// fill is a T with something in every field.
func fill[T any]() T {
	var v T
	fillValue(reflect.ValueOf(&v).Elem())
	return v
}

func fillValue(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fillValue(v.Elem())
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)))
			return
		}
		for i := range v.NumField() {
			fillValue(v.Field(i))
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fillValue(v.Index(0))
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fillValue(key)
		fillValue(value)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case reflect.String:
		v.SetString("x")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(7)
	case reflect.Float64:
		v.SetFloat(0.5)
	default:
		panic("a field of kind " + v.Kind().String())
	}
}

// walk changes one thing after the other, calls changed, and changes it back.
func walk(v reflect.Value, path string, changed func(path string)) {
	with := func(other reflect.Value) {
		before := reflect.New(v.Type()).Elem()
		before.Set(v)
		v.Set(other)
		changed(path)
		v.Set(before)
	}
	switch v.Kind() {
	case reflect.Pointer:
		with(reflect.Zero(v.Type()))
		walk(v.Elem(), path, changed)
	case reflect.Struct:
		for i := range v.NumField() {
			walk(v.Field(i), path+"."+v.Type().Field(i).Name, changed)
		}
	case reflect.Slice:
		with(reflect.Append(v, v.Index(0)))
		walk(v.Index(0), path+"[0]", changed)
	case reflect.Map:
		with(reflect.MakeMap(v.Type()))
	case reflect.String:
		with(reflect.ValueOf("y").Convert(v.Type()))
	case reflect.Bool:
		with(reflect.ValueOf(false))
	case reflect.Int, reflect.Int64:
		with(reflect.ValueOf(8).Convert(v.Type()))
	case reflect.Float64:
		with(reflect.ValueOf(0.25).Convert(v.Type()))
	}
}

func TestTypesReadBackAsTheyWereWritten(t *testing.T) {
	roundTrip(t, fill[release.Plan]())
	roundTrip(t, fill[release.Spec]())
	roundTrip(t, fill[release.Request]())
	roundTrip(t, fill[release.Question]())
	roundTrip(t, fill[release.Decision]())
	roundTrip(t, fill[release.Status]())
	roundTrip(t, fill[release.Outcome]())
	roundTrip(t, fill[release.Summary]())
	roundTrip(t, fill[release.Submission]())
	roundTrip(t, fill[release.Instruction]())
	roundTrip(t, fill[release.Alarm]())
	roundTrip(t, fill[release.Route]())
	roundTrip(t, fill[release.Receipt]())
	roundTrip(t, fill[release.Application]())
}

func roundTrip[T any](t *testing.T, in T) {
	t.Helper()
	text, err := json.Marshal(in)
	if err != nil {
		t.Fatalf("write a %T: %v", in, err)
	}
	var out T
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatalf("read a %T from %s: %v", in, text, err)
	}
	if !reflect.DeepEqual(in, out) {
		t.Errorf("a %T was written as %s and read as %+v", in, text, out)
	}
}

func TestJSONHasWeightsForPeopleAndStepChangesForRules(t *testing.T) {
	for want, value := range map[string]any{
		`{"weight":"0.25%","bake":"2m"}`:                        release.Step{Weight: 25, Bake: release.Duration(2 * time.Minute)},
		`{"unit":"a","from_permyriad":500,"to_permyriad":2000}`: release.StepChange{Unit: "a", From: 500, To: 2000},
		`{"for":"a person"}`:                                    release.Waiting{For: "a person"},
		`{"name":"ada","source":"github"}`:                      release.Actor{Name: "ada", Source: "github"},
		`{"verdict":"","sentence":"","wealth":0,"p_value":0,"canary_requests":0,"canary_bad":0,"stable_requests":0,"stable_bad":0,"step_requests":0,"needed":0,"at":"0001-01-01T00:00:00Z"}`: release.Evidence{},
	} {
		if got, err := json.Marshal(value); err != nil || string(got) != want {
			t.Errorf("%+v is written as %s, %v; want %s", value, got, err, want)
		}
	}
}

func TestSteps(t *testing.T) {
	built := map[string]release.Digest{"web": digest("2"), "api": digest("3")}
	spec := exampleSpec()
	stable := func(names ...string) map[string]release.Revision {
		out := map[string]release.Revision{}
		for _, c := range spec.Components {
			if slices.Contains(names, c.Name) {
				out[c.Name] = release.NewRevision(c.Name, digest("1"), c.Run, "")
			}
		}
		return out
	}
	same := func(names ...string) map[string]release.Revision {
		out := stable(names...)
		for _, c := range spec.Components {
			if slices.Contains(names, c.Name) {
				r := release.NewRevision(c.Name, built[c.Name], c.Run, "")
				r.Ingress = c.Ingress
				out[c.Name] = r
			}
		}
		return out
	}
	for _, c := range []struct {
		name   string
		edit   func(*release.Spec)
		stable map[string]release.Revision
		want   string
	}{
		{"a first release has none", nil, nil, ""},
		{"a probe comes first", nil, stable("web", "api"), "1% probe 30s, 5% 2m, 25% 2m"},
		{"a probe is never above the first step", func(s *release.Spec) { s.Ramp.Steps = []release.Weight{20, 2500} }, stable("web"), "0.2% probe 30s, 0.2% 2m, 25% 2m"},
		{"there may be no probe", func(s *release.Spec) { s.Ramp.Probe = 0 }, stable("web"), "5% 2m, 25% 2m"},
		{"a new component beside one that changes ramps with it", nil, stable("web"), "1% probe 30s, 5% 2m, 25% 2m"},
		{"a new component beside one that stays has nothing to compare", nil, same("web"), ""},
		{"nothing changed, nothing to do", nil, same("web", "api"), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := spec
			if c.edit != nil {
				c.edit(&s)
			}
			plan := release.NewPlan(release.ID{Lane: exampleLane, Number: 2}, exampleRequest(), s, built, c.stable)
			var got []string
			for _, step := range plan.Steps {
				text := step.Weight.String() + " "
				if step.Probe {
					text += "probe "
				}
				got = append(got, text+step.Bake.String())
			}
			if strings.Join(got, ", ") != c.want {
				t.Errorf("steps are %q, want %q", strings.Join(got, ", "), c.want)
			}
			if plan.Compared() != (c.want != "") || plan.First() != (c.stable == nil) {
				t.Errorf("compared is %t, first is %t", plan.Compared(), plan.First())
			}
		})
	}
}

func TestChangedIsARevisionOrAWayInThatDiffers(t *testing.T) {
	run := release.Run{Command: []string{"x"}}
	old := release.NewRevision("web", digest("1"), run, "")
	old.Ingress = release.Ingress{Path: "/", Pins: []release.Pin{{Header: "X", Values: []string{"a"}}}}
	for _, c := range []struct {
		name              string
		artifact          release.Digest
		in                release.Ingress
		changed, replaces bool
	}{
		{"the same", digest("1"), old.Ingress, false, false},
		{"another artifact", digest("2"), old.Ingress, true, true},
		{"another path", digest("1"), release.Ingress{Path: "/x", Pins: old.Ingress.Pins}, true, false},
		{"another pin", digest("1"), release.Ingress{Path: "/", Pins: []release.Pin{{Header: "X", Values: []string{"b"}}}}, true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			move := release.Move{Stable: &old, Candidate: release.NewRevision("web", c.artifact, run, ""), Ingress: c.in}
			if move.Changed() != c.changed || move.Replaces() != c.replaces {
				t.Errorf("changed %t, replaces %t; want %t, %t", move.Changed(), move.Replaces(), c.changed, c.replaces)
			}
		})
	}
}

func TestRevisionIsItsArtifactAndItsConfiguration(t *testing.T) {
	run := release.Run{Command: []string{"x"}, Env: map[string]string{"A": "1"}}
	base := release.NewRevision("web", digest("1"), run, "commit one")
	if got := release.NewRevision("web", digest("1"), run, "commit two"); got.ID != base.ID {
		t.Error("the commit is part of the identity")
	}
	if !strings.HasPrefix(base.ID, "web-") || len(base.ID) != len("web-")+12 {
		t.Errorf("the revision is %s, want the component and 12 digits", base.ID)
	}
	filled := fill[release.Run]()
	seen := map[string]bool{release.NewRevision("web", digest("1"), filled, "").ID: true}
	walk(reflect.ValueOf(&filled).Elem(), "run", func(path string) {
		id := release.NewRevision("web", digest("1"), filled, "").ID
		if seen[id] {
			t.Errorf("a change of %s gives no revision of its own", path)
		}
		seen[id] = true
	})
	for _, other := range []release.Revision{release.NewRevision("api", digest("1"), run, ""), release.NewRevision("web", digest("2"), run, "")} {
		if other.ID[len(other.ID)-12:] == base.ID[len(base.ID)-12:] {
			t.Errorf("%s has the hash of %s", other.ID, base.ID)
		}
	}
}

func TestDigestCheck(t *testing.T) {
	for d, ok := range map[release.Digest]bool{digest("0"): true, "": false, "latest": false, "sha256:abc": false, release.Digest(strings.ToUpper(string(digest("a")))): false} {
		if err := d.Check(); (err == nil) != ok {
			t.Errorf("%q: %v", d, err)
		}
	}
	if got := digest("a").Hex(); got != strings.Repeat("a", 64) {
		t.Errorf("hex is %s", got)
	}
}

func TestProblemIsALine(t *testing.T) {
	for want, p := range map[string]release.Problem{
		"skyisland.yaml:3:7: a.b: no name; add one": {File: "skyisland.yaml", Line: 3, Column: 7, Path: "a.b", Message: "no name", Fix: "add one"},
		"skyisland.yaml: missing":                   {File: "skyisland.yaml", Message: "missing"},
		"a: wrong":                                  {Path: "a", Message: "wrong"},
	} {
		if p.String() != want {
			t.Errorf("got %q, want %q", p.String(), want)
		}
	}
}
