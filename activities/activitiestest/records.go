package activitiestest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/skyisland/skyisland/internal/release"
)

// errAway is what a part of the world that is away answers with.
var errAway = errors.New("away")

// Rules answers questions. It is an [activities.Rules].
type Rules struct {
	mu     sync.Mutex
	answer func(context.Context, release.Question) (release.Decision, error)
	away   bool
}

// Answer lets f decide. Without it everything is allowed.
func (r *Rules) Answer(f func(context.Context, release.Question) (release.Decision, error)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = f
}

// Away lets every question hang until its context ends.
func (r *Rules) Away(away bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.away = away
}

// Decide asks whoever was set to answer.
func (r *Rules) Decide(ctx context.Context, question release.Question) (release.Decision, error) {
	r.mu.Lock()
	answer, away := r.answer, r.away
	r.mu.Unlock()
	if away {
		<-ctx.Done()
		return release.Decision{}, ctx.Err()
	}
	if answer == nil {
		return release.Decision{Gate: question.Gate, Allow: true}, nil
	}
	return answer(ctx, question)
}

// Ledger keeps decisions. It is an [activities.Ledger].
type Ledger struct {
	world *World

	mu    sync.Mutex
	away  bool
	asked []Asked
}

// Asked is a question and its recorded answer.
type Asked struct {
	Question release.Question
	Decision release.Decision
}

// Away lets nothing be recorded.
func (l *Ledger) Away(away bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.away = away
}

// Asked are all the questions so far.
func (l *Ledger) Asked() []Asked {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.asked)
}

// allows says whether a yes is recorded for a release's weight in a unit.
func (l *Ledger) allows(id, unit string, weight release.Weight) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.ContainsFunc(l.asked, func(a Asked) bool {
		return a.Decision.Allow && a.Question.Release.String() == id && a.Question.Step != nil &&
			a.Question.Step.Unit == unit && a.Question.Step.To == weight
	})
}

// SaveDecision keeps a decision.
func (l *Ledger) SaveDecision(_ context.Context, question release.Question, decision release.Decision, _ time.Duration) error {
	l.mu.Lock()
	if l.away {
		l.mu.Unlock()
		return errAway
	}
	l.asked = append(l.asked, Asked{question, decision})
	l.mu.Unlock()
	answer := "allow"
	if !decision.Allow {
		answer = "deny"
	}
	if question.Step == nil {
		l.world.happened("decide %s: %s", question.Gate, answer)
		return nil
	}
	l.world.happened("decide %s in %s to %s: %s", question.Gate, question.Step.Unit, question.Step.To, answer)
	return nil
}

// Journal keeps what happened. It is an [activities.Journal].
type Journal struct {
	world *World

	mu           sync.Mutex
	away         bool
	summaries    []release.Summary
	entries      []written
	routes       map[string][]release.Route
	stable       map[release.Lane]map[string]release.Revision
	instructions []Told
}

// written is an entry and the release it belongs to.
type written struct {
	id    release.ID
	entry release.Entry
}

// Told is an instruction as it was recorded.
type Told struct {
	Kind, By, Refused string
}

// Away lets nothing be written.
func (j *Journal) Away(away bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.away = away
}

// Last is the last summary that was written.
func (j *Journal) Last() release.Summary {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.summaries) == 0 {
		return release.Summary{}
	}
	return j.summaries[len(j.summaries)-1]
}

// Entries are all the entries of a release, in the order they were written.
func (j *Journal) Entries(id release.ID) []release.Entry {
	j.mu.Lock()
	defer j.mu.Unlock()
	var out []release.Entry
	for _, w := range j.entries {
		if w.id == id {
			out = append(out, w.entry)
		}
	}
	return out
}

// Routes are the routes of a unit as they were recorded last.
func (j *Journal) Routes(unit string) []release.Route {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.routes[unit])
}

// Instructions are all the instructions so far.
func (j *Journal) Instructions() []Told {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.instructions)
}

func (j *Journal) write(f func()) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.away {
		return errAway
	}
	f()
	return nil
}

// SaveProgress keeps entries; one that is there already stays.
func (j *Journal) SaveProgress(_ context.Context, summary release.Summary, entries []release.Entry) error {
	var added []release.Entry
	err := j.write(func() {
		j.summaries = append(j.summaries, summary)
		for _, e := range entries {
			if !slices.ContainsFunc(j.entries, func(old written) bool { return old.id == summary.ID && old.entry.Number == e.Number }) {
				j.entries, added = append(j.entries, written{summary.ID, e}), append(added, e)
			}
		}
	})
	for _, e := range added {
		j.world.happened("note: %s", strings.Join(append([]string{e.Message}, e.Details...), "; "))
	}
	return err
}

// SaveRoutes keeps a unit's routes.
func (j *Journal) SaveRoutes(_ context.Context, unit string, routes []release.Route) error {
	return j.write(func() { j.routes[unit] = routes })
}

// SaveStable keeps what serves a lane.
func (j *Journal) SaveStable(_ context.Context, id release.ID, stable map[string]release.Revision) error {
	return j.write(func() { j.stable[id.Lane] = stable })
}

// Lane is what is kept of a lane.
func (j *Journal) Lane(_ context.Context, lane release.Lane) (newest *release.Summary, stable map[string]release.Revision, err error) {
	err = j.write(func() {
		stable = j.stable[lane]
		for _, summary := range j.summaries {
			if summary.ID.Lane == lane && (newest == nil || summary.ID.Number >= newest.ID.Number) {
				newest = &summary
			}
		}
	})
	return newest, stable, err
}

// SaveInstruction keeps an instruction.
func (j *Journal) SaveInstruction(_ context.Context, _ release.ID, kind string, in release.Instruction, refused string) error {
	return j.write(func() { j.instructions = append(j.instructions, Told{kind, in.By.Name, refused}) })
}
