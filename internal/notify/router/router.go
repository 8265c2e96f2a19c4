// Package router says what happens to whoever wants to hear of it. What happens is kept in an outbox together with the
// change it tells, so that none is lost; rules turn it into deliveries, one for each target; and each channel sends its
// own, in order for each target and release, again and again until it is taken, without waiting for any other channel. No
// release waits for any of it.
package router

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/skyisland/skyisland/internal/notify"
	"github.com/skyisland/skyisland/internal/release"
)

// How messages are tried. A chat that is away for an evening is not given up; one that is gone for a day is.
const (
	firstRetry = time.Second
	lastRetry  = 5 * time.Minute
	giveUp     = 24 * time.Hour
	sendBound  = 30 * time.Second
	// claim is longer than a send can take, so that nobody else sends meanwhile.
	claim = 2 * sendBound
	// atOnce is how many targets of a channel are sent to at the same time.
	atOnce = 8
	// poll is how often the outbox is looked at without a word that there is something in it: another program may have
	// put it there.
	poll = time.Second
	// kept is how long what was sent can be looked at.
	kept      = 30 * 24 * time.Hour
	pruneEach = time.Hour
	routeAt   = 100
)

// Entry is something that happened, as the outbox has it.
type Entry struct {
	Seq       int64
	ID        string
	Release   release.ID
	Entry     release.Entry
	Requester release.Actor
}

// Delivery is one message to one target.
type Delivery struct {
	ID, Channel, Target, Release string
	Ask                          int
	Notice                       json.RawMessage
	Attempts                     int
	Created                      time.Time
	First, Asked                 string
}

// Outbox keeps what is to be told.
type Outbox interface {
	ToRoute(ctx context.Context, most int) ([]Entry, error)
	AskTargets(ctx context.Context, of release.ID, ask int) ([][2]string, error)
	Routed(ctx context.Context, entry Entry, deliveries []Delivery, at time.Time) error
	ClaimDeliveries(ctx context.Context, channel string, now, until time.Time, targets, batch int) ([][]Delivery, error)
	Delivered(ctx context.Context, sent []Delivery, receipt string, at time.Time) error
	NotDelivered(ctx context.Context, failed []Delivery, dead bool, due time.Time, reason string) error
	// PostponeTarget leaves a target alone until a time.
	PostponeTarget(ctx context.Context, channel, target string, until time.Time) error
	// NextDelivery is when a channel may have something to send; zero when nothing waits.
	NextDelivery(ctx context.Context, channel string) (time.Time, error)
	// PruneDeliveries forgets what ended before a time, and gives up what waits from before lost.
	PruneDeliveries(ctx context.Context, before, lost, now time.Time) error
}

// Options are what a router needs. All but Rules, Templates, Link, Answer and Log is required.
type Options struct {
	Outbox   Outbox
	Channels map[string]notify.Channel
	Rules    []Rule
	// Templates replace how an event is told.
	Templates map[release.EntryKind]Template
	// Link is where to see a release, Answer where its question can be answered by a browser.
	Link   func(release.ID) string
	Answer func(release.ID, release.Ask) string
	Now    func() time.Time
	Log    *slog.Logger
}

// Router tells people.
type Router struct {
	Options

	templates templates
	kicks     map[string]chan struct{}
}

// outbox names the loop that routes, beside those of the channels.
const outbox = ""

// New is a router; its error names every rule and template that cannot be followed.
func New(o Options) (*Router, error) {
	channels := slices.Sorted(maps.Keys(o.Channels))
	var faults []error
	for i, rule := range o.Rules {
		if err := rule.Check(channels); err != nil {
			faults = append(faults, fmt.Errorf("rules[%d]: %w", i, err))
		}
	}
	templates, err := newTemplates(o.Templates)
	if err := errors.Join(append(faults, err)...); err != nil {
		return nil, err
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	r := &Router{Options: o, templates: templates, kicks: map[string]chan struct{}{outbox: make(chan struct{}, 1)}}
	for _, channel := range channels {
		r.kicks[channel] = make(chan struct{}, 1)
	}
	return r, nil
}

// Kick says that there is something in the outbox, or something to send again.
func (r *Router) Kick() {
	for loop := range r.kicks {
		r.kick(loop)
	}
}

func (r *Router) kick(loop string) {
	select {
	case r.kicks[loop] <- struct{}{}:
	default:
	}
}

// Run tells people until ctx ends, and what is being sent is sent.
func (r *Router) Run(ctx context.Context) {
	var loops sync.WaitGroup
	defer loops.Wait()
	loops.Go(func() { r.loop(ctx, outbox, r.route) })
	loops.Go(func() { r.prune(ctx) })
	for name := range r.Channels {
		s := &sender{Router: r, name: name}
		loops.Go(func() {
			defer s.sending.Wait()
			r.loop(ctx, name, s.send)
		})
	}
}

// loop works until there is nothing to do, and waits for a kick or the next look.
func (r *Router) loop(ctx context.Context, name string, work func(context.Context) (more bool, err error)) {
	tick := time.NewTicker(poll)
	defer tick.Stop()
	failed := false
	for {
		more, err := work(ctx)
		if err != nil && ctx.Err() == nil && !failed {
			// Said once: the same store that is away is away every second.
			r.Log.ErrorContext(ctx, "notifications wait", "channel", name, "error", err)
		}
		failed = err != nil
		if more && err == nil {
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-r.kicks[name]:
		}
	}
}

func (r *Router) prune(ctx context.Context) {
	tick := time.NewTicker(pruneEach)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			now := r.Now()
			if err := r.Outbox.PruneDeliveries(ctx, now.Add(-kept), now.Add(-2*giveUp), now); err != nil && ctx.Err() == nil {
				r.Log.ErrorContext(ctx, "old notifications stay", "error", err)
			}
		}
	}
}

// route turns entries into deliveries.
func (r *Router) route(ctx context.Context) (more bool, err error) {
	entries, err := r.Outbox.ToRoute(ctx, routeAt)
	if err != nil {
		return false, err
	}
	due := map[string]bool{}
	for _, entry := range entries {
		deliveries, err := r.deliveries(ctx, entry)
		if err != nil {
			return false, err
		}
		if err := r.Outbox.Routed(ctx, entry, deliveries, r.Now()); err != nil {
			return false, err
		}
		for _, d := range deliveries {
			due[d.Channel] = true
		}
	}
	// After the last one of this look, so that those that are due together can be merged.
	for channel := range due {
		r.kick(channel)
	}
	return len(entries) == routeAt, nil
}

// deliveries are an entry's messages: to whom the rules name, and to whom the question was put that it is about, so that
// they see how it ended.
func (r *Router) deliveries(ctx context.Context, entry Entry) ([]Delivery, error) {
	to := targets(r.Rules, entry.Release.Lane, entry.Entry.Kind)
	ask := 0
	if entry.Entry.Ask != nil {
		ask = entry.Entry.Ask.Number
		asked, err := r.Outbox.AskTargets(ctx, entry.Release, ask)
		if err != nil {
			return nil, err
		}
		for _, one := range asked {
			target := Target{one[0], one[1]}
			if _, there := r.Channels[target.Channel]; there && !slices.Contains(to, target) {
				to = append(to, target)
			}
		}
	}
	if len(to) == 0 {
		return nil, nil
	}
	notice, err := r.notice(entry)
	if err != nil {
		return nil, err
	}
	named := "" // what is about no release belongs to no thread
	if entry.Release.Number > 0 {
		named = entry.Release.String()
	}
	var out []Delivery
	for _, target := range to {
		sum := sha256.Sum256([]byte(entry.ID + "\n" + target.Channel + "\n" + target.Name))
		out = append(out, Delivery{
			ID: hex.EncodeToString(sum[:12]), Channel: target.Channel, Target: target.Name, Release: named, Ask: ask, Notice: notice,
		})
	}
	return out, nil
}

// notice is what an entry says.
func (r *Router) notice(entry Entry) (json.RawMessage, error) {
	event := Event{
		Kind: entry.Entry.Kind, Phase: entry.Entry.Phase, Message: entry.Entry.Message, Details: entry.Entry.Details,
		At: entry.Entry.At, Requester: entry.Requester.Name,
	}
	n := notify.Notice{
		ID: entry.ID, At: entry.Entry.At, Release: entry.Release, Kind: entry.Entry.Kind,
		Severity: SeverityOf(entry.Entry.Kind), Ask: entry.Entry.Ask,
	}
	if id := entry.Release; id.Number > 0 {
		event.Release, event.Number = id.String(), id.Number
		event.Tenant, event.Application, event.Environment = id.Lane.Tenant, id.Lane.Application, id.Lane.Environment
		if r.Link != nil {
			n.Link = r.Link(id)
		}
	}
	if ask := entry.Entry.Ask; ask != nil && ask.Closed == "" {
		for _, want := range ask.Wants {
			n.Mention = append(n.Mention, want.From...)
		}
		slices.Sort(n.Mention)
		n.Mention = slices.Compact(n.Mention)
		if r.Answer != nil {
			n.Answer = r.Answer(entry.Release, *ask)
		}
	}
	template, ok := r.templates[entry.Entry.Kind]
	if !ok {
		// A kind from a newer program that shares the database.
		template = r.templates[release.EntryPhase]
	}
	var err error
	if n.Title, n.Lines, err = template.write(event); err != nil {
		// A template that fails on this event must not keep it from being told.
		r.Log.Error("template failed", "event", string(event.Kind), "error", err)
		n.Title, n.Lines = cut(event.Release+": "+event.Message, mostTitle), nil
	}
	return json.Marshal(n)
}
