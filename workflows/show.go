package workflows

import (
	"fmt"
	"strings"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/skyisland/skyisland/internal/release"
)

// shownEntries is how many of the last lines of the story the Temporal UI shows.
const shownEntries = 12

// attributes are the search attributes that change in the course of a release. Setting them is an
// event in the history, so it is done when one has changed.
type attributes struct {
	phase   release.Phase
	commit  string
	verdict release.Verdict
}

// show brings the search attributes and the readable details in the Temporal UI up to date.
func (r *run) show() {
	workflow.SetCurrentDetails(r.base, details(r.status))
	now := attributes{phase: r.status.Phase, commit: r.status.Commit}
	if r.status.Evidence != nil {
		now.verdict = r.status.Evidence.Verdict
	}
	if now == r.shown {
		return
	}
	r.shown = now
	err := workflow.UpsertTypedSearchAttributes(r.base,
		keyword(attributePhase, string(now.phase)),
		keyword(attributeRevision, now.commit),
		keyword(attributeVerdict, string(now.verdict)),
	)
	if err != nil {
		workflow.GetLogger(r.base).Warn("search attributes not set", "error", err)
	}
}

// details is a status as Markdown.
func details(s release.Status) string {
	var b strings.Builder
	fmt.Fprintf(&b, "**%s**", s.Phase)
	if s.Paused {
		b.WriteString(" (paused)")
	}
	fmt.Fprintf(&b, " — commit `%s` by %s\n\n", short(s.Commit), s.Requester)
	if s.Waiting != nil {
		fmt.Fprintf(&b, "Waiting for %s", s.Waiting.For)
		if !s.Waiting.Until.IsZero() {
			fmt.Fprintf(&b, ", until %s", s.Waiting.Until.UTC().Format(time.RFC3339))
		}
		b.WriteString("\n\n")
	}
	if s.Cause != nil {
		fmt.Fprintf(&b, "**Why:** %s\n\n", s.Cause.Message)
	}
	if len(s.Steps) > 0 {
		b.WriteString("| step | weight | bake | |\n|---|---|---|---|\n")
		for i, step := range s.Steps {
			fmt.Fprintf(&b, "| %d | %s | %s | %s |\n", i+1, step.Weight, step.Bake, stepMark(s, i))
		}
		b.WriteString("\n")
	}
	if e := s.Evidence; e != nil {
		b.WriteString("| evidence | canary | stable |\n|---|---|---|\n")
		fmt.Fprintf(&b, "| requests | %d | %d |\n| bad | %d | %d |\n\n", e.CanaryRequests, e.StableRequests, e.CanaryBad, e.StableBad)
		fmt.Fprintf(&b, "Verdict: **%s**. %s\n\n", e.Verdict, e.Sentence)
	}
	for _, entry := range s.Timeline[max(0, len(s.Timeline)-shownEntries):] {
		fmt.Fprintf(&b, "- %s %s\n", entry.At.UTC().Format(time.TimeOnly), entry.Message)
	}
	return b.String()
}

func stepMark(s release.Status, index int) string {
	switch {
	case s.Phase == release.Completed || s.Phase == release.Watching || index < s.Step:
		return "passed"
	case index == s.Step && s.Phase == release.Ramping:
		return "**now**"
	default:
		return ""
	}
}

func short(commit string) string { return commit[:min(12, len(commit))] }

// phaseSentence tells people what a phase does.
func phaseSentence(phase release.Phase) string {
	sentences := map[release.Phase]string{
		release.Admitting:   "fetching the commit and reading its manifest",
		release.Building:    "building",
		release.Testing:     "running the components' own tests",
		release.Deploying:   "deploying beside what is stable, at 0 %",
		release.Verifying:   "running the cases against the candidate",
		release.Pressing:    "putting the candidate under pressure",
		release.Approving:   "asking for approval where the manifest wants it",
		release.Ramping:     "ramping up",
		release.CuttingOver: "cutting over",
		release.Watching:    "watching",
		release.RollingBack: "rolling back",
		release.Completed:   "completed: the candidate is stable",
		release.Refused:     "refused",
		release.Failed:      "failed before any traffic",
		release.Aborted:     "aborted before any traffic",
		release.Superseded:  "superseded before any traffic",
		release.RolledBack:  "rolled back",
	}
	if sentence, ok := sentences[phase]; ok {
		return sentence
	}
	return string(phase)
}
