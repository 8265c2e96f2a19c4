package github

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/skyisland/skyisland/internal/release"
)

// The bounds of what is shown. GitHub takes 65535 characters of each text; mostText is in bytes, and leaves room for a
// comment's marker.
const (
	mostText    = 65000
	mostRows    = 60
	mostDetails = 40
	mostStory   = 100
	mostPeople  = 20
)

// page is a text in Markdown, of parts of which those are left out that are too much together.
type page struct {
	strings.Builder

	cut bool
}

func (p *page) part(text string) {
	const more = "There is more than fits here.\n\n"
	switch {
	case p.Len()+len(text)+len(more) <= mostText:
		p.WriteString(text)
	case !p.cut:
		p.cut = true
		p.WriteString(more)
	}
}

// summary is what a check run says: what it is, how it goes, and on which evidence.
func summary(f Facts) string {
	p := &page{}
	s := f.Status
	p.part(fmt.Sprintf("**Release %d** of %s to %s: %s\n\n", s.ID.Number, application(s), code(s.ID.Lane.Environment), phaseWords(s)))
	p.part(about(s))
	p.part(reason(s))
	p.part(changes(s))
	p.part(ramp(f))
	p.part(evidence(s))
	p.part(approvals(s))
	p.part(link(f))
	return p.String()
}

// comment is what is said of a rollback where the change was discussed.
func comment(f Facts) string {
	p := &page{}
	s := f.Status
	done := "was rolled back"
	if s.Phase == release.RollingBack {
		done = "is being rolled back"
	}
	p.part(fmt.Sprintf("### Release %d of %s to %s %s\n\nCommit %s\n\n", s.ID.Number, application(s), code(s.ID.Lane.Environment), done, shortCommit(s.Commit)))
	p.part(reason(s))
	p.part(ramp(f))
	p.part(evidence(s))
	p.part(link(f))
	return p.String()
}

func application(s release.Status) string {
	return code(s.ID.Lane.Tenant + "/" + s.ID.Lane.Application)
}

// shortCommit names a commit as code: it is not to be made a link to whatever has the same digits.
func shortCommit(commit string) string { return code(commit[:min(12, len(commit))]) }

func phaseWords(s release.Status) string {
	words := strings.ReplaceAll(string(s.Phase), "-", " ")
	if s.Paused {
		words += ", paused"
	}
	return "**" + words + "**"
}

func about(s release.Status) string {
	var b strings.Builder
	row := func(name, value string) { fmt.Fprintf(&b, "| %s | %s |\n", name, value) }
	b.WriteString("| | |\n|---|---|\n")
	subject, _, _ := strings.Cut(s.Message, "\n")
	row("commit", shortCommit(s.Commit)+" "+code(subject))
	if s.Ref != "" {
		row("ref", code(release.RefName(s.Ref)))
	}
	row("asked for by", code(s.Requester.String())+at(s.Requested))
	if s.PlanHash != "" {
		row("plan", code(s.PlanHash[:min(12, len(s.PlanHash))]))
	}
	if len(s.Units) > 0 {
		row("units", code(strings.Join(s.Units, ", ")))
	}
	if s.Waiting != nil {
		row("waits for", code(s.Waiting.For)+until(s.Waiting.Until))
	}
	return b.String() + "\n"
}

func at(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return ", " + t.UTC().Format("2006-01-02 15:04:05") + " UTC"
}

func until(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return ", until " + t.UTC().Format("2006-01-02 15:04:05") + " UTC"
}

// reason is why a release left the way.
func reason(s release.Status) string {
	if s.Cause == nil {
		return ""
	}
	title := map[release.Phase]string{
		release.RollingBack: "Why it is rolled back", release.RolledBack: "Why it was rolled back", release.Refused: "Why it was refused",
		release.Failed: "Why it failed", release.Aborted: "Why it was aborted", release.Superseded: "Why it was superseded",
	}[s.Phase]
	if title == "" {
		return ""
	}
	by := ""
	if s.Cause.By != nil {
		by = ", by " + code(s.Cause.By.String())
	}
	// A line begins with a word of ours: what a line begins with decides what it is.
	return fmt.Sprintf("### %s\n\nCause: %s%s: %s\n\n%s", title, code(string(s.Cause.Kind)), by, code(s.Cause.Message), block(s.Cause.Details, mostDetails)) + "\n"
}

// changes are the components that change.
func changes(s release.Status) string {
	var rows []string
	for _, m := range s.Moves {
		if !m.Changed() {
			continue
		}
		from := "–"
		if m.Stable != nil {
			from = code(m.Stable.ID)
		}
		rows = append(rows, fmt.Sprintf("| %s | %s | %s | %s |\n", code(m.Component), from, code(m.Candidate.ID), code(shortDigest(m.Candidate.Artifact))))
	}
	if len(rows) == 0 {
		return ""
	}
	return "### What changes\n\n| component | from | to | artifact |\n|---|---|---|---|\n" + bounded(rows, 4) + "\n"
}

func shortDigest(d release.Digest) string { return string(d[:min(len("sha256:")+12, len(d))]) }

// bounded are the first rows of a table, and how many there are beside.
func bounded(rows []string, columns int) string {
	if len(rows) <= mostRows {
		return strings.Join(rows, "")
	}
	return strings.Join(rows[:mostRows], "") + fmt.Sprintf("| and %d more |%s\n", len(rows)-mostRows, strings.Repeat(" |", columns-1))
}

// ramp is the table of steps: where the release is, where it has been, and what was seen there.
func ramp(f Facts) string {
	s := f.Status
	if len(s.Steps) == 0 {
		return ""
	}
	furthest := furthestStep(s)
	var rows []string
	for i, step := range s.Steps {
		name := fmt.Sprint(i + 1)
		if step.Probe {
			name += " (probe)"
		}
		canary, stable, verdict := "–", "–", "–"
		if e, seen := f.Seen[i]; seen && i <= furthest {
			canary, stable, verdict = counts(e.CanaryRequests, e.CanaryBad), counts(e.StableRequests, e.StableBad), code(string(e.Verdict))
		}
		rows = append(rows, fmt.Sprintf("| %s | %s | %s | %s | %s | %s | %s |\n", name, step.Weight, step.Bake, stepState(s, i, furthest), canary, stable, verdict))
	}
	return "### Ramp\n\n| step | weight | bake | state | canary: requests, bad | stable: requests, bad | verdict |\n|---|---|---|---|---|---|---|\n" + bounded(rows, 7) + "\n"
}

func counts(requests, bad int64) string { return fmt.Sprintf("%d, %d", requests, bad) }

// stepState is how one step stands.
func stepState(s release.Status, i, furthest int) string {
	live := s.Phase == release.Ramping && s.Step == i
	switch {
	case live && s.Paused:
		return "⏸ paused"
	case live:
		return "▶ now"
	case i > furthest || s.Phase == release.Ramping && i > s.Step:
		return "· ahead"
	case stopped(s) && i == furthest && reached(s) == release.Ramping:
		return "✗ turned back"
	default:
		return "✓ passed"
	}
}

// furthestStep is the index of the last step that was in force, -1 before the first. A release that was rolled back says
// so in its story alone, in the workflow's words.
func furthestStep(s release.Status) int {
	furthest := -1
	if s.Phase == release.Ramping {
		furthest = s.Step
	}
	if group := groupOf(reached(s)); group > rollout || reached(s) == release.CuttingOver {
		return len(s.Steps) - 1
	}
	if furthest >= 0 || !stopped(s) {
		return furthest
	}
	for _, entry := range s.Timeline {
		var step, of int
		if n, _ := fmt.Sscanf(entry.Message, "step %d of %d:", &step, &of); n == 2 && step >= 1 && step <= len(s.Steps) {
			furthest = step - 1
		}
	}
	return furthest
}

func evidence(s release.Status) string {
	e := s.Evidence
	if e == nil {
		return ""
	}
	return fmt.Sprintf("### Evidence\n\nVerdict %s: %s\n\n| | requests | bad |\n|---|---|---|\n| canary | %d | %d |\n| stable | %d | %d |\n\nEvidence against the canary: %.3g (1 is none), p = %.3g%s\n\n",
		code(string(e.Verdict)), code(e.Sentence), e.CanaryRequests, e.CanaryBad, e.StableRequests, e.StableBad, e.Wealth, e.PValue, at(e.At))
}

func approvals(s release.Status) string {
	if len(s.Approvals) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString("### Approvals\n\n")
	for i, a := range s.Approvals {
		if i == mostPeople {
			fmt.Fprintf(&b, "- and %d more\n", len(s.Approvals)-i)
			break
		}
		fmt.Fprintf(&b, "- %s%s", code(a.By.String()), at(a.At))
		if a.Point != "" {
			fmt.Fprintf(&b, ", before the %s", a.Point)
		}
		if a.Comment != "" {
			fmt.Fprintf(&b, ": %s", code(a.Comment))
		}
		b.WriteString("\n")
	}
	return b.String() + "\n"
}

func link(f Facts) string {
	if f.Link == "" {
		return ""
	}
	// Ours, but with the names of people's applications in it.
	return "[See the release](<" + strings.NewReplacer("<", "%3C", ">", "%3E", "\n", "").Replace(f.Link) + ">)\n"
}

// story is the newest part of what happened, oldest first.
func story(timeline []release.Entry) string {
	if len(timeline) == 0 {
		return ""
	}
	p := &page{}
	p.part("### What happened\n\n")
	from := max(0, len(timeline)-mostStory)
	if from > 0 {
		p.part(fmt.Sprintf("%d entries before are left out.\n\n", from))
	}
	for entry := range slices.Values(timeline[from:]) {
		p.part(fmt.Sprintf("- %s %s\n", entry.At.UTC().Format("2006-01-02 15:04:05"), code(entry.Message)))
	}
	return p.String()
}

// see adds the evidence of now to what was seen at each step. Evidence from before a step began is the last of the step
// before: watchers follow each other.
func see(seen map[int]release.Evidence, s release.Status) map[int]release.Evidence {
	if s.Evidence == nil || len(s.Steps) == 0 {
		return seen
	}
	step := s.Step
	if s.Phase != release.Ramping {
		step = furthestStep(s)
	} else if began := stepBegan(s); !began.IsZero() && s.Evidence.At.Before(began) {
		step--
	}
	if step < 0 || step >= len(s.Steps) || step >= mostRows {
		return seen
	}
	if s.Phase != release.Ramping && !stopped(s) {
		// Evidence after the cutover is of the watch; the last step keeps its own.
		if _, there := seen[step]; there {
			return seen
		}
	}
	out := map[int]release.Evidence{}
	for i, e := range seen {
		out[i] = e
	}
	out[step] = *s.Evidence
	return out
}

// stepBegan is when the last weight of a step came into force.
func stepBegan(s release.Status) time.Time {
	for _, entry := range slices.Backward(s.Timeline) {
		if entry.Kind == release.EntryStep {
			return entry.At
		}
	}
	return time.Time{}
}
