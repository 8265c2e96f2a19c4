package events

import (
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/skyisland/skyisland/internal/release"
)

// Data is what an event says, the same for all types. Everything in it that people or builds wrote is text to be shown and
// never to be followed.
type Data struct {
	// Release is tenant/application/environment/number; empty for what is about no release.
	Release string `json:"release,omitempty"`
	// Tenant, Application and Environment are the lane. One that an alarm or a freeze leaves out is about all.
	Tenant      string `json:"tenant,omitempty"`
	Application string `json:"application,omitempty"`
	Environment string `json:"environment,omitempty"`
	// Number is the release's in its lane.
	Number int `json:"number,omitempty"`
	// Kind is what happened, as the type says it: phase, step, asked and so on.
	Kind release.EntryKind `json:"kind"`
	// Phase is where the release is with this event.
	Phase release.Phase `json:"phase,omitempty"`
	// Ref is the branch or tag whose commit is released, by its full name.
	Ref    string `json:"ref,omitempty"`
	Commit string `json:"commit,omitempty"`
	// Subject is the first line of the commit's message.
	Subject string `json:"subject,omitempty"`
	// Message is a sentence for people, Details are further lines.
	Message string   `json:"message"`
	Details []string `json:"details,omitempty"`
	// Requester asked for the release.
	Requester *Person `json:"requester,omitempty"`
	// Question is what people are asked, when the event is about that.
	Question *Question `json:"question,omitempty"`
	// Cause is why the release turns back or has not completed, in the events that say so.
	Cause *Cause `json:"cause,omitempty"`
	Links Links  `json:"links"`
	// Truncated says that texts or lists were cut to keep the event small; the links lead to the whole.
	Truncated bool `json:"truncated,omitempty"`
}

// Person is somebody who asked for something or answered.
type Person struct {
	// Name is who, as Source knows them.
	Name   string `json:"name"`
	Source string `json:"source,omitempty"`
	// Person is who it is in the installation's directory of people; empty for one who is not there.
	Person string `json:"person,omitempty"`
}

// Question is a question to people, as it stands with the event.
type Question struct {
	// Number counts the release's questions from 1.
	Number int                   `json:"number"`
	Before release.ApprovalPoint `json:"before"`
	// PlanHash names the plan that is asked about: an answer counts for it and for nothing else.
	PlanHash string `json:"plan_hash"`
	// Moves are what the plan changes, by component.
	Moves []Move `json:"moves,omitempty"`
	// Until is when the question expires.
	Until *time.Time `json:"until,omitempty"`
	// Approvals are those that count so far.
	Approvals []Person `json:"approvals,omitempty"`
	// Closed says how the question ended; empty while it is open.
	Closed string `json:"closed,omitempty"`
}

// Move is what a release changes in one component, by the names of the revisions.
type Move struct {
	Component string `json:"component"`
	// From is empty in a component's first release.
	From     string         `json:"from,omitempty"`
	To       string         `json:"to"`
	Artifact release.Digest `json:"artifact,omitempty"`
}

// Cause is why a release ended other than by completing.
type Cause struct {
	Kind    release.CauseKind `json:"kind"`
	Message string            `json:"message"`
	By      *Person           `json:"by,omitempty"`
}

// Links lead to more.
type Links struct {
	// Release and Lane are of the API, Workflow is of the Temporal UI.
	Release  string `json:"release,omitempty"`
	Lane     string `json:"lane,omitempty"`
	Workflow string `json:"workflow,omitempty"`
}

// mostBytes bounds an event: Standard Webhooks asks for bodies of at most 20 KB.
const mostBytes = 20 << 10

// room is how much an event may say.
type room struct{ text, lines, line, list int }

// rooms are from the widest to one in which every event has at most mostBytes: a byte of text may become six.
func rooms() []room {
	return []room{{2000, 20, 400, 50}, {1000, 10, 200, 20}, {200, 0, 0, 2}}
}

// cutter cuts texts, and remembers that it did.
type cutter struct {
	room

	cut bool
}

// text is at most so many bytes of a text, of whole characters.
func (c *cutter) text(of string, most int) string {
	if len(of) <= most {
		return of
	}
	c.cut = true
	for most > 0 && !utf8.RuneStart(of[most]) {
		most--
	}
	return of[:most] + "…"
}

func (c *cutter) person(who release.Actor) *Person {
	if who.Name == "" && who.Person == "" {
		return nil
	}
	return &Person{Name: c.text(who.Name, 128), Source: c.text(who.Source, 64), Person: c.text(who.Person, 128)}
}

// data is what an entry says, within a room.
func (in Installation) data(entry Entry, summary release.Summary, within room) Data {
	c := &cutter{room: within}
	of, lane := entry.Release, entry.Release.Lane
	out := Data{
		Tenant: lane.Tenant, Application: lane.Application, Environment: lane.Environment, Number: of.Number,
		Kind: entry.Entry.Kind, Phase: entry.Entry.Phase, Message: c.text(entry.Entry.Message, within.text),
	}
	if lane.Check() == nil {
		out.Links.Lane = in.URL + "/api/v1/lanes/" + lanePath(lane)
	}
	if of.Number > 0 {
		out.Release = of.String()
		out.Links.Release = in.URL + "/api/v1/releases/" + lanePath(lane) + "/" + strconv.Itoa(of.Number)
		if in.Workflow != nil {
			out.Links.Workflow = in.Workflow(of)
		}
		out.Ref, out.Commit = c.text(summary.Ref, min(300, within.text)), c.text(summary.Commit, 64)
		subject, _, _ := strings.Cut(summary.Message, "\n")
		out.Subject = c.text(subject, min(300, within.text))
		out.Requester = c.person(entry.Requester)
	}
	for i, detail := range entry.Entry.Details {
		if i == within.lines {
			c.cut = true
			break
		}
		out.Details = append(out.Details, c.text(detail, within.line))
	}
	if ask := entry.Entry.Ask; ask != nil {
		out.Question = c.question(*ask)
	}
	if summary.Cause != nil && saysWhy(entry.Entry) {
		out.Cause = &Cause{Kind: summary.Cause.Kind, Message: c.text(summary.Cause.Message, within.text)}
		if by := summary.Cause.By; by != nil {
			out.Cause.By = c.person(*by)
		}
	}
	out.Truncated = c.cut
	return out
}

// saysWhy says whether an entry is one from which on the cause is known. Earlier ones must not tell it: they would say
// something else when they are read later.
func saysWhy(entry release.Entry) bool {
	switch entry.Kind {
	case release.EntryStopped, release.EntryEnded:
		return true
	case release.EntryPhase:
		return entry.Phase == release.RollingBack || entry.Phase.Ended()
	default:
		return false
	}
}

func (c *cutter) question(ask release.Ask) *Question {
	out := &Question{Number: ask.Number, Before: ask.Point, PlanHash: c.text(ask.PlanHash, 64), Closed: c.text(ask.Closed, c.room.text)}
	if !ask.Until.IsZero() {
		until := ask.Until.UTC()
		out.Until = &until
	}
	for i, change := range ask.Changes {
		if i == c.list {
			c.cut = true
			break
		}
		out.Moves = append(out.Moves, Move{
			Component: c.text(change.Component, 63), From: c.text(change.From, 80), To: c.text(change.To, 80),
			Artifact: release.Digest(c.text(string(change.Artifact), 71)),
		})
	}
	for i, answer := range ask.Answers {
		if i == c.list {
			c.cut = true
			break
		}
		if who := c.person(answer.By); who != nil {
			out.Approvals = append(out.Approvals, *who)
		}
	}
	return out
}
