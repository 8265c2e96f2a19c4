// Package e2e tests the whole program as people use it: git pushes, HTTP requests, kills. Everything is
// real, and is started by package island.
package e2e

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/test/island"
)

// atOnce is how many tests run at the same time. They wait for processes, clients and bakes far more
// than they compute, so that more of them than processors cost nothing.
const atOnce = "8"

func TestMain(m *testing.M) {
	flag.Parse()
	chosen := false
	flag.Visit(func(f *flag.Flag) { chosen = chosen || f.Name == "test.parallel" })
	if !chosen {
		if err := flag.Set("test.parallel", atOnce); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

const tenant = "e2e"

// The units of the island that most tests share. A manifest that names none is for the first.
const (
	unitA = "a"
	unitB = "b"
)

// TestOnOneIsland runs all that can share an installation in one, as users share it. The histories come
// last, since they are of all the others.
func TestOnOneIsland(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	i := island.Start(t, island.Options{Units: []string{unitA, unitB}, PolicyData: policyData(true), Files: hub.files()})
	t.Run("together", func(t *testing.T) {
		for name, test := range map[string]func(*testing.T, *island.Island){
			"a version that a gate stops":              gates,
			"a group goes forward and back as one":     group,
			"people approve what they were shown":      approval,
			"people pause and resume":                  pause,
			"an abort in the ramp":                     abort,
			"an alarm in the ramp":                     alarmInTheRamp,
			"an alarm in the watch":                    alarmInTheWatch,
			"a route says who is let in":               letIn,
			"a newer push supersedes":                  supersede,
			"a newer push queues":                      queue,
			"a newer push is rejected":                 reject,
			"a push that cannot be released":           refused,
			"production takes what staging has proved": chain,
			"a tag is released instead of pushes":      tagged,
			"deliveries of webhooks":                   webhooks,
			"what becomes of a push is told at GitHub": hub.told,
			"a freeze holds until it is lifted":        freeze,
			"a denial of the rules is told":            denial,
			"weights move under clients who post":      weights,
			"nothing is lost when the same comes back": unchanged,
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				test(t, i)
			})
		}
	})
	t.Run("every history replays", func(t *testing.T) { histories(t, i, recorded()) })
}

// in puts a release into the first unit only: tests of people and rules gain nothing from a second.
func in(m island.Manifest, units ...string) island.Manifest {
	if len(units) == 0 {
		units = []string{unitA}
	}
	return m.With("units: ["+strings.Join(units, ", ")+"]", "analysis: {detect: 20%, latency: {margin: 100%}}")
}

// holding is a ramp that stays at its step until somebody says otherwise.
const holding = "{steps: [50%], bake: 1h, probe: 0s, patience: 2h}"

func ramped(m island.Manifest, ramp string) island.Manifest {
	m.Ramp = ramp
	return m
}

// live is an application whose first version serves, with clients who ask for it.
func live(t *testing.T, i *island.Island, application string, first island.Manifest) (*island.Repo, *island.Load) {
	t.Helper()
	repo := i.Repo(t, tenant, application)
	repo.Release(first).WaitEnd(release.Completed)
	repo.Idle()
	return repo, island.StartLoad(t, repo.Entry("", "web"), 60, nil)
}

// noneBad fails the test for every bad answer that clients saw.
func noneBad(t *testing.T, r island.Report) {
	t.Helper()
	if len(r.Bad) > 0 {
		t.Errorf("%d of %d answers are bad, the first: %s", len(r.Bad), r.Sent, r.Bad[0])
	}
	if r.Sent == 0 {
		t.Error("nobody asked")
	}
}

// caused fails the test unless a release ended for a reason of a kind, and people are told of each text.
func caused(t *testing.T, s release.Status, kind release.CauseKind, texts ...string) {
	t.Helper()
	if s.Cause == nil || s.Cause.Kind != kind {
		t.Errorf("the cause is not %s:\n%s", kind, island.Tell(s))
		return
	}
	said := s.Cause.Message + "\n" + strings.Join(s.Cause.Details, "\n")
	for _, text := range texts {
		if !strings.Contains(said, text) {
			t.Errorf("the cause does not say %q:\n%s", text, said)
		}
	}
}

// policyData are the rules' data of the shared island.
func policyData(frozen bool) string {
	data := "requesters:\n  - {tenant: e2e, application: denied, names: [nobody-who-pushes]}\n"
	if frozen {
		data += fmt.Sprintf("freeze_windows:\n  - {starts: %q, ends: %q, reason: the test of freezes, applications: [frozen]}\n",
			time.Now().Add(-time.Hour).UTC().Format(time.RFC3339), time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
	}
	return data
}
