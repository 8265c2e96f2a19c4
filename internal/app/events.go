package app

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/skyisland/skyisland/internal/api"
	"github.com/skyisland/skyisland/internal/config"
	"github.com/skyisland/skyisland/internal/events"
	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/internal/store"
	"github.com/skyisland/skyisland/internal/subscription"
)

// newEvents makes the feed of what happens, and those who are sent it.
func (a *App) newEvents(c config.Config) (*events.Feed, *subscription.Subscribers, error) {
	from := events.Installation{URL: strings.TrimSuffix(c.PublicURL, "/"), Workflow: workflowLink(c.Temporal)}
	feed := events.NewFeed(happened{a.store}, from, a.log)
	all, err := subscription.New(subscription.Options{Subscribers: subscribers(c.Events), Store: a.store, Feed: feed, Now: time.Now, Log: a.log})
	if err != nil {
		return nil, nil, fmt.Errorf("events: %w", err)
	}
	return feed, all, nil
}

// workflowLink is where people see a release in the Temporal UI; nil without one.
func workflowLink(c config.Temporal) func(release.ID) string {
	if c.UI == "" {
		return nil
	}
	return func(id release.ID) string {
		return c.UI + "/namespaces/" + url.PathEscape(c.Namespace) + "/workflows/" + url.PathEscape(id.WorkflowID())
	}
}

func subscribers(c config.Events) []subscription.Subscriber {
	out := make([]subscription.Subscriber, len(c.Subscribers))
	for i, one := range c.Subscribers {
		out[i] = subscription.Subscriber{
			Name: one.Name, URL: one.URL.Reveal(), AllowPrivate: one.AllowPrivate, Headers: map[string]string{},
			Filter: events.Filter{Types: one.Types, Tenants: one.Tenants, Applications: one.Applications, Environments: one.Environments},
		}
		for _, secret := range one.Secret {
			out[i].Secrets = append(out[i].Secrets, secret.Reveal())
		}
		for name, value := range one.Headers {
			out[i].Headers[name] = value.Reveal()
		}
	}
	return out
}

// happened is the store in the words of the feed.
type happened struct{ *store.Store }

// Happened are the entries after a seq.
func (h happened) Happened(ctx context.Context, after int64, most int) ([]events.Entry, error) {
	kept, err := h.Store.Happened(ctx, after, most)
	out := make([]events.Entry, len(kept))
	for i, entry := range kept {
		out[i] = events.Entry(entry)
	}
	return out, err
}

// kickAll says to whoever tells people and programs of releases that something happened.
func (a *App) kickAll() {
	a.notifier.Kick()
	a.feed.Kick()
	if a.writer != nil {
		a.writer.Kick()
	}
}

// tell tells people and programs what happens until ctx ends, and what is being sent is sent.
func (a *App) tell(ctx context.Context) {
	done := make(chan struct{}, 2)
	go func() { defer func() { done <- struct{}{} }(); a.feed.Run(ctx) }()
	go func() { defer func() { done <- struct{}{} }(); a.subscribers.Run(ctx) }()
	a.notifier.Run(ctx)
	<-done
	<-done
}

// subscriptions are who is sent events, in the words of the API.
type subscriptions struct {
	*store.Store

	configured []subscription.Subscriber
	kick       func()
}

// Subscriptions are those that are configured, and then those of which something is left.
func (s subscriptions) Subscriptions(ctx context.Context) ([]api.Subscription, error) {
	kept, err := s.Store.Subscriptions(ctx)
	if err != nil {
		return nil, err
	}
	byName := map[string]events.Subscription{}
	for _, one := range kept {
		byName[one.Name] = one
	}
	var out []api.Subscription
	configured := map[string]bool{}
	for _, one := range s.configured {
		configured[one.Name] = true
		shown := subscriptionView(byName[one.Name])
		shown.Name, shown.URL = one.Name, one.Address()
		out = append(out, shown)
	}
	for _, one := range kept {
		if !configured[one.Name] {
			shown := subscriptionView(one)
			shown.State = api.SubscriptionRemoved
			out = append(out, shown)
		}
	}
	return out, nil
}

func subscriptionView(one events.Subscription) api.Subscription {
	out := api.Subscription{Name: one.Name, State: api.SubscriptionActive, Reason: one.Reason, Waiting: one.Waiting, Dead: one.Dead}
	if !one.Disabled.IsZero() {
		out.State = api.SubscriptionDisabled
	}
	if !one.Succeeded.IsZero() {
		out.Succeeded = &one.Succeeded
	}
	if !one.Failed.IsZero() {
		out.Failed = &one.Failed
	}
	return out
}

// EventDeliveries are those of a subscription that match, the newest first.
func (s subscriptions) EventDeliveries(ctx context.Context, name string, filter api.EventDeliveryFilter) ([]api.EventDelivery, string, error) {
	kept, next, err := s.Store.EventDeliveries(ctx, name, store.EventDeliveryFilter{
		State: events.State(filter.State), After: filter.After, Limit: filter.Limit,
	})
	if err != nil {
		return nil, "", wrongCursor(err)
	}
	out := make([]api.EventDelivery, len(kept))
	for i, one := range kept {
		out[i] = api.EventDelivery{
			ID: one.ID, Event: one.Event, Type: one.Type, Subject: one.Subject, Sequence: one.Sequence, State: string(one.State),
			Attempts: one.Attempts, Created: one.Created, Reason: one.Reason,
		}
		if one.State == events.Waiting {
			out[i].Due = &kept[i].Due
		}
	}
	return out, next, nil
}

// RetryEvent lets one that is dead be sent again, at once, to a subscriber that is configured: nobody sends to others.
func (s subscriptions) RetryEvent(ctx context.Context, name, id string, at time.Time) error {
	if !slices.ContainsFunc(s.configured, func(one subscription.Subscriber) bool { return one.Name == name }) {
		if _, _, err := s.Store.EventDeliveries(ctx, name, store.EventDeliveryFilter{Limit: 1}); err != nil {
			return err
		}
		return fmt.Errorf("the subscriber %s is configured no longer: %w", name, release.ErrConflict)
	}
	err := s.Store.RetryEvent(ctx, name, id, at, at.Add(subscription.Lifetime()))
	if err == nil {
		s.kick()
	}
	return err
}
