package markdown

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/skyisland/skyisland/internal/notify/markup"
	"github.com/skyisland/skyisland/internal/release"
)

// mostListed is how many commits, components, steps or answers are listed; more are counted.
const mostListed = 10

// Ask is what people have to know before they answer, a line each: who asks, what changes and where, what it may
// cost, what is known so far, and which plan it is. It ends with how the question stands.
func (w Writer) Ask(a release.Ask) []string {
	lines := []string{
		fmt.Sprintf("**Asked by** %s, before the %s, in %s", w.person(a.Requester), w.Quote(string(a.Point), 20), w.Quote(strings.Join(a.Units, ", "), mostTitle)),
	}
	lines = append(lines, w.changes(a)...)
	if len(a.Steps) > 0 {
		lines = append(lines, "**Steps** "+listed(a.Steps, " → ", func(s release.Step) string { return s.Weight.String() + " for " + s.Bake.String() }))
	}
	if e := a.Exposure; e != nil {
		lines = append(lines, "**Exposure** "+e.String())
	}
	if len(a.Pressure) > 0 {
		lines = append(lines, "**Pressure** "+listed(a.Pressure, "; ", func(s string) string { return w.Quote(s, mostLine) }))
	}
	if e := a.Evidence; e != nil {
		lines = append(lines, fmt.Sprintf("**Evidence** %s: %s (canary %d requests, %d bad; stable %d, %d)",
			w.Quote(string(e.Verdict), 20), w.Quote(e.Sentence, mostLine), e.CanaryRequests, e.CanaryBad, e.StableRequests, e.StableBad))
	}
	lines = append(lines, "**Plan** "+markup.Short(a.PlanHash))
	for _, answer := range a.Answers {
		line := "**Approved by** " + w.person(answer.By)
		if answer.Comment != "" {
			line += ": " + w.Quote(answer.Comment, mostLine)
		}
		lines = append(lines, line)
	}
	return append(lines, "**"+w.Standing(a)+"**")
}

func (w Writer) changes(a release.Ask) (lines []string) {
	if len(a.Commits) == 0 {
		lines = append(lines, "**Commit** "+markup.Short(a.Commit))
	} else {
		lines = append(lines, "**Commits** "+listed(a.Commits, "; ", func(c release.Commit) string {
			return markup.Short(c.ID) + " " + w.Quote(c.Subject, mostTitle) + " (" + w.Quote(c.Author, 60) + ")"
		}))
	}
	return append(lines, "**Changes** "+listed(a.Changes, "; ", func(c release.Change) string {
		from := c.From
		if from == "" {
			from = "nothing"
		}
		return fmt.Sprintf("%s: %s → %s (%s)", w.Quote(c.Component, 80), w.Quote(from, 80), w.Quote(c.To, 80), markup.Short(c.Artifact.Hex()))
	}))
}

// Standing is how a question stands, in one sentence.
func (w Writer) Standing(a release.Ask) string {
	if a.Closed != "" {
		return cmp.Or(w.Quote(a.Closed, mostLine), "Closed")
	}
	wants := make([]string, 0, len(a.Wants))
	for _, want := range a.Wants {
		one := fmt.Sprintf("%d approvals", want.Count)
		if want.Count == 1 {
			one = "1 approval"
		}
		if len(want.From) > 0 {
			one += " of " + w.Quote(strings.Join(want.From, ", "), mostTitle)
		}
		wants = append(wants, one)
	}
	got := fmt.Sprintf("%d so far", len(a.Answers))
	if len(a.Answers) == 0 {
		got = "none so far"
	}
	return fmt.Sprintf("Needs %s by %s; %s", strings.Join(wants, " and "), a.Until.UTC().Format(time.DateTime+" MST"), got)
}

func (w Writer) person(a release.Actor) string {
	if a.Person != "" && a.Person != a.Name {
		return w.Quote(a.Person, 80) + " (" + w.Quote(a.Name, 80) + ", " + w.Quote(a.Source, 20) + ")"
	}
	return w.Quote(a.Name, 80)
}

func listed[T any](all []T, separator string, say func(T) string) string {
	said := make([]string, 0, mostListed)
	for _, one := range all[:min(len(all), mostListed)] {
		said = append(said, say(one))
	}
	if more := len(all) - mostListed; more > 0 {
		said = append(said, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(said, separator)
}
