package subscription

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/skyisland/skyisland/internal/events"
)

const (
	// poll is how often a subscriber is looked at without a word that there is something for it.
	poll = time.Second
	// kept is how long what was sent, or is dead, can be looked at.
	kept      = 30 * 24 * time.Hour
	pruneEach = time.Hour
)

// Store keeps who is subscribed and what is on its way.
type Store interface {
	// Subscribe keeps that there is a subscriber, configured so: a new one begins with what happens from then on.
	Subscribe(ctx context.Context, name, config string) error
	// Subscribed is up to where deliveries have been made.
	Subscribed(ctx context.Context, name string) (int64, error)
	// Announce stores deliveries, and that they are made up to a sequence, together.
	Announce(ctx context.Context, name string, upTo int64, deliveries []events.Delivery) error
	// ClaimEvents takes what is due, the oldest of each subject, until a time, at most so many.
	ClaimEvents(ctx context.Context, name string, now, until time.Time, most int) ([]events.Delivery, error)
	// NextEvent is when something may be due; zero when nothing waits.
	NextEvent(ctx context.Context, name string) (time.Time, error)
	EventSent(ctx context.Context, d events.Delivery, at time.Time) error
	// EventFailed stores why it was not sent, and leaves the subscriber alone until notBefore.
	EventFailed(ctx context.Context, d events.Delivery, notBefore, at time.Time) error
	// Unsubscribe makes what waits dead, and nothing follow until the configuration is another.
	Unsubscribe(ctx context.Context, name, reason string, at time.Time) error
	// PruneEvents forgets what ended before a time, and gives up what expired before lost.
	PruneEvents(ctx context.Context, before, lost, now time.Time) error
}

// Feed is what happened. [events.Feed] is one.
type Feed interface {
	After(ctx context.Context, after int64) (events.Batch, error)
	Changed() <-chan struct{}
}

// Options are what subscribers need. All but Patience, Roots and Log is required.
type Options struct {
	Subscribers []Subscriber
	Store       Store
	Feed        Feed
	Now         func() time.Time
	// Patience is how long one attempt may take; 0 is 20 s, and 30 s is the most.
	Patience time.Duration
	// Roots are who may vouch for subscribers; nil is the system's.
	Roots *x509.CertPool
	Log   *slog.Logger
}

// Subscribers are all who are sent events.
type Subscribers struct {
	Options

	senders []*sender
}

// New is all subscribers; its error names everything that is wrong with them.
func New(o Options) (*Subscribers, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Patience <= 0 {
		o.Patience = usualPatience
	}
	o.Patience = min(o.Patience, mostPatience)
	out := &Subscribers{Options: o}
	var faults []error
	if len(o.Subscribers) > mostSubscribers {
		faults = append(faults, fmt.Errorf("subscribers: there are %d: at most %d are sent to", len(o.Subscribers), mostSubscribers))
	}
	seen := map[string]bool{}
	for i, one := range o.Subscribers {
		err := one.Check()
		if err == nil && seen[one.Name] {
			err = fmt.Errorf("name: %q stands twice", one.Name)
		}
		seen[one.Name] = true
		if err != nil {
			faults = append(faults, fault(i, err))
			continue
		}
		s := &sender{Subscribers: out, to: one, client: newClient(one.AllowPrivate, o.Patience, o.Roots), kicked: make(chan struct{}, 1)}
		for _, secret := range one.Secrets {
			signs, err := key(secret)
			if err != nil {
				return nil, err
			}
			s.keys = append(s.keys, signs)
		}
		out.senders = append(out.senders, s)
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	return out, nil
}

// fault puts where a subscriber stands before each of its faults.
func fault(at int, err error) error {
	all := []error{err}
	var several interface{ Unwrap() []error }
	if errors.As(err, &several) {
		all = several.Unwrap()
	}
	var out []error
	for _, one := range all {
		out = append(out, fmt.Errorf("subscribers[%d].%w", at, one))
	}
	return errors.Join(out...)
}

// Kick says that there is something to send again.
func (s *Subscribers) Kick() {
	for _, one := range s.senders {
		one.kick()
	}
}

// Run sends events until ctx ends, and what is being sent is sent.
func (s *Subscribers) Run(ctx context.Context) {
	var loops sync.WaitGroup
	defer loops.Wait()
	loops.Go(func() { s.prune(ctx) })
	for _, one := range s.senders {
		loops.Go(func() {
			defer one.client.CloseIdleConnections()
			defer one.sending.Wait()
			one.run(ctx)
		})
	}
}

// run works until there is nothing to do, and waits for news or the next look.
func (s *sender) run(ctx context.Context) {
	tick := time.NewTicker(poll)
	defer tick.Stop()
	failed, subscribed := false, false
	for {
		changed := s.Feed.Changed()
		more, err := false, error(nil)
		if !subscribed {
			err = s.subscribe(ctx)
			subscribed = err == nil
		}
		if subscribed {
			more, err = s.work(ctx)
		}
		if err != nil && ctx.Err() == nil && !failed {
			// Said once: the same store that is away is away every second.
			s.Log.ErrorContext(ctx, "events for a subscriber wait", "subscriber", s.to.Name, "error", err)
		}
		failed = err != nil
		if more && err == nil && ctx.Err() == nil {
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-changed:
		case <-s.kicked:
		}
	}
}

func (s *sender) subscribe(ctx context.Context) error {
	config, err := s.to.config()
	if err != nil {
		return err
	}
	if err := s.Store.Subscribe(ctx, s.to.Name, config); err != nil {
		return err
	}
	s.at, err = s.Store.Subscribed(ctx, s.to.Name)
	return err
}

func (s *Subscribers) prune(ctx context.Context) {
	tick := time.NewTicker(pruneEach)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			now := s.Now()
			if err := s.Store.PruneEvents(ctx, now.Add(-kept), now.Add(-2*latest), now); err != nil && ctx.Err() == nil {
				s.Log.ErrorContext(ctx, "old deliveries of events stay", "error", err)
			}
		}
	}
}
