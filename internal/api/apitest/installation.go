// Package apitest stands in for an installation behind the API: releases that change when a test says
// so, and records of them. It keeps the promises of the interfaces of package api and does nothing else.
package apitest

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/api"
	"github.com/skyisland/skyisland/internal/dispatch"
	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/workflows"
)

// The tokens of an installation: Operator is in release-managers, Reader in no group.
const (
	Operator = "operator-token-0123456789"
	Reader   = "reader-token-0123456789"
)

// Told is one instruction that arrived.
type Told struct {
	Release     release.ID
	What        dispatch.Instruction
	Instruction release.Instruction
}

// Installation is what the API stands in front of. All its methods are safe for concurrent use.
type Installation struct {
	mu           sync.Mutex
	statuses     map[release.ID]release.Status
	summaries    []release.Summary
	entries      map[release.ID][]release.Entry
	decisions    map[release.ID][]api.Decision
	applications []release.Application
	gateways     []api.Gateway
	lanes        map[release.Lane]workflows.LaneState
	instances    map[string]string
	builds       map[string]string
	told         []Told
	alarms       []release.Alarm
	people       api.People
	policies     api.Policies
	freezes      []release.Freeze
	artifacts    api.Artifacts
	keys         *Keys
	intake       *Inbox
	tokens       []api.Token
	log          *slog.Logger
	now          func() time.Time
	deliveries   []api.Delivery
	events       []api.Event
	bodies       map[int64]string
	requests     map[string]int64
	replayed     func(api.Event) (outcome, message string, releases []string)
	writebacks   []api.Writeback
	away         error
	broken       error
	asked        int
	follow       chan string
	happened     happened
	happenings   api.Happenings

	subscriptions   []api.Subscription
	eventDeliveries map[string][]api.EventDelivery
	instructed      func(Told) (workflows.Followed, error)
}

// New is an installation without anything.
func New() *Installation {
	return &Installation{
		bodies: map[int64]string{}, requests: map[string]int64{},
		statuses: map[release.ID]release.Status{}, entries: map[release.ID][]release.Entry{},
		decisions: map[release.ID][]api.Decision{}, lanes: map[release.Lane]workflows.LaneState{},
		instances: map[string]string{}, builds: map[string]string{}, follow: make(chan string),
		happened: happened{changed: make(chan struct{})}, eventDeliveries: map[string][]api.EventDelivery{},
		keys: NewKeys(), intake: NewInbox(),
	}
}

// Server is the API before the installation.
func (i *Installation) Server(info api.Info) (*api.Server, error) {
	var happenings api.Happenings = i
	if i.happenings != nil {
		happenings = i.happenings
	}
	var intake api.Intake
	if i.intake != nil {
		intake = i.intake
	}
	return api.New(api.Options{
		Releases: i, Records: i, Traffic: i, Logs: i, Freezes: i, Notifications: i, Keys: i.keys, Intake: intake, Info: info, People: i.people,
		Policies: i.policies, Log: i.log, Now: i.now, Artifacts: i.artifacts, Events: happenings, Subscriptions: i, Inbox: i, Writebacks: i,
		Tokens: append([]api.Token{
			{Name: "olga", Groups: []string{"release-managers"}, Token: Operator},
			{Name: "rita", Token: Reader},
		}, i.tokens...),
	})
}

// AddToken lets one more in, before the installation is served.
func (i *Installation) AddToken(token api.Token) { i.tokens = append(i.tokens, token) }

// LogTo has the server log, before it is served.
func (i *Installation) LogTo(log *slog.Logger) { i.log = log }

// Clock gives the server another clock, before it is served.
func (i *Installation) Clock(now func() time.Time) { i.now = now }

// KnowPeople gives the installation a directory of people, before it is served.
func (i *Installation) KnowPeople(people api.People) { i.people = people }

// KnowPolicies gives the installation rules that tell about themselves, before it is served.
func (i *Installation) KnowPolicies(policies api.Policies) { i.policies = policies }

// KnowArtifacts gives the installation statements of what was built, before it is served.
func (i *Installation) KnowArtifacts(artifacts api.Artifacts) { i.artifacts = artifacts }

// KnowHappenings has what happens come from elsewhere, before it is served.
func (i *Installation) KnowHappenings(happenings api.Happenings) { i.happenings = happenings }

// Start serves the installation until the test ends, and returns its address.
func (i *Installation) Start(t testing.TB, info api.Info) string {
	t.Helper()
	server, err := i.Server(info)
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(Checked(t, server.Handler()))
	t.Cleanup(func() { server.Close(); web.Close() })
	return web.URL
}

// Keys are the idempotency keys that the installation keeps.
func (i *Installation) Keys() *Keys { return i.keys }

// Inbox takes what is asked for.
func (i *Installation) Inbox() *Inbox { return i.intake }

// WithoutInbox makes an installation in which nobody can ask for a release, before it is served.
func (i *Installation) WithoutInbox() { i.intake = nil }

// Put makes a release be like this, under way and in the records.
func (i *Installation) Put(status release.Status) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.statuses[status.ID] = status
	i.record(release.Summary{
		ID: status.ID, Phase: status.Phase, Ref: status.Ref, Commit: status.Commit, Message: status.Message, Requester: status.Requester,
		Requested: status.Requested, Updated: status.Since, Cause: status.Cause,
	})
	i.entries[status.ID] = status.Timeline
	lane := i.lanes[status.ID.Lane]
	lane.Number = max(lane.Number, status.ID.Number)
	i.lanes[status.ID.Lane] = lane
}

func (i *Installation) record(summary release.Summary) {
	i.summaries = slices.DeleteFunc(i.summaries, func(s release.Summary) bool { return s.ID == summary.ID })
	i.summaries = append(i.summaries, summary)
	slices.SortStableFunc(i.summaries, func(a, b release.Summary) int { return b.Requested.Compare(a.Requested) })
}

// Forget leaves a release to the records, as Temporal does after a while.
func (i *Installation) Forget(id release.ID) {
	i.mu.Lock()
	defer i.mu.Unlock()
	delete(i.statuses, id)
}

// GoAway makes everything that needs Temporal fail with err; nil brings it back.
func (i *Installation) GoAway(err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.away = err
}

// OnInstruct answers instructions; without it they are followed.
func (i *Installation) OnInstruct(answer func(Told) (workflows.Followed, error)) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.instructed = answer
}

// SetGateways sets what the gateways say.
func (i *Installation) SetGateways(gateways ...api.Gateway) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.gateways = gateways
}

// SetDecisions sets what the rules answered for a release.
func (i *Installation) SetDecisions(id release.ID, decisions ...api.Decision) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.decisions[id] = decisions
}

// SetLog sets what a component's instances wrote.
func (i *Installation) SetLog(component, text string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.instances[component] = text
}

// Break makes the logs of instances fail after their text, and freezes and messages at once.
func (i *Installation) Break(err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.broken = err
}

// SetBuildLog sets what a component's command of a release wrote.
func (i *Installation) SetBuildLog(id release.ID, component string, kind api.LogKind, text string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.builds[buildKey(id, component, kind)] = text
}

// Follow hands a line to whoever follows a log; it waits until somebody does.
func (i *Installation) Follow(ctx context.Context, line string) error {
	select {
	case i.follow <- line:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Told are the instructions that arrived, in order.
func (i *Installation) Told() []Told {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.Clone(i.told)
}

// Alarms are the alarms that arrived, in order.
func (i *Installation) Alarms() []release.Alarm {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.Clone(i.alarms)
}

// Asked is how often a release was asked how it is.
func (i *Installation) Asked() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.asked
}

// Status implements [api.Releases].
func (i *Installation) Status(_ context.Context, id release.ID) (release.Status, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.asked++
	if i.away != nil {
		return release.Status{}, i.away
	}
	status, there := i.statuses[id]
	if !there {
		return status, fmt.Errorf("ask release %s: %w", id, release.ErrNotFound)
	}
	return status, nil
}

// Instruct implements [api.Releases].
func (i *Installation) Instruct(_ context.Context, id release.ID, what dispatch.Instruction, in release.Instruction) (workflows.Followed, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.away != nil {
		return workflows.Followed{}, i.away
	}
	status, there := i.statuses[id]
	if !there {
		return workflows.Followed{}, fmt.Errorf("%s release %s: %w", what, id, release.ErrNotFound)
	}
	told := Told{id, what, in}
	i.told = append(i.told, told)
	if i.instructed != nil {
		return i.instructed(told)
	}
	if status.Phase.Ended() {
		return workflows.Followed{}, fmt.Errorf("%s release %s: %w", what, id, release.ErrFinished)
	}
	return workflows.Followed{Phase: status.Phase, Message: string(what) + " followed"}, nil
}

// Alarm implements [api.Releases].
func (i *Installation) Alarm(_ context.Context, id release.ID, alarm release.Alarm) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if _, there := i.statuses[id]; !there {
		return release.ErrNotFound
	}
	i.alarms = append(i.alarms, alarm)
	return nil
}

// Lane implements [api.Releases].
func (i *Installation) Lane(_ context.Context, lane release.Lane) (workflows.LaneState, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	state, there := i.lanes[lane]
	if !there {
		return state, fmt.Errorf("ask lane %s: %w", lane, release.ErrNotFound)
	}
	return state, nil
}

// Releases implements [api.Records]. Its cursor is the number of releases before the page.
func (i *Installation) Releases(_ context.Context, f api.ReleaseFilter) ([]release.Summary, string, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	var out []release.Summary
	for _, s := range i.summaries {
		if matches(f.Tenant, s.ID.Lane.Tenant) && matches(f.Application, s.ID.Lane.Application) &&
			matches(f.Environment, s.ID.Lane.Environment) && matches(string(f.Phase), string(s.Phase)) && of(f.Tenants, s.ID.String()) {
			out = append(out, s)
		}
	}
	return part(out, f.Before, f.Limit)
}

func matches(wanted, have string) bool { return wanted == "" || wanted == have }

// Release implements [api.Records].
func (i *Installation) Release(_ context.Context, id release.ID) (release.Summary, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, s := range i.summaries {
		if s.ID == id {
			return s, nil
		}
	}
	return release.Summary{}, release.ErrNotFound
}

// Entries implements [api.Records].
func (i *Installation) Entries(_ context.Context, id release.ID) ([]release.Entry, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.entries[id], nil
}

// Decisions implements [api.Records].
func (i *Installation) Decisions(_ context.Context, id release.ID) ([]api.Decision, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.decisions[id], nil
}

// Applications implements [api.Records].
func (i *Installation) Applications(_ context.Context, tenants []string) ([]release.Application, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	var out []release.Application
	for _, a := range i.applications {
		if of(tenants, a.Tenant+"/") {
			out = append(out, a)
		}
	}
	slices.SortFunc(out, func(a, b release.Application) int {
		return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.Name, b.Name))
	})
	return out, nil
}

// SaveApplication implements [api.Records]. A repository that ends with /conflict is somebody else's.
func (i *Installation) SaveApplication(_ context.Context, application release.Application) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if strings.HasSuffix(application.Repository, "/conflict") {
		return fmt.Errorf("it is that of leak/leakapp: %w", release.ErrConflict)
	}
	i.applications = slices.DeleteFunc(i.applications, func(a release.Application) bool {
		return a.Tenant == application.Tenant && a.Name == application.Name
	})
	i.applications = append(i.applications, application)
	return nil
}

// Gateways implements [api.Traffic].
func (i *Installation) Gateways(context.Context) ([]api.Gateway, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.Clone(i.gateways), nil
}
