package github

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/skyisland/skyisland/internal/release"
)

var update = flag.Bool("update", false, "write the golden files")

const commit = "0d1a26e67d8f5eaf1f6ba5c57fc3c7d91ac0fd1c"

var start = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

func minute(n int) time.Time { return start.Add(time.Duration(n) * time.Minute) }

// hostile is what a stranger may write.
const hostile = "``` **bold** [x](https://evil.example) @octocat #1 GH-2 <img src=x onerror=alert(1)> | <!-- skyisland --> ~~s~~ \\` \u202egpj.exe"

func ramping() release.Status {
	stable := release.Revision{ID: "web-1a2b3c", Component: "web"}
	return release.Status{
		ID:    release.ID{Lane: release.Lane{Tenant: "demo", Application: "hello", Environment: "production"}, Number: 12},
		Phase: release.Ramping, Since: minute(9), Commit: commit, Message: "Sell tickets by rail | and " + hostile + "\n\nA body that is not shown.",
		Requester: release.Actor{Name: "ada", Source: "github"}, Requested: start, PlanHash: strings.Repeat("ab", 32), Units: []string{"a", "b"},
		Moves: []release.Move{
			{Component: "web", Stable: &stable, Candidate: release.Revision{ID: "web-4d5e6f", Component: "web", Artifact: release.Digest("sha256:" + strings.Repeat("0123456789abcdef", 4))}},
			{Component: "idle", Stable: &stable, Candidate: stable},
		},
		Steps: []release.Step{
			{Weight: 100, Bake: release.Duration(30 * time.Second), Probe: true}, {Weight: 500, Bake: release.Duration(2 * time.Minute)},
			{Weight: 2000, Bake: release.Duration(2 * time.Minute)}, {Weight: 5000, Bake: release.Duration(2 * time.Minute)},
		},
		Step: 2, Weight: 2000, Waiting: &release.Waiting{For: "evidence at 20%", Until: minute(11)},
		Evidence: &release.Evidence{
			Verdict: release.VerdictInconclusive, Sentence: "no difference seen yet", Wealth: 0.42, PValue: 1, CanaryRequests: 5210, CanaryBad: 2,
			StableRequests: 90100, StableBad: 31, StepRequests: 800, Needed: 1000, At: minute(10),
		},
		Approvals: []release.Approved{{By: release.Actor{Name: "grace", Source: "slack"}, Comment: "go " + hostile, At: minute(5), Point: release.BeforeRamp}},
		Timeline: []release.Entry{
			{Number: 1, At: minute(0), Phase: release.Building, Kind: release.EntryPhase, Message: "building"},
			{Number: 2, At: minute(6), Phase: release.Ramping, Kind: release.EntryStep, Message: "step 1 of 4: 1% to the candidate"},
			{Number: 3, At: minute(7), Phase: release.Ramping, Kind: release.EntryStep, Message: "step 2 of 4: 5% to the candidate"},
			{Number: 4, At: minute(9), Phase: release.Ramping, Kind: release.EntryStep, Message: "step 3 of 4: 20% to the candidate"},
		},
	}
}

func rolledBack() release.Status {
	s := ramping()
	s.Phase, s.Since, s.Step, s.Weight, s.Waiting = release.RolledBack, minute(12), -1, 0, nil
	s.Evidence = &release.Evidence{
		Verdict: release.VerdictFail, Sentence: "the candidate fails 2.1 % of requests, stable 0.03 %", Wealth: 140, PValue: 0.007,
		CanaryRequests: 6100, CanaryBad: 130, StableRequests: 101000, StableBad: 33, At: minute(11),
	}
	s.Cause = &release.Cause{
		Kind: release.CauseEvidence, Message: "the evidence is against the candidate: " + hostile, By: &release.Actor{Name: "watcher", Source: "system"},
		Details: []string{"GET /rail/timetable 500", "```", "@octocat " + hostile},
	}
	s.Timeline = append(s.Timeline,
		release.Entry{Number: 5, At: minute(11), Phase: release.Ramping, Kind: release.EntryStopped, Message: s.Cause.Message},
		release.Entry{Number: 6, At: minute(11), Phase: release.RollingBack, Kind: release.EntryPhase, Message: "rolling back"},
		release.Entry{Number: 7, At: minute(12), Phase: release.RolledBack, Kind: release.EntryEnded, Message: "rolled back"})
	return s
}

func factsOf(s release.Status) Facts {
	seen := map[int]release.Evidence{
		0: {Verdict: release.VerdictPass, CanaryRequests: 300, StableRequests: 29000, StableBad: 9},
		1: {Verdict: release.VerdictPass, CanaryRequests: 1800, CanaryBad: 1, StableRequests: 61000, StableBad: 20},
	}
	return Facts{Status: s, Seen: see(seen, s), App: true, Link: "https://temporal.example/namespaces/default/workflows/release%2Fdemo%2Fhello%2Fproduction%2F12"}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; look at it and run with -update. Got:\n%s", file, got)
	}
}

func TestWhatGitHubShows(t *testing.T) {
	going, back := want(factsOf(ramping())), want(factsOf(rolledBack()))
	golden(t, "summary-ramping.md", going.Check.Summary)
	golden(t, "summary-rolled-back.md", back.Check.Summary)
	golden(t, "story-rolled-back.md", back.Check.Text)
	golden(t, "comment.md", back.Comment)
	golden(t, "statuses.txt", fmt.Sprintf("%+v\n%s\n%+v\n\n%+v\n%s\n%+v\n", going.Statuses, going.Check.Title, going.State, back.Statuses, back.Check.Title, back.State))
}

// outside is what of a text in Markdown stands in no code, as CommonMark reads it.
func outside(text string) string {
	var out strings.Builder
	fence := ""
	for line := range strings.SplitSeq(text, "\n") {
		if fence != "" {
			if strings.Trim(line, "`") == "" && len(line) >= len(fence) {
				fence = ""
			}
			continue
		}
		if n := len(line) - len(strings.TrimLeft(line, "`")); n >= 3 && !strings.Contains(line[n:], "`") {
			fence = line[:n]
			continue
		}
		out.WriteString(withoutSpans(line) + "\n")
	}
	if fence != "" {
		return "a block is not closed"
	}
	return out.String()
}

func withoutSpans(line string) string {
	var out strings.Builder
	for line != "" {
		open := strings.IndexByte(line, '`')
		if open < 0 {
			break
		}
		out.WriteString(line[:open])
		n := len(line[open:]) - len(strings.TrimLeft(line[open:], "`"))
		rest := line[open+n:]
		shut := -1
		for i := 0; i < len(rest); {
			if rest[i] != '`' {
				i++
				continue
			}
			m := len(rest[i:]) - len(strings.TrimLeft(rest[i:], "`"))
			if m == n {
				shut = i
				break
			}
			i += m
		}
		if shut < 0 {
			return out.String() + line[open:]
		}
		line = rest[shut+n:]
	}
	return out.String() + line
}

func TestStrangersWriteNoMarkup(t *testing.T) {
	s := rolledBack()
	s.Requester.Name, s.Cause.By.Name, s.Approvals[0].By.Name = hostile, hostile, hostile
	s.Evidence.Sentence, s.Timeline[0].Message = hostile, "\n# heading\n"+hostile
	s.Waiting = &release.Waiting{For: hostile}
	w := want(factsOf(s))
	for name, text := range map[string]string{"summary": w.Check.Summary, "story": w.Check.Text, "comment": w.Comment} {
		left := outside(text)
		for _, bad := range []string{"bold", "evil", "octocat", "#1", "GH-2", "<img", "<!--", "~~", "\u202e", "is not closed", "heading"} {
			if strings.Contains(left, bad) {
				t.Errorf("%s of the %s stands outside of code:\n%s", bad, name, left)
			}
		}
		if strings.Contains(text, "\u202e") {
			t.Errorf("the %s turns the direction of text", name)
		}
		for line := range strings.SplitSeq(text, "\n") {
			if strings.HasPrefix(line, "| ") && strings.Count(line, "|") > 8 {
				t.Errorf("a stranger added cells: %s", line)
			}
		}
	}
	for _, nasty := range []string{"", "`", "``", "` `` ```", "a\\", "\\`", " x ", "`x`", "|", "\x00\x1b[31m", strings.Repeat("`", 400), "é" + strings.Repeat("ü", 400), "\xff\xfe"} {
		if left := strings.TrimSpace(withoutSpans("a " + code(nasty) + " b")); left != "a  b" && left != "a – b" {
			t.Errorf("of %q there is outside %q: %s", nasty, left, code(nasty))
		}
		if b := block([]string{nasty, nasty}, 9); outside(b) != "\n" || !utf8.ValidString(b) {
			t.Errorf("the block of %q is not closed:\n%s", nasty, b)
		}
	}
}

func TestABlockIsCutOnlyWhereThereIsMore(t *testing.T) {
	if got := block([]string{"a\nb", "c"}, 3); got != "```text\na\nb\nc\n```\n" {
		t.Errorf("what fits is shown as %q", got)
	}
	if got := block([]string{"a", "b\nc\nd", "e"}, 3); got != "```text\na\nb\n… there is more\n```\n" {
		t.Errorf("what does not fit is shown as %q", got)
	}
}

func TestWhatGitHubShowsIsBounded(t *testing.T) {
	s := rolledBack()
	long := strings.Repeat("wide ", 10000)
	s.Message, s.Cause.Message, s.Requester.Name = long, long, long
	for range 500 {
		s.Cause.Details = append(s.Cause.Details, long)
		s.Steps = append(s.Steps, s.Steps[0])
		move := s.Moves[0]
		move.Component, move.Candidate.ID = long, long
		s.Moves = append(s.Moves, move)
		s.Approvals = append(s.Approvals, release.Approved{By: release.Actor{Name: long}, Comment: long})
		s.Timeline = append(s.Timeline, release.Entry{At: start, Phase: release.Ramping, Message: long})
		s.Units = append(s.Units, long)
	}
	w := want(factsOf(s))
	for name, text := range map[string]string{"summary": w.Check.Summary, "story": w.Check.Text, "comment": w.Comment} {
		if n := utf8.RuneCountInString(text); n > 65400 || len(text) < 1000 {
			t.Errorf("the %s has %d characters", name, n)
		}
		if left := outside(text); strings.Contains(left, "wide") || strings.Contains(left, "not closed") {
			t.Errorf("what is cut of the %s is not closed: %.300s", name, left)
		}
	}
	for _, text := range []string{w.Statuses[1].Description, w.State.Description, w.Deployment.Description} {
		if utf8.RuneCountInString(text) > 140 {
			t.Errorf("a description has %d characters", utf8.RuneCountInString(text))
		}
	}
	for _, a := range append(want(factsOf(ramping())).Check.Actions, w.Check.Actions...) {
		if len(a.Label) > 20 || len(a.Description) > 40 || len(a.Identifier) > 20 {
			t.Errorf("the action %+v is too long", a)
		}
	}
}

func TestEveryEndIsShownAsWhatItIs(t *testing.T) {
	for name, c := range map[string]struct {
		phase release.Phase
		kind  release.CauseKind
		at    release.Phase
		want  string
	}{
		"completed":                     {release.Completed, "", release.Watching, "checks success, rollout success, watch success; success; success"},
		"a build that failed":           {release.Failed, release.CauseBuild, release.Building, "checks failure; failure; failure"},
		"refused by the rules":          {release.Refused, release.CausePolicy, release.Admitting, "checks failure; failure; failure"},
		"rejected by people":            {release.Refused, release.CauseRejected, release.Approving, "checks success, rollout failure; failure; failure"},
		"a question that expired":       {release.Refused, release.CauseExpired, release.Approving, "checks success, rollout failure; timed_out; failure"},
		"aborted":                       {release.Aborted, release.CauseAbort, release.Testing, "checks error; cancelled; inactive"},
		"superseded before its turn":    {release.Superseded, release.CauseSuperseded, release.Pending, "checks error; neutral; inactive"},
		"superseded in its ramp":        {release.RolledBack, release.CauseSuperseded, release.Ramping, "checks success, rollout error; neutral; inactive"},
		"aborted in its ramp":           {release.RolledBack, release.CauseAbort, release.Ramping, "checks success, rollout error; cancelled; inactive"},
		"rolled back by the evidence":   {release.RolledBack, release.CauseEvidence, release.Ramping, "checks success, rollout failure; failure; failure"},
		"rolled back in its watch":      {release.RolledBack, release.CauseAlarm, release.Watching, "checks success, rollout success, watch failure; failure; failure"},
		"a fault of ours":               {release.Failed, release.CauseInternal, release.Deploying, "checks error; failure; error"},
		"refused without any story":     {release.Refused, release.CauseManifest, "", "checks failure; failure; failure"},
		"rolling back":                  {release.RollingBack, release.CauseLease, release.CuttingOver, "checks success, rollout failure; ; in_progress"},
		"a phase from a newer program ": {"polishing", "", "polishing", "checks pending; ; queued"},
	} {
		t.Run(name, func(t *testing.T) {
			s := ramping()
			s.Phase, s.Step = c.phase, -1
			s.Cause = nil
			if c.kind != "" {
				s.Cause = &release.Cause{Kind: c.kind, Message: "because"}
			}
			s.Timeline = nil
			if c.at != "" {
				s.Timeline = []release.Entry{{Phase: c.at, Message: "x"}, {Phase: c.phase, Message: "end"}}
			}
			w := want(factsOf(s))
			var statuses []string
			for _, status := range w.Statuses {
				statuses = append(statuses, status.Context[strings.LastIndex(status.Context, "/")+1:]+" "+status.State)
			}
			if got := strings.Join(statuses, ", ") + "; " + w.Check.Conclusion + "; " + w.State.State; got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
			if w.State.Retires != (c.phase == release.Completed) {
				t.Errorf("it retires others: %t", w.State.Retires)
			}
			if (w.Comment != "") != (c.phase == release.RolledBack || c.phase == release.RollingBack) {
				t.Errorf("it is commented: %q", w.Comment)
			}
		})
	}
}

func TestEvidenceBelongsToTheStepItWasSeenAt(t *testing.T) {
	s := ramping()
	s.Evidence.At = minute(8) // before step 3 began
	if seen := see(nil, s); len(seen) != 1 || seen[1].CanaryRequests != 5210 {
		t.Errorf("seen %v, want it at the step before", seen)
	}
	s.Evidence.At = minute(10)
	if seen := see(nil, s); len(seen) != 1 || seen[2].CanaryRequests != 5210 {
		t.Errorf("seen %v", seen)
	}
	s.Phase, s.Evidence.CanaryRequests = release.Watching, 99999
	if seen := see(map[int]release.Evidence{3: {CanaryRequests: 1}}, s); seen[3].CanaryRequests != 1 {
		t.Errorf("the watch's evidence is told of the last step: %v", seen)
	}
	s.Evidence = nil
	if seen := see(nil, s); seen != nil {
		t.Errorf("seen %v without evidence", seen)
	}
}
