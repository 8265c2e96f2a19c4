package app

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/skyisland/skyisland/internal/api"
	"github.com/skyisland/skyisland/internal/config"
	"github.com/skyisland/skyisland/internal/notify"
	"github.com/skyisland/skyisland/internal/notify/dingtalk"
	"github.com/skyisland/skyisland/internal/notify/feishu"
	"github.com/skyisland/skyisland/internal/notify/router"
	"github.com/skyisland/skyisland/internal/notify/slack"
	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/internal/store"
)

// chats are the ways to reach people that are configured, and those of them that listen.
type chats struct {
	channels map[string]notify.Channel
	// listening run until their context ends.
	listening []func(context.Context) error
	// slack is nil unless it is configured.
	slack *slack.Channel
}

// openChats makes the channels that are configured. Words go to the desk.
func (a *App) openChats(c config.Config, desk notify.Desk) (chats, error) {
	out := chats{channels: map[string]notify.Channel{}}
	if d := c.DingTalk; d.ClientID != "" || len(d.Robots) > 0 {
		robots := map[string]dingtalk.Robot{}
		for name, robot := range d.Robots {
			robots[name] = dingtalk.Robot{Token: robot.Token.Reveal(), Secret: robot.Secret.Reveal()}
		}
		channel, err := dingtalk.New(dingtalk.Options{
			ClientID: d.ClientID, ClientSecret: d.ClientSecret.Reveal(), CardTemplate: d.CardTemplate, Robots: robots, Desk: desk, API: d.API, OAPI: d.API, Log: a.log,
		})
		if err != nil {
			return out, err
		}
		out.channels["dingtalk"] = channel
		if d.ClientID != "" {
			out.listening = append(out.listening, channel.Run)
		}
	}
	if s := c.Slack; s != (config.Slack{}) {
		channel, err := slack.New(slack.Options{
			BotToken: slack.Secret(s.BotToken.Reveal()), AppToken: slack.Secret(s.AppToken.Reveal()), SigningSecret: slack.Secret(s.SigningSecret.Reveal()),
			Desk: desk, Member: func(name string) string { return a.people.Member(name, "slack") }, Command: s.Command, APIURL: s.API, Log: a.log,
		})
		if err != nil {
			return out, err
		}
		out.channels["slack"], out.slack = channel, channel
		out.listening = append(out.listening, channel.Run)
	}
	if bots := c.Feishu.Bots; len(bots) > 0 {
		known := map[string]feishu.Bot{}
		for name, bot := range bots {
			known[name] = feishu.Bot{URL: bot.URL.Reveal(), Secret: bot.Secret.Reveal()}
		}
		channel, err := feishu.New(feishu.Options{Bots: known})
		if err != nil {
			return out, err
		}
		out.channels["feishu"] = channel
	}
	return out, nil
}

// newNotifier makes the router of what happens to whoever wants to hear of it.
func (a *App) newNotifier(c config.Config, channels map[string]notify.Channel) (*router.Router, error) {
	options := router.Options{
		Outbox: outbox{a.store}, Channels: channels, Templates: map[release.EntryKind]router.Template{}, Now: time.Now, Log: a.log,
		Answer: func(id release.ID, ask release.Ask) string {
			address, err := a.AnswerLink(id, ask)
			if err != nil {
				a.log.Warn("a question goes without a link to answer it", "release", id.String(), "error", err)
			}
			return address
		},
	}
	options.Link = workflowLink(c.Temporal)
	for _, rule := range c.Notify.Rules {
		one := router.Rule{
			To: rule.To, Tenants: rule.Tenants, Applications: rule.Applications, Environments: rule.Environments, Severity: notify.Severity(rule.Severity),
		}
		for _, event := range rule.Events {
			one.Events = append(one.Events, release.EntryKind(event))
		}
		options.Rules = append(options.Rules, one)
	}
	for event, template := range c.Notify.Templates {
		options.Templates[release.EntryKind(event)] = router.Template(template)
	}
	made, err := router.New(options)
	if err != nil {
		return nil, fmt.Errorf("notify: %w", err)
	}
	return made, nil
}

// outbox is the store in the words of the router.
type outbox struct{ *store.Store }

func (o outbox) ToRoute(ctx context.Context, most int) ([]router.Entry, error) {
	kept, err := o.Store.ToRoute(ctx, most)
	out := make([]router.Entry, len(kept))
	for i, entry := range kept {
		out[i] = router.Entry(entry)
	}
	return out, err
}

func (o outbox) Routed(ctx context.Context, entry router.Entry, deliveries []router.Delivery, at time.Time) error {
	return o.Store.Routed(ctx, store.OutboxEntry(entry), stored(deliveries), at)
}

func (o outbox) ClaimDeliveries(ctx context.Context, channel string, now, until time.Time, targets, batch int) ([][]router.Delivery, error) {
	claimed, err := o.Store.ClaimDeliveries(ctx, channel, now, until, targets, batch)
	out := make([][]router.Delivery, len(claimed))
	for i, deliveries := range claimed {
		for _, d := range deliveries {
			out[i] = append(out[i], router.Delivery{
				ID: d.ID, Channel: d.Channel, Target: d.Target, Release: d.Release, Ask: d.Ask, Notice: d.Notice,
				Attempts: d.Attempts, Created: d.Created, First: d.First, Asked: d.Asked,
			})
		}
	}
	return out, err
}

func (o outbox) Delivered(ctx context.Context, sent []router.Delivery, receipt string, at time.Time) error {
	return o.Store.Delivered(ctx, stored(sent), receipt, at)
}

func (o outbox) NotDelivered(ctx context.Context, failed []router.Delivery, dead bool, due time.Time, reason string) error {
	return o.Store.NotDelivered(ctx, stored(failed), dead, due, reason)
}

func stored(deliveries []router.Delivery) []store.Delivery {
	out := make([]store.Delivery, len(deliveries))
	for i, d := range deliveries {
		out[i] = store.Delivery{ID: d.ID, Channel: d.Channel, Target: d.Target, Release: d.Release, Ask: d.Ask, Notice: d.Notice}
	}
	return out
}

// journal is the store, which tells the router when there is something to tell.
type journal struct {
	*store.Store

	kick func()
}

// SaveProgress stores where a release is, and what people may want to hear of it.
func (j journal) SaveProgress(ctx context.Context, summary release.Summary, entries []release.Entry) error {
	err := j.Store.SaveProgress(ctx, summary, entries)
	if err == nil {
		j.kick()
	}
	return err
}

// deliveries are what people were told, in the words of the API.
type deliveries struct {
	*store.Store

	kick func()
}

// Deliveries are the newest.
func (d deliveries) Deliveries(ctx context.Context, filter api.DeliveryFilter) ([]api.Delivery, string, error) {
	kept, next, err := d.Store.Deliveries(ctx, store.DeliveryFilter(filter))
	err = wrongCursor(err)
	if err != nil {
		return nil, "", err
	}
	out := make([]api.Delivery, len(kept))
	for i, one := range kept {
		var notice notify.Notice
		if err := json.Unmarshal(one.Notice, &notice); err != nil {
			return nil, "", fmt.Errorf("read delivery %s: %w", one.ID, err)
		}
		out[i] = api.Delivery{
			ID: one.ID, Target: one.Channel + ":" + one.Target, Release: one.Release, Title: notice.Title, State: string(one.State),
			Attempts: one.Attempts, Created: one.Created, Reason: one.Reason,
		}
		if one.State == store.DeliveryWaiting {
			out[i].Due = &kept[i].Due
		}
	}
	return out, next, nil
}

// RetryDelivery lets one that was given up be sent again, at once.
func (d deliveries) RetryDelivery(ctx context.Context, id string, tenants []string, at time.Time) error {
	err := d.Store.RetryDelivery(ctx, id, tenants, at)
	if err == nil {
		d.kick()
	}
	return err
}
