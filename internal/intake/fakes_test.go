package intake

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/release"
)

const (
	commitA = "6113728f27ae82c7b1a177c8d03f9e96e0adf246"
	commitB = "0d1a26e67d8f5eaf1f6ba5c57fc3c7d91ac0fd1c"
	commitC = "1111111111111111111111111111111111111111"
	zero    = "0000000000000000000000000000000000000000"
)

var errAway = errors.New("nobody there")

// memoryInbox is an inbox that forgets at exit. fail, when set, is asked before each call.
type memoryInbox struct {
	mu       sync.Mutex
	events   map[int64]Event
	ids      map[string]int64
	until    map[int64]time.Time
	why      map[int64]string
	outcomes map[int64]Outcome
	settles  map[int64]int
	fail     func(call string, id int64) error
}

func newInbox() *memoryInbox {
	return &memoryInbox{
		events: map[int64]Event{}, ids: map[string]int64{}, until: map[int64]time.Time{},
		why: map[int64]string{}, outcomes: map[int64]Outcome{}, settles: map[int64]int{},
		fail: func(string, int64) error { return nil },
	}
}

func (m *memoryInbox) Accept(ctx context.Context, event Event) (int64, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := cmp.Or(ctx.Err(), m.fail("accept", 0)); err != nil {
		return 0, false, err
	}
	key := event.Source + " " + event.Delivery
	if id, ok := m.ids[key]; ok {
		return id, true, nil
	}
	event.ID = int64(len(m.events) + 1)
	m.events[event.ID], m.ids[key] = event, event.ID
	return event.ID, false, nil
}

func (m *memoryInbox) Pending(ctx context.Context, now time.Time, limit int) ([]Event, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := cmp.Or(ctx.Err(), m.fail("pending", 0)); err != nil {
		return nil, err
	}
	var due []Event
	for _, id := range slices.Sorted(maps.Keys(m.events)) {
		if _, done := m.outcomes[id]; !done && !m.until[id].After(now) && len(due) < limit {
			due = append(due, m.events[id])
		}
	}
	return due, nil
}

func (m *memoryInbox) Settle(ctx context.Context, id int64, outcome Outcome) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := cmp.Or(ctx.Err(), m.fail("settle", id)); err != nil {
		return err
	}
	m.settles[id]++
	if _, done := m.outcomes[id]; !done {
		m.outcomes[id] = outcome
	}
	return nil
}

func (m *memoryInbox) Postpone(ctx context.Context, id int64, why string, until time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := cmp.Or(ctx.Err(), m.fail("postpone", id)); err != nil {
		return err
	}
	m.why[id], m.until[id] = why, until
	return nil
}

func (m *memoryInbox) Outcome(ctx context.Context, id int64) (Outcome, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := cmp.Or(ctx.Err(), m.fail("outcome", id)); err != nil {
		return Outcome{}, false, err
	}
	if _, ok := m.events[id]; !ok {
		return Outcome{}, false, release.ErrNotFound
	}
	outcome, done := m.outcomes[id]
	return outcome, done, nil
}

// count is how many events are kept.
func (m *memoryInbox) count() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.events)
}

// failing makes one call fail from now on; no name makes none fail.
func (m *memoryInbox) failing(call string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fail = func(c string, _ int64) error {
		if c == call {
			return errAway
		}
		return nil
	}
}

// lanes answers as the lanes do: a key it knows is a duplicate. before, when set, is asked first.
type lanes struct {
	mu       sync.Mutex
	requests []release.Request
	seen     map[string]release.ID
	numbers  map[release.Lane]int
	before   func(ctx context.Context, req release.Request) error
}

func newLanes() *lanes {
	return &lanes{seen: map[string]release.ID{}, numbers: map[release.Lane]int{}}
}

func (l *lanes) Submit(ctx context.Context, req release.Request) (release.Submission, error) {
	if l.before != nil {
		if err := l.before(ctx, req); err != nil {
			return release.Submission{}, err
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	key := req.Lane.String() + " " + req.Key
	if id, ok := l.seen[key]; ok {
		return release.Submission{Release: id, Answer: release.Duplicate, Message: "this is release " + id.String() + " already"}, nil
	}
	l.requests = append(l.requests, req)
	l.numbers[req.Lane]++
	id := release.ID{Lane: req.Lane, Number: l.numbers[req.Lane]}
	l.seen[key] = id
	switch {
	case len(req.Problems) > 0:
		return release.Submission{Release: id, Answer: release.Rejected, Message: "release " + id.String() + " is refused\n" + req.Problems.Error()}, nil
	case id.Number > 1:
		return release.Submission{Release: id, Answer: release.Superseding, Message: "release " + id.String() + " takes the lane"}, nil
	}
	return release.Submission{Release: id, Answer: release.Started, Message: "release " + id.String() + " has started"}, nil
}

// commits are the commits that were asked for, in order.
func (l *lanes) commits() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var commits []string
	for _, req := range l.requests {
		commits = append(commits, req.Commit)
	}
	return commits
}

// registry is applications by the full name of their repository.
type registry struct {
	mu    sync.Mutex
	known map[string]release.Application
	saved []release.Application
	// err is the error of every call, saveErr that of saving alone.
	err, saveErr error
}

func (r *registry) ApplicationByRepository(_ context.Context, fullName, _ string) (release.Application, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	application, ok := r.known[fullName]
	if !ok {
		return application, cmp.Or(r.err, fmt.Errorf("application of %s: %w", fullName, release.ErrNotFound))
	}
	return application, r.err
}

func (r *registry) Applications(context.Context) ([]release.Application, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Collect(maps.Values(r.known)), r.err
}

func (r *registry) SaveApplication(_ context.Context, application release.Application) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := cmp.Or(r.saveErr, r.err); err != nil {
		return err
	}
	r.saved = append(r.saved, application)
	return nil
}

// repository is a history: each commit's parent, and what the refs are now. Every application has the same.
type repository struct {
	mu      sync.Mutex
	refs    map[string]string
	parents map[string]string
	commits map[string]Commit
	err     error
	// fixed says that only the test moves refs.
	fixed bool
}

func newRepository() *repository {
	return &repository{
		refs:    map[string]string{"refs/heads/main": commitC},
		parents: map[string]string{commitA: "", commitB: commitA, commitC: commitB}, commits: map[string]Commit{},
	}
}

// happened moves a ref as a push says, unless the test does.
func (r *repository) happened(c change) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fixed {
		return
	}
	if delete(r.refs, c.Ref); !c.gone() {
		r.refs[c.Ref] = c.After
	}
	if _, known := r.parents[c.After]; !known {
		r.parents[c.After] = strings.Trim(c.Before, "0")
	}
}

func (r *repository) Refs(_ context.Context, _ release.Application, names ...string) (map[string]string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := maps.Clone(r.refs)
	maps.DeleteFunc(out, func(ref, _ string) bool { return len(names) > 0 && !slices.Contains(names, ref) })
	return out, r.err
}

func (r *repository) Contains(_ context.Context, _ release.Application, commit, other string) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, id := range []string{commit, other} {
		if _, there := r.parents[id]; !there {
			return false, cmp.Or(r.err, release.ErrNotFound)
		}
	}
	for ; commit != ""; commit = r.parents[commit] {
		if commit == other {
			return true, r.err
		}
	}
	return false, r.err
}

func (r *repository) Commit(_ context.Context, _ release.Application, commit string) (Commit, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, there := r.parents[commit]; !there {
		return Commit{}, release.ErrNotFound
	}
	return r.commits[commit], r.err
}

// memoryHeads keeps what was seen.
type memoryHeads struct {
	mu   sync.Mutex
	seen map[string]map[string]Head
	err  error
}

func (m *memoryHeads) Head(_ context.Context, application release.Application, ref string) (Head, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	head, ok := m.seen[application.Name][ref]
	if !ok {
		return head, cmp.Or(m.err, release.ErrNotFound)
	}
	return head, m.err
}

func (m *memoryHeads) Heads(_ context.Context, application release.Application) (map[string]Head, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := map[string]Head{}
	maps.Copy(out, m.seen[application.Name])
	return out, m.err
}

func (m *memoryHeads) SaveHead(_ context.Context, application release.Application, head Head) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.seen == nil {
		m.seen = map[string]map[string]Head{}
	}
	if m.seen[application.Name] == nil {
		m.seen[application.Name] = map[string]Head{}
	}
	if head.Event >= m.seen[application.Name][head.Ref].Event {
		m.seen[application.Name][head.Ref] = head
	}
	return m.err
}

// memoryServing is what serves each lane.
type memoryServing struct {
	number int
	stable map[string]release.Revision
}

func (m *memoryServing) Serving(context.Context, release.Lane) (int, map[string]release.Revision, error) {
	return m.number, m.stable, nil
}

// manifestsFunc reads manifests as the test says.
type manifestsFunc func(ctx context.Context, commit string) (Routes, error)

func (f manifestsFunc) Routes(ctx context.Context, _ release.Application, commit string) (Routes, error) {
	return f(ctx, commit)
}

// fixture is a router between fakes.
type fixture struct {
	*Router
	inbox    *memoryInbox
	lanes    *lanes
	registry *registry
	repo     *repository
	seen     *memoryHeads
	serves   *memoryServing
	// routes are those of every commit, unless manifests is replaced.
	routes    Routes
	manifests manifestsFunc
}

// parts are what the router works with.
func (f *fixture) parts(read Manifests) Parts {
	return Parts{
		Inbox: f.inbox, Applications: f.registry, Manifests: read, Submitter: f.lanes, Releases: &alarmed{},
		Repositories: f.repo, Heads: f.seen, Serving: f.serves, Log: slog.New(slog.DiscardHandler),
	}
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{
		inbox: newInbox(), lanes: newLanes(),
		registry: &registry{known: map[string]release.Application{
			"acme/checkout": {Tenant: "acme", Name: "checkout", Repository: "https://robot:hunter2@git.example/acme/checkout.git"},
			"acme/search":   {Tenant: "acme", Name: "search", Repository: "https://git.example/acme/search.git"},
		}},
		routes: Routes{Branches: map[string][]string{"main": {"production"}}, Concurrency: map[string]release.Concurrency{"production": release.Queue}},
	}
	f.manifests = func(context.Context, string) (Routes, error) { return f.routes, nil }
	read := manifestsFunc(func(ctx context.Context, commit string) (Routes, error) { return f.manifests(ctx, commit) })
	f.repo, f.seen, f.serves = newRepository(), &memoryHeads{}, &memoryServing{}
	f.Router = NewRouter(f.parts(read))
	return f
}

// accept puts an event into the inbox and returns its ID.
func (f *fixture) accept(t *testing.T, kind, delivery, body string) int64 {
	t.Helper()
	if c, err := readPush([]byte(body)); err == nil && kind == "push" {
		f.repo.happened(c)
	}
	id, _, err := f.inbox.Accept(t.Context(), Event{Source: "github", Delivery: delivery, Kind: kind, Body: []byte(body), ReceivedAt: time.Now().UTC()})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// push puts a push to main of acme/checkout into the inbox.
func (f *fixture) push(t *testing.T, delivery, before, after string) int64 {
	t.Helper()
	return f.accept(t, "push", delivery, pushBody("acme/checkout", "refs/heads/main", before, after))
}

// once has every event handed on whose turn it is.
func (f *fixture) once(t *testing.T) {
	t.Helper()
	if err := f.Once(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// outcome is what became of an event, and fails the test while there is nothing.
func (f *fixture) outcome(t *testing.T, id int64) Outcome {
	t.Helper()
	outcome, done, err := f.inbox.Outcome(t.Context(), id)
	if err != nil || !done {
		t.Fatalf("event %d: settled %t, error %v; it waits because %q", id, done, err, f.inbox.why[id])
	}
	return outcome
}

// pending fails the test when an event has an outcome.
func (f *fixture) pending(t *testing.T, id int64) {
	t.Helper()
	outcome, done, err := f.inbox.Outcome(t.Context(), id)
	if err != nil || done {
		t.Fatalf("event %d: outcome %+v, error %v; want none yet", id, outcome, err)
	}
}

func pushBody(repository, ref, before, after string) string {
	return fmt.Sprintf(`{"ref":%q,"before":%q,"after":%q,"repository":{"full_name":%q}}`, ref, before, after, repository)
}

// discard is a log that nobody reads.
func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }
