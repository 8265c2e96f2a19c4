package slack

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/skyisland/skyisland/internal/notify"
	"github.com/skyisland/skyisland/internal/notify/markup"
	"github.com/skyisland/skyisland/internal/release"
)

// question is what a button answers: it travels through Slack as the button's value, and then within the form.
type question struct {
	release release.ID
	number  int
	plan    string
}

func questionOf(n notify.Notice) question {
	return question{release: n.Release, number: n.Ask.Number, plan: n.Ask.PlanHash}
}

func (q question) String() string {
	return strings.Join([]string{q.release.String(), strconv.Itoa(q.number), q.plan}, " ")
}

// asks says whether it is this question that stands so.
func (q question) asks(a release.Ask) bool { return a.Number == q.number && a.PlanHash == q.plan }

func parseQuestion(s string) (question, error) {
	fields := strings.Split(s, " ")
	if len(fields) != 3 || len(s) > mostValue {
		return question{}, errors.New("no question")
	}
	id, err := release.ParseID(fields[0])
	if err != nil {
		return question{}, err
	}
	number, err := strconv.Atoi(fields[1])
	if err != nil || number < 1 {
		return question{}, errors.New("no number of a question")
	}
	if plan := fields[2]; len(plan) != 64 || strings.Trim(plan, "0123456789abcdef") != "" {
		return question{}, errors.New("no hash of a plan")
	}
	return question{release: id, number: number, plan: fields[2]}, nil
}

// mostListed is how many commits, components, steps, answers or names are listed; more are counted.
const mostListed = 10

// askLines are what people have to know before they answer, a line each: who asks, what changes and where, what it
// may cost, what is known so far, which plan it is, and how the question stands.
func askLines(a release.Ask) []string {
	lines := []string{fmt.Sprintf("*Asked by* %s, before the %s, in %s", person(a.Requester), quoted(string(a.Point), mostName), quoted(strings.Join(a.Units, ", "), mostTitle))}
	if len(a.Commits) == 0 {
		lines = append(lines, "*Commit* "+code(short(a.Commit)))
	} else {
		lines = append(lines, "*Commits*")
		lines = append(lines, listed(a.Commits, func(c release.Commit) string {
			return "• " + code(short(c.ID)) + " " + quoted(c.Subject, mostTitle) + " (" + quoted(c.Author, mostName) + ")"
		})...)
	}
	lines = append(lines, "*Components*")
	lines = append(lines, listed(a.Changes, func(c release.Change) string {
		from := c.From
		if from == "" {
			from = "nothing"
		}
		return fmt.Sprintf("• %s: %s → %s, made of %s", quoted(c.Component, mostName), quoted(from, mostName), quoted(c.To, mostName),
			code("sha256:"+short(c.Artifact.Hex())))
	})...)
	if len(a.Steps) > 0 {
		lines = append(lines, "*Steps* "+strings.Join(listed(a.Steps, func(s release.Step) string { return s.Weight.String() + " for " + s.Bake.String() }), " → "))
	}
	if e := a.Exposure; e != nil {
		lines = append(lines, "*Exposure* "+e.String())
	}
	if len(a.Pressure) > 0 {
		lines = append(lines, "*Pressure*")
		lines = append(lines, listed(a.Pressure, func(s string) string { return "• " + quoted(s, mostLine) })...)
	}
	if e := a.Evidence; e != nil {
		lines = append(lines, fmt.Sprintf("*Evidence* %s: %s (canary %d requests, %d bad; stable %d, %d)",
			quoted(string(e.Verdict), mostName), quoted(e.Sentence, mostLine), e.CanaryRequests, e.CanaryBad, e.StableRequests, e.StableBad))
	}
	lines = append(lines, "*Plan* "+code(short(a.PlanHash)))
	return append(lines, listed(a.Answers, func(by release.Approved) string {
		line := "*Approved by* " + person(by.By)
		if by.Comment != "" {
			line += ": " + quoted(by.Comment, mostLine)
		}
		return line
	})...)
}

// standing is how a question stands, in one sentence. Slack shows the time as it is where the reader is.
func standing(a release.Ask) string {
	if a.Closed != "" {
		return cmp.Or(quoted(a.Closed, mostLine), "Closed")
	}
	wants := listed(a.Wants, func(want release.Approval) string {
		one := fmt.Sprintf("%d approvals", want.Count)
		if want.Count == 1 {
			one = "1 approval"
		}
		if len(want.From) > 0 {
			one += " of " + quoted(strings.Join(want.From, ", "), mostTitle)
		}
		return one
	})
	got := "none so far"
	if len(a.Answers) > 0 {
		got = fmt.Sprintf("%d so far", len(a.Answers))
	}
	until := fmt.Sprintf("<!date^%d^{date_short_pretty} at {time}|%s>", a.Until.Unix(), a.Until.UTC().Format("2006-01-02 15:04 MST"))
	return fmt.Sprintf("Needs %s until %s; %s", strings.Join(wants, " and "), until, got)
}

func person(a release.Actor) string {
	if a.Person != "" && a.Person != a.Name {
		return quoted(a.Person, mostName) + " (" + quoted(a.Name, mostName) + ", " + quoted(a.Source, 20) + ")"
	}
	return quoted(a.Name, mostName)
}

func code(s string) string { return "`" + s + "`" }

// short is as much of a hash as people compare.
func short(hash string) string { return cmp.Or(markup.Short(hash), "none") }

func listed[T any](all []T, say func(T) string) []string {
	said := make([]string, 0, mostListed+1)
	for _, one := range all[:min(len(all), mostListed)] {
		said = append(said, say(one))
	}
	if more := len(all) - mostListed; more > 0 {
		said = append(said, fmt.Sprintf("and %d more", more))
	}
	return said
}
