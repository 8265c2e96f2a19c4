package app

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/skyisland/skyisland/internal/alarm"
	"github.com/skyisland/skyisland/internal/config"
	"github.com/skyisland/skyisland/internal/gateway"
	"github.com/skyisland/skyisland/internal/gateway/admin"
	"github.com/skyisland/skyisland/internal/release"
)

// alarmEach is how often the gateways are read for the alarms.
const alarmEach = 5 * time.Second

// alarmRules are the configured alarms; the error names all that cannot be followed.
func alarmRules(c config.Config) ([]alarm.Rule, error) {
	var out []alarm.Rule
	var faults []error
	for i, one := range c.Alarms {
		rule, err := alarmRule(one)
		if err != nil {
			faults = append(faults, fmt.Errorf("alarms[%d]: %w", i, err))
		}
		out = append(out, rule)
	}
	return out, errors.Join(faults...)
}

func alarmRule(a config.Alarm) (alarm.Rule, error) {
	rule := alarm.Rule{
		Name: a.Name, Metric: alarm.Metric(a.Metric), Of: alarm.Of(a.Of), Requests: a.Requests, Tenants: a.Tenants,
		Applications: a.Applications, Environments: a.Environments, Components: a.Components, Stop: a.Stop, Template: a.Template,
	}
	var err error
	if rule.For, err = time.ParseDuration(a.For); err != nil {
		return rule, fmt.Errorf("for: %q is not a length of time: write 30s or 5m", a.For)
	}
	for _, side := range []struct {
		name, text string
		to         **float64
	}{{"above", a.Above, &rule.Above}, {"below", a.Below, &rule.Below}} {
		if side.text == "" {
			continue
		}
		value, err := alarm.ParseBound(rule.Metric, side.text)
		if err != nil {
			return rule, fmt.Errorf("%s: %w", side.name, err)
		}
		*side.to = &value
	}
	return rule, rule.Check()
}

// alarms look at what the gateways count, and say and do what the rules say.
type alarms struct {
	watcher *alarm.Watcher
	fleet   *admin.Fleet
	keep    func(ctx context.Context, id string, of release.ID, entry release.Entry) error
	stop    func(ctx context.Context, id release.ID, alarm release.Alarm) error
	warn    func(message string, args ...any)
	// due are the releases that are to be stopped and have not heard of it yet.
	due map[release.ID]release.Alarm
	// partly says that a gateway did not answer the last time.
	partly bool
}

// newAlarms is nil without alarms: then nobody has to be asked all the time.
func (a *App) newAlarms(c config.Config) (*alarms, error) {
	rules, err := alarmRules(c)
	if err != nil || len(rules) == 0 {
		return nil, err
	}
	watcher, err := alarm.New(rules)
	if err != nil {
		return nil, err
	}
	keep := func(ctx context.Context, id string, of release.ID, entry release.Entry) error {
		defer a.kickAll()
		return a.store.AddOutbox(ctx, id, of, entry)
	}
	return &alarms{watcher: watcher, fleet: a.fleet, keep: keep, stop: a.dispatch.Alarm, warn: a.log.Warn, due: map[release.ID]release.Alarm{}}, nil
}

// run looks until ctx ends.
func (a *alarms) run(ctx context.Context) error {
	tick := time.NewTicker(alarmEach)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-tick.C:
			routes, whole := readRoutes(ctx, a.fleet)
			if whole == a.partly {
				a.partly = !whole
				if a.partly {
					a.warn("a gateway does not answer: no alarm is judged until it does")
				}
			}
			// Without one of the gateways its requests would look as if they had stopped.
			if whole {
				for _, event := range a.watcher.Observe(now.UTC(), routes) {
					a.follow(ctx, event)
				}
			}
			a.stopDue(ctx)
		}
	}
}

// follow tells people of an alarm, and stops the release where the rule says so. The release comes first.
func (a *alarms) follow(ctx context.Context, event alarm.Event) {
	id, err := release.ParseID(event.Release)
	if err == nil && event.Firing && event.Rule.Stop {
		a.due[id] = release.Alarm{Name: event.Rule.Name, Source: "alarm", Summary: event.Sentence, At: event.At}
		a.stopDue(ctx)
	}
	name := event.ID()
	if !event.Firing {
		name += "/over"
	}
	if cut := strings.LastIndex(event.Route, "/"); err != nil && cut > 0 {
		// Without a release it is told to whoever hears of the lane, and to nobody else.
		if lane, err := release.ParseLane(event.Route[:cut]); err == nil {
			id = release.ID{Lane: lane}
		}
	}
	entry := release.Entry{At: event.At, Kind: release.EntryAlarm, Message: event.Sentence}
	if err := a.keep(ctx, name, id, entry); err != nil {
		a.warn("alarm not told", "alarm", event.Rule.Name, "error", err)
	}
}

// stopDue tells releases to stop, again and again until they have heard it or have ended. A release that comes later under
// an alarm that goes on is not stopped: it may be the remedy.
func (a *alarms) stopDue(ctx context.Context) {
	for id, alarm := range a.due {
		err := a.stop(ctx, id, alarm)
		if err == nil || errors.Is(err, release.ErrFinished) || errors.Is(err, release.ErrNotFound) {
			delete(a.due, id)
			continue
		}
		a.warn("alarm did not reach the release yet", "alarm", alarm.Name, "release", id.String(), "error", err)
	}
}

// readRoutes adds up what all gateways count. It is not whole when one of them does not answer.
func readRoutes(ctx context.Context, fleet *admin.Fleet) (routes []alarm.Route, whole bool) {
	byKey := map[string]*alarm.Route{}
	for _, unit := range fleet.Units() {
		gateways, err := fleet.Gateways(unit)
		if err != nil {
			return nil, false
		}
		for _, client := range gateways {
			asking, cancel := context.WithTimeout(ctx, alarmEach/2)
			state, stateErr := client.State(asking)
			stats, statsErr := client.Stats(asking)
			cancel()
			if stateErr != nil || statsErr != nil {
				return nil, false
			}
			for _, one := range state.Routes {
				addRoute(byKey, one.Route, one.Weight)
			}
			for _, s := range stats.Revisions {
				addCounts(byKey, s)
			}
		}
	}
	for _, route := range byKey {
		routes = append(routes, *route)
	}
	return routes, true
}

func addRoute(byKey map[string]*alarm.Route, route release.Route, inForce release.Weight) {
	known := byKey[route.Key]
	if known == nil {
		known = &alarm.Route{Key: route.Key, Revisions: map[string]alarm.Count{}}
		byKey[route.Key] = known
	}
	// Units move one after the other: what is at work is the release that splits traffic, or else the newest.
	splits := route.Canary != nil && inForce > release.NoWeight && inForce < release.FullWeight
	if splits || !known.Splits && newer(route.Release, known.Release) {
		known.Release = route.Release
	}
	if route.Stable != nil {
		known.Stable = route.Stable.Revision
	}
	if route.Canary != nil {
		known.Canary = route.Canary.Revision
		known.Splits = known.Splits || splits
	}
}

func newer(one, other string) bool {
	a, errA := release.ParseID(one)
	b, errB := release.ParseID(other)
	return errA == nil && (errB != nil || a.Number > b.Number)
}

func addCounts(byKey map[string]*alarm.Route, s gateway.RevisionStats) {
	route := byKey[s.Route]
	if route == nil {
		return
	}
	count := route.Revisions[s.Revision]
	if count.Latency == nil {
		count.Latency = map[int]uint64{}
	}
	count.Requests += s.Requests
	count.Failed += failures(s.Classes)
	count.InFlight += s.InFlight
	for bucket, n := range s.Latency {
		count.Latency[bucket] += n
	}
	route.Revisions[s.Revision] = count
}
