package alarm

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/skyisland/skyisland/internal/canary"
)

// Count is what one revision of a route has done since the start of its gateways, over all of them. Numbers only rise;
// where one falls, a gateway was started again, and the window begins anew.
type Count struct {
	Requests, Failed uint64
	InFlight         int64
	// Latency counts requests by bucket, see [canary.BucketOf].
	Latency map[int]uint64
}

// Route is a route at one moment.
type Route struct {
	// Key is tenant/application/environment/component.
	Key string
	// Release is the one that set the route, Splits says that it gives a part of the traffic to its canary.
	Release string
	Splits  bool
	Stable  string
	Canary  string
	// Revisions are the counts by revision.
	Revisions map[string]Count
}

// Event is an alarm that begins or ends.
type Event struct {
	Rule    Rule
	Route   string
	Release string
	// Sentence says what is the case.
	Sentence string
	// Firing is false for the end of an alarm; Since is when it began.
	Firing bool
	Since  time.Time
	At     time.Time
}

// ID names the alarm for ever, from its beginning on.
func (e Event) ID() string {
	return fmt.Sprintf("alarm/%s/%s/%d", e.Rule.Name, e.Route, e.Since.UnixMilli())
}

// Watcher looks at samples with some rules. It is not safe for concurrent use.
type Watcher struct {
	rules   []Rule
	keep    time.Duration
	samples []sample
	firing  map[string]time.Time
}

type sample struct {
	at     time.Time
	routes map[string]Route
}

// New is a watcher; its error names every rule that cannot be followed.
func New(rules []Rule) (*Watcher, error) {
	w := &Watcher{rules: rules, firing: map[string]time.Time{}}
	names := map[string]bool{}
	for i, rule := range rules {
		if err := rule.Check(); err != nil {
			return nil, fmt.Errorf("alarms[%d]: %w", i, err)
		}
		if names[rule.Name] {
			return nil, fmt.Errorf("alarms[%d]: there is another alarm with the name %q", i, rule.Name)
		}
		names[rule.Name] = true
		w.keep = max(w.keep, rule.For)
	}
	return w, nil
}

// Observe takes a sample, and says which alarms begin and end with it. Samples come in order of time, some seconds apart.
// A route that is gone ends its alarms.
func (w *Watcher) Observe(at time.Time, routes []Route) []Event {
	now := sample{at: at, routes: map[string]Route{}}
	for _, route := range routes {
		now.routes[route.Key] = route
	}
	w.samples = append(w.samples, now)
	// One sample from before the longest window stays: the window is counted from it.
	for len(w.samples) > 2 && at.Sub(w.samples[1].at) >= w.keep {
		w.samples = w.samples[1:]
	}
	var events []Event
	for _, rule := range w.rules {
		for _, key := range slices.Sorted(maps.Keys(now.routes)) {
			if rule.about(key) {
				events = append(events, w.judge(rule, now, key)...)
			}
		}
		events = append(events, w.gone(rule, now)...)
	}
	return events
}

// judge compares one route with one rule.
func (w *Watcher) judge(rule Rule, now sample, key string) []Event {
	id := rule.Name + "\n" + key
	since, firing := w.firing[id]
	value, known := w.value(rule, now, key)
	beyond := known && rule.beyond(value)
	route := now.routes[key]
	// Not to know is no end; what is about a canary ends with it.
	over := firing && rule.Of == OfCanary && !route.Splits
	if beyond == firing || !known && !over {
		return nil
	}
	event := Event{Rule: rule, Route: key, Release: route.Release, Firing: beyond, Since: since, At: now.at}
	if !beyond {
		delete(w.firing, id)
		event.Sentence = fmt.Sprintf("%s is over at %s", rule.Name, key)
		return []Event{event}
	}
	event.Since = now.at
	w.firing[id] = now.at
	parts := strings.SplitN(key, "/", 4)
	sentence, err := rule.sentence(Firing{
		Rule: rule.Name, Metric: string(rule.Metric), Of: string(cmp.Or(rule.Of, OfAll)), Route: key, Tenant: parts[0], Application: parts[1],
		Environment: parts[2], Component: parts[3], Value: rule.show(value), Bound: rule.bound(), For: rule.For.String(), Release: route.Release,
	})
	if err != nil {
		sentence = rule.Name + " at " + key
	}
	event.Sentence = sentence
	return []Event{event}
}

// gone ends the alarms of routes that are not there any more.
func (w *Watcher) gone(rule Rule, now sample) (events []Event) {
	for _, id := range slices.Sorted(maps.Keys(w.firing)) {
		name, key, _ := strings.Cut(id, "\n")
		if _, there := now.routes[key]; there || name != rule.Name {
			continue
		}
		events = append(events, Event{Rule: rule, Route: key, Since: w.firing[id], At: now.at, Sentence: fmt.Sprintf("%s is over at %s: the route is gone", name, key)})
		delete(w.firing, id)
	}
	return events
}

// value is a rule's metric at a route over the window, when it is known: there is a sample from the window's beginning,
// its revisions are those of now, and there were enough requests.
func (w *Watcher) value(rule Rule, now sample, key string) (value float64, known bool) {
	var from *sample
	for i := range w.samples {
		if s := &w.samples[i]; now.at.Sub(s.at) >= rule.For {
			from = s
		}
	}
	if from == nil {
		return 0, false
	}
	route := now.routes[key]
	before, there := from.routes[key]
	if !there {
		return 0, false
	}
	sum, ok := difference(route, before, rule.Of)
	if !ok {
		return 0, false
	}
	seconds := now.at.Sub(from.at).Seconds()
	least := float64(cmp.Or(rule.Requests, usualRequests))
	enough := float64(sum.Requests) >= least
	switch rule.Metric {
	case ErrorShare:
		return float64(sum.Failed) / max(1, float64(sum.Requests)), enough
	case ErrorRate:
		return float64(sum.Failed) / seconds, true
	case RequestRate:
		return float64(sum.Requests) / seconds, true
	case InFlight:
		return float64(sum.InFlight), true
	default:
		var h canary.Histogram
		for bucket, n := range sum.Latency {
			h.Add(bucket, float64(n))
		}
		quantile := map[Metric]float64{P50: 0.5, P90: 0.9, P99: 0.99}[rule.Metric]
		return h.Quantile(quantile).Seconds(), enough
	}
}

// difference is what the chosen revisions of a route did between two samples. It is not known when a part is not there,
// such as a canary when nothing ramps, or when a count has fallen.
func difference(now, before Route, of Of) (Count, bool) {
	var revisions []string
	switch of {
	case OfCanary:
		if !now.Splits || now.Canary == "" {
			return Count{}, false
		}
		revisions = []string{now.Canary}
	case OfStable:
		if now.Stable == "" {
			return Count{}, false
		}
		revisions = []string{now.Stable}
	default:
		revisions = slices.Collect(maps.Keys(now.Revisions))
	}
	out := Count{Latency: map[int]uint64{}}
	for _, revision := range revisions {
		a, b := before.Revisions[revision], now.Revisions[revision]
		if b.Requests < a.Requests || b.Failed < a.Failed {
			return Count{}, false
		}
		out.Requests += b.Requests - a.Requests
		out.Failed += b.Failed - a.Failed
		out.InFlight += b.InFlight
		for bucket, n := range b.Latency {
			if n < a.Latency[bucket] {
				return Count{}, false
			}
			if n > a.Latency[bucket] {
				out.Latency[bucket] += n - a.Latency[bucket]
			}
		}
	}
	return out, true
}
