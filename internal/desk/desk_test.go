package desk_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/desk"
	"github.com/skyisland/skyisland/internal/dispatch"
	"github.com/skyisland/skyisland/internal/notify"
	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/workflows"
)

var (
	id   = release.ID{Lane: release.Lane{Tenant: "demo", Application: "hello", Environment: "production"}, Number: 3}
	hash = strings.Repeat("ab12", 16)
	noon = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
)

// world is a release that asks for two approvals, its people and its records.
type world struct {
	status  release.Status
	told    []release.Instruction
	answers map[string]workflows.Followed
	records []string
	freezes []release.Freeze
	err     error
}

func newWorld() *world {
	return &world{
		answers: map[string]workflows.Followed{},
		status: release.Status{
			ID: id, Phase: release.Approving, PlanHash: hash, Commit: strings.Repeat("c", 40),
			Ask: &release.Ask{Number: 1, PlanHash: hash, Wants: []release.Approval{{Count: 2}}},
		},
	}
}

func (w *world) desk() *desk.Desk {
	return desk.New(desk.Options{Releases: w, People: w, Records: w, Freezer: w, Now: func() time.Time { return noon }})
}

// Person knows members of one chat.
func (w *world) Person(source, member string) (release.Actor, error) {
	if source != "slack" || !strings.HasPrefix(member, "U") {
		return release.Actor{}, fmt.Errorf("%s is nobody that people.yaml knows: add slack: [%s]", member, member)
	}
	return release.Actor{Name: member, Source: source, Person: strings.ToLower(member[1:])}, nil
}

// Instruct is the workflow's side: its validators, and the same word twice.
func (w *world) Instruct(_ context.Context, _ release.ID, what dispatch.Instruction, in release.Instruction) (workflows.Followed, error) {
	if w.err != nil {
		return workflows.Followed{}, w.err
	}
	if followed, again := w.answers[in.ID]; again && in.ID != "" {
		return followed, nil
	}
	ask := w.status.Ask
	switch {
	case ask == nil:
		return workflows.Followed{}, &dispatch.RefusedError{Message: "cannot approve: nobody is asked"}
	case in.PlanHash != ask.PlanHash:
		return workflows.Followed{}, &dispatch.RefusedError{Message: "cannot approve: the answer is for another plan"}
	}
	w.told = append(w.told, in)
	if what == dispatch.Approve {
		now := *ask
		now.Answers = append(slices.Clone(ask.Answers), release.Approved{By: in.By})
		w.status.Ask = &now
		if len(now.Answers) == 2 {
			w.status.Ask = nil
		}
	} else {
		w.status.Ask = nil
	}
	w.answers[in.ID] = workflows.Followed{Message: "counted"}
	return w.answers[in.ID], nil
}

func (w *world) Status(_ context.Context, asked release.ID) (release.Status, error) {
	if asked != id {
		return release.Status{}, release.ErrNotFound
	}
	return w.status, nil
}

func (w *world) Newest(_ context.Context, lane release.Lane) (release.ID, error) {
	if lane != id.Lane {
		return release.ID{}, release.ErrNotFound
	}
	return id, nil
}

func (w *world) SaveInstruction(_ context.Context, of release.ID, kind string, in release.Instruction, refused string) error {
	w.records = append(w.records, fmt.Sprintf("%s %s by %s: %s", of, kind, in.By.Name, refused))
	return nil
}

func (w *world) AddFreeze(_ context.Context, freeze release.Freeze) error {
	w.freezes = append(w.freezes, freeze)
	return w.err
}

func say(what, about, user, click string) notify.Word {
	return notify.Word{ID: click, Source: "slack", User: user, What: what, About: about, PlanHash: hash, At: noon}
}

func TestAnAnswerThatCountsComesBackWithTheQuestionAsItStands(t *testing.T) {
	w := newWorld()
	d := w.desk()
	first, err := d.Tell(t.Context(), say("approve", id.String(), "UADA", "1"))
	if err != nil || first.Refused || first.Ask == nil || len(first.Ask.Answers) != 1 || first.Ask.Closed != "" {
		t.Fatalf("answered %+v, %v, want the open question with one answer", first, err)
	}
	if again, err := d.Tell(t.Context(), say("approve", id.String(), "UADA", "1")); err != nil || again.Refused || len(w.told) != 1 {
		t.Errorf("the same click was answered %+v, %v, and told %d times, want once", again, err, len(w.told))
	}
	// The beginning of the hash, about the newest of the lane.
	word := say("approve", id.Lane.String(), "UBERT", "2")
	word.PlanHash = hash[:8]
	second, err := d.Tell(t.Context(), word)
	if err != nil || second.Refused || second.Ask == nil || !strings.HasPrefix(second.Ask.Closed, "approved") || len(second.Ask.Answers) != 2 {
		t.Errorf("answered %+v, %v, want the closed question", second, err)
	}
	if in := w.told[1]; in.PlanHash != hash || in.By.Person != "bert" || in.At != noon {
		t.Errorf("the release was told %+v", in)
	}
	late, err := d.Tell(t.Context(), say("reject", id.String(), "UCLEO", "3"))
	if err != nil || !late.Refused || !strings.Contains(late.Text, "nobody is asked") {
		t.Errorf("a late click was answered %+v, %v", late, err)
	}
}

func TestARejectionClosesTheQuestion(t *testing.T) {
	w := newWorld()
	reply, err := w.desk().Tell(t.Context(), say("reject", id.String(), "UADA", "1"))
	if err != nil || reply.Ask == nil || reply.Ask.Closed != "rejected by UADA (slack)" {
		t.Errorf("answered %+v, %v", reply, err)
	}
}

func TestEveryRefusalHasItsReasonAndItsRecord(t *testing.T) {
	other := say("approve", id.String(), "UADA", "1")
	other.PlanHash = strings.Repeat("0", 64)
	for name, c := range map[string]struct {
		word   notify.Word
		says   string
		record string
	}{
		"of a stranger":                  {say("approve", id.String(), "X1", "1"), "add slack: [X1]", id.String() + " approve by X1: X1 is nobody"},
		"of another plan":                {other, "another plan", id.String() + " approve by UADA: the answer is for another plan"},
		"of a release that is not there": {say("approve", "demo/none/production", "UADA", "1"), "there is no release demo/none/production", " approve by UADA: there is no release"},
		"of what is no release":          {say("pause", "hello", "UADA", "1"), `"hello" is not a release`, " pause by UADA:"},
		"of what nobody understands":     {say("explode", id.String(), "UADA", "1"), `"explode" is nothing`, id.String() + " explode by UADA:"},
		"of a freeze of nothing":         {say("freeze", "Not A Name", "UADA", "1"), "cannot be frozen", " freeze by UADA:"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			reply, err := w.desk().Tell(t.Context(), c.word)
			if err != nil || !reply.Refused || !strings.Contains(reply.Text, c.says) {
				t.Errorf("answered %+v, %v, want %q", reply, err, c.says)
			}
			if len(w.records) != 1 || !strings.Contains(w.records[0], c.record) {
				t.Errorf("recorded %q, want %q", w.records, c.record)
			}
			if len(w.told) > 0 || len(w.freezes) > 0 {
				t.Error("it was followed all the same")
			}
		})
	}
}

func TestNobodyKnowsIsAnError(t *testing.T) {
	w := newWorld()
	w.err = errors.New("no route to host")
	for _, word := range []notify.Word{say("approve", id.String(), "UADA", "1"), say("freeze", "demo", "UADA", "2")} {
		if reply, err := w.desk().Tell(t.Context(), word); err == nil {
			t.Errorf("%s was answered %+v, want an error: the word may be said again", word.What, reply)
		}
	}
}

func TestAFreezeThatTheRulesDenyIsAnsweredWithWhy(t *testing.T) {
	w := newWorld()
	w.err = &release.DeniedError{Decision: release.Decision{Deny: []release.Denial{{Code: "freezers.not_allowed", Message: "ada may not"}}}}
	reply, err := w.desk().Tell(t.Context(), say("freeze", "demo/hello", "UADA", "1"))
	if err != nil || !reply.Refused || !strings.Contains(reply.Text, "freezers.not_allowed: ada may not") || len(w.records) != 1 {
		t.Errorf("answered %+v, %v with %d records, want the reason and one record", reply, err, len(w.records))
	}
}

func TestAFreezeIsOfWhoSaidIt(t *testing.T) {
	w := newWorld()
	word := say("freeze", "demo/hello", "UADA", "1")
	word.For, word.Comment = 2*time.Hour, "the launch"
	reply, err := w.desk().Tell(t.Context(), word)
	if err != nil || reply.Refused || !strings.Contains(reply.Text, "demo/hello is frozen, until 2026-11-27T14:00:00Z") {
		t.Errorf("answered %+v, %v", reply, err)
	}
	if f := w.freezes[0]; f.ID == "" || f.By.Person != "ada" || f.Reason != "the launch" || f.About() != "demo/hello" || !f.Ends.Equal(noon.Add(2*time.Hour)) {
		t.Errorf("declared %+v", f)
	}
	again, _ := w.desk().Tell(t.Context(), word)
	if again.Refused || w.freezes[1].ID != w.freezes[0].ID {
		t.Errorf("the same word again is freeze %q, want %q", w.freezes[1].ID, w.freezes[0].ID)
	}
}

func TestStatusIsToldInAFewLines(t *testing.T) {
	w := newWorld()
	w.status.Waiting = &release.Waiting{For: "2 approvals"}
	reply, err := w.desk().Tell(t.Context(), say("status", id.Lane.String(), "UADA", "1"))
	want := "demo/hello/production/3 is approving: commit cccccccccccc by , plan ab12ab12ab12\nwaits for 2 approvals"
	if err != nil || reply.Text != want || reply.Ask == nil {
		t.Errorf("answered %q, %v, want %q", reply.Text, err, want)
	}
}
