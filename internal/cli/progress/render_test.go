package progress

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/release"
)

var update = flag.Bool("update", false, "write the golden files anew")

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func at(seconds int) time.Time { return start.Add(time.Duration(seconds) * time.Second) }

// ramping is a release in the middle of its way, in two units.
func ramping() release.Status {
	entries := []release.Entry{
		{At: at(0), Phase: release.Admitting, Message: "fetching the commit and reading its manifest"},
		{At: at(2), Phase: release.Building, Message: "building"},
		{At: at(21), Phase: release.Building, Message: "built timetable in 18.4s"},
		{At: at(21), Phase: release.Testing, Message: "running the components' own tests"},
		{At: at(30), Phase: release.Testing, Message: "tests of timetable passed in 8.9s"},
		{At: at(30), Phase: release.Deploying, Message: "deploying beside what is stable, at 0 %"},
		{At: at(33), Phase: release.Deploying, Message: "candidates are healthy at 0 %"},
		{At: at(33), Phase: release.Verifying, Message: "running the cases against the candidate"},
		{At: at(34), Phase: release.Pressing, Message: "Pressure on timetable in unit a: one instance carries 412/s at the objective, 3 are needed for 900/s and 4 are there"},
		{At: at(64), Phase: release.Approving, Message: "asking for approval where the manifest wants it"},
		{At: at(65), Phase: release.Ramping, Message: "ramping up"},
		{At: at(66), Phase: release.Ramping, Message: "step 1 of 4: 1% to the candidate"},
		{At: at(96), Phase: release.Ramping, Message: "step 2 of 4: 5% to the candidate"},
		{At: at(216), Phase: release.Ramping, Message: "step 3 of 4: 20% to the candidate"},
	}
	for i := range entries {
		entries[i].Number = i + 1
	}
	stable := release.Revision{ID: "timetable-1a2b3c4d5e6f"}
	return release.Status{
		ID:    release.ID{Lane: release.Lane{Tenant: "fliggy", Application: "rail-tour", Environment: "production"}, Number: 17},
		Phase: release.Ramping, Since: at(65), Ref: "refs/heads/main", Commit: "8f3a21c9d0e1b2c3d4e5f60718293a4b5c6d7e8f",
		Message: "显示下一班列车 Show the next train\n\nAnd its platform.", Requester: release.Actor{Name: "ana", Source: "github"},
		Requested: at(-1), PlanHash: strings.Repeat("9d3c52ab", 8), Units: []string{"a", "b"},
		Moves: []release.Move{
			{Component: "timetable", Stable: &stable, Candidate: release.Revision{ID: "timetable-9f8e7d6c5b4a"}},
			{Component: "map", Candidate: release.Revision{ID: "map-001122334455"}},
			{Component: "same", Stable: &release.Revision{ID: "same-0"}, Candidate: release.Revision{ID: "same-0"}},
		},
		Steps: []release.Step{
			{Weight: 100, Bake: release.Duration(30 * time.Second), Probe: true}, {Weight: 500, Bake: release.Duration(2 * time.Minute)},
			{Weight: 2000, Bake: release.Duration(2 * time.Minute)}, {Weight: 5000, Bake: release.Duration(2 * time.Minute)},
		},
		Step: 2, Weight: 2000,
		Waiting: &release.Waiting{For: "evidence at 20%", Until: at(336)},
		Evidence: &release.Evidence{
			Verdict: release.VerdictInconclusive, Sentence: "nothing speaks against the canary, and 796 more requests have to be seen before this step may end",
			Wealth: 1.31, PValue: 0.76, CanaryRequests: 12104, CanaryBad: 0, StableRequests: 48410, StableBad: 21,
			StepRequests: 1204, Needed: 2000, At: at(293),
		},
		Timeline: entries,
	}
}

func approving() release.Status {
	s := ramping()
	s.Phase, s.Since, s.Step, s.Weight, s.Evidence = release.Approving, at(64), -1, 0, nil
	s.Timeline = s.Timeline[:10]
	s.Waiting = &release.Waiting{For: "1 more approval from release-managers", Until: at(24 * 3600)}
	s.Approvals = []release.Approved{{By: release.Actor{Name: "olga", Source: "api"}, Comment: "fine by me", At: at(80)}}
	return s
}

func rollingBack() release.Status {
	s := ramping()
	s.Phase, s.Since, s.Waiting, s.Weight = release.RollingBack, at(293), nil, 2000
	s.Evidence.Verdict, s.Evidence.Sentence = release.VerdictFail, "4 of the last 4 failed requests were the canary's: it is worse"
	s.Evidence.CanaryBad, s.Evidence.Wealth, s.Evidence.PValue = 4, 181, 0.0055
	s.Cause = &release.Cause{Kind: release.CauseEvidence, Message: s.Evidence.Sentence}
	return s
}

func rolledBack() release.Status {
	s := rollingBack()
	s.Phase, s.Since, s.Weight = release.RolledBack, at(294), 0
	s.Timeline = append(s.Timeline, release.Entry{Number: 15, At: at(293), Phase: release.RollingBack, Message: "rolling back"},
		release.Entry{Number: 16, At: at(294), Phase: release.RolledBack, Message: "all traffic is at stable"})
	return s
}

func failedBuild() release.Status {
	s := ramping()
	s.Phase, s.Since, s.Step, s.Weight, s.Evidence, s.Waiting = release.Failed, at(21), -1, 0, nil, nil
	s.Moves, s.Steps, s.Units, s.PlanHash = nil, nil, nil, ""
	s.Timeline = s.Timeline[:2]
	s.Cause = &release.Cause{Kind: release.CauseBuild, Message: "build of timetable: command failed: exit status 1"}
	for i := range 14 {
		s.Cause.Details = append(s.Cause.Details, fmt.Sprintf("./timetable.go:%d:2: undefined: \x1b[31mplatform\x1b[0m%d", i+1, i+1))
	}
	return s
}

func completed() release.Status {
	s := ramping()
	s.Phase, s.Since, s.Step, s.Weight, s.Waiting, s.Evidence = release.Completed, at(7777), 3, 0, nil, nil
	return s
}

func paused() release.Status {
	s := ramping()
	s.Paused, s.Waiting, s.Evidence.Verdict = true, &release.Waiting{For: "somebody to resume it"}, release.VerdictBlind
	s.Evidence.Sentence, s.Evidence.Needed = "the canary gets no requests", 0
	return s
}

func cases() map[string]release.Status {
	return map[string]release.Status{
		"pending": {ID: ramping().ID, Phase: release.Pending, Since: at(0), Requested: at(0), Commit: "8f3a21c9", Requester: release.Actor{Name: "ana"}, Step: -1},
		"ramping": ramping(), "approving": approving(), "rolling-back": rollingBack(), "rolled-back": rolledBack(),
		"failed-build": failedBuild(), "completed": completed(), "paused": paused(),
	}
}

func TestRender(t *testing.T) {
	for name, status := range cases() {
		for _, width := range []int{60, 80, 120} {
			t.Run(fmt.Sprintf("%s at %d columns", name, width), func(t *testing.T) {
				got := Render(status, at(293), width, false)
				golden(t, fmt.Sprintf("%s.%d.txt", name, width), got)
				for _, l := range split(got) {
					if Width(l) > width {
						t.Errorf("a line has %d columns: %s", Width(l), l)
					}
				}
			})
		}
	}
	t.Run("ramping in colour", func(t *testing.T) { golden(t, "ramping.80.ansi", Render(ramping(), at(293), 80, true)) })
}

func TestColourChangesNothingButColour(t *testing.T) {
	for name, status := range cases() {
		colored := Render(status, at(293), 80, true)
		var b strings.Builder
		for part := range strings.SplitSeq(colored, "\x1b[") {
			_, after, found := strings.Cut(part, "m")
			if b.Len() == 0 && !strings.HasPrefix(colored, "\x1b[") {
				b.WriteString(part)
			} else if found {
				b.WriteString(after)
			}
		}
		var trimmed []string
		for _, l := range split(b.String()) {
			trimmed = append(trimmed, strings.TrimRight(l, " "))
		}
		if got, want := strings.Join(trimmed, "\n")+"\n", Render(status, at(293), 80, false); got != want {
			t.Errorf("%s: without its colours the frame is\n%s\nwant\n%s", name, got, want)
		}
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
	}
}
