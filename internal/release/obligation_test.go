package release_test

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/release"
)

func TestOblige(t *testing.T) {
	hour := release.Duration(time.Hour)
	managers := release.Obligation{Kind: release.ObligeApprovals, Count: 2, From: []string{"release-managers"}, Before: release.BeforeRamp}
	for _, c := range []struct {
		name        string
		obligations []release.Obligation
		want        func(*release.Spec)
		notes       string
	}{
		{"nothing is demanded", nil, func(*release.Spec) {}, ""},
		{"the manifest asks for as much already", []release.Obligation{managers}, func(*release.Spec) {}, ""},
		{
			"more approvals than the manifest wants", []release.Obligation{{
				Kind: release.ObligeApprovals, Count: 3, From: []string{"release-managers"}, Before: release.BeforeRamp, Within: hour, Reason: "tier 1",
			}},
			func(s *release.Spec) {
				s.Demands = []release.Approval{{Before: release.BeforeRamp, From: []string{"release-managers"}, Count: 3, Within: hour, Remind: hour / 2}}
			}, "the rules demand 3 approvals of release-managers before the ramp (tier 1)",
		},
		{
			"other people than the manifest wants, in a day", []release.Obligation{{Kind: release.ObligeApprovals, Count: 1, From: []string{"security"}, Before: release.BeforeCutover}},
			func(s *release.Spec) {
				s.Demands = []release.Approval{{Before: release.BeforeCutover, From: []string{"security"}, Count: 1, Within: 24 * hour, Remind: 12 * hour}}
			}, "the rules demand an approval of security before the cutover",
		},
		{
			"smaller steps", []release.Obligation{{Kind: release.ObligeMaxStep, Weight: 1000}},
			func(s *release.Spec) { s.Ramp.Steps = []release.Weight{500, 1500, 2500} }, "the ramp has 3 steps instead of 2: the rules allow 10% at once",
		},
		{"steps that are small enough", []release.Obligation{{Kind: release.ObligeMaxStep, Weight: 2000}}, func(*release.Spec) {}, ""},
		{
			"a longer bake, which the patience has to outlast", []release.Obligation{{Kind: release.ObligeMinBake, For: 2 * hour}},
			func(s *release.Spec) { s.Ramp.Bake, s.Ramp.Patience = 2*hour, 2*hour }, "each step bakes 2h instead of 2m",
		},
		{
			"a longer watch", []release.Obligation{{Kind: release.ObligeMinWatch, For: 3 * hour}},
			func(s *release.Spec) { s.Watch = 3 * hour }, "the watch lasts 3h instead of 2h",
		},
		{"less than the manifest says", []release.Obligation{{Kind: release.ObligeMinBake, For: 1}, {Kind: release.ObligeMinWatch, For: 1}}, func(*release.Spec) {}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			want, before := exampleSpec(), exampleSpec()
			c.want(&want)
			got, notes, err := before.Oblige(c.obligations)
			if err != nil || !reflect.DeepEqual(got, want) || strings.Join(notes, "\n") != c.notes {
				t.Errorf("got %+v\n%q, %v\nwant %+v\n%q", got, notes, err, want, c.notes)
			}
			if !reflect.DeepEqual(before, exampleSpec()) {
				t.Error("the spec that was given has changed")
			}
		})
	}
}

func TestObligeCannotMakeUpWhatTheManifestLacks(t *testing.T) {
	for _, c := range []struct {
		obligation release.Obligation
		want       string
	}{
		{
			release.Obligation{Kind: release.ObligeStages, Stages: []release.Stage{release.StagePressure}, Reason: "tier 1"},
			"environments.production.pressure: the rules demand a pressure gate (tier 1); add pressure:",
		},
		{release.Obligation{Kind: release.ObligeStages, Stages: []release.Stage{release.StageCases}}, "components[1].cases: the rules demand function cases of api; add"},
		{release.Obligation{Kind: release.ObligeStages, Stages: []release.Stage{release.StageTest}}, "components[0].test: the rules demand tests of web; add"},
		{release.Obligation{Kind: release.ObligeStages, Stages: []release.Stage{release.StageBuild}}, "components[0].build: the rules demand that web is built; add"},
		{release.Obligation{Kind: release.ObligeMaxStep, Weight: 1}, "environments.production.ramp.steps: the rules allow 0.01% at once, which would be more than 100 steps; "},
	} {
		_, _, err := exampleSpec().Oblige([]release.Obligation{c.obligation})
		var problems release.Problems
		if !errors.As(err, &problems) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %s", c.obligation, err, c.want)
		}
	}
}

func TestObligationsThatNobodyCouldMeet(t *testing.T) {
	for _, o := range []release.Obligation{
		{}, {Kind: "blessing"}, {Kind: release.ObligeApprovals, Before: release.BeforeRamp}, {Kind: release.ObligeApprovals, Count: 1, Before: "lunch"},
		{Kind: release.ObligeStages}, {Kind: release.ObligeStages, Stages: []release.Stage{"lint"}},
		{Kind: release.ObligeMaxStep}, {Kind: release.ObligeMaxStep, Weight: 10001}, {Kind: release.ObligeMinBake}, {Kind: release.ObligeMinWatch, For: -1},
	} {
		if o.Check() == nil {
			t.Errorf("%+v passes", o)
		}
		if _, _, err := exampleSpec().Oblige([]release.Obligation{o}); err == nil {
			t.Errorf("%+v is merged", o)
		}
	}
}

func TestSameIsThePersonNotTheName(t *testing.T) {
	for _, c := range []struct {
		a, b release.Actor
		want bool
	}{
		{release.Actor{Name: "Ada", Source: "github"}, release.Actor{Name: "ada", Source: "slack"}, true},
		{release.Actor{Name: "ada"}, release.Actor{Name: "bob"}, false},
		{release.Actor{Name: "ada-l", Person: "ada"}, release.Actor{Name: "U1", Person: "ada"}, true},
		{release.Actor{Name: "ada", Person: "ada"}, release.Actor{Name: "ada", Person: "other ada"}, false},
		{release.Actor{Name: "ada", Person: "ada"}, release.Actor{Name: "ada"}, true},
		// One of them is not mapped: in doubt they are one.
		{release.Actor{Name: "ada-l", Person: "ada"}, release.Actor{Name: "ada-l"}, true},
	} {
		t.Run(fmt.Sprint(c.a, c.b), func(t *testing.T) {
			if c.a.Same(c.b) != c.want || c.b.Same(c.a) != c.want {
				t.Errorf("got %t, want %t", !c.want, c.want)
			}
		})
	}
}
