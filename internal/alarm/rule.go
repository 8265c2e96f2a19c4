// Package alarm says when what the gateways count is beyond a bound that a user has set, for as long as they have said.
// It decides only, from samples that it is given: what follows is its caller's.
package alarm

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/template"
	"time"
)

// Metric is what a rule looks at, over the rule's window.
type Metric string

// The metrics.
const (
	// ErrorShare is the part of the requests that failed, 0 to 1; ErrorRate is how many do in a second.
	ErrorShare Metric = "error-share"
	ErrorRate  Metric = "error-rate"
	// RequestRate is how many requests ended in a second.
	RequestRate Metric = "request-rate"
	// P50, P90 and P99 are latencies in seconds.
	P50 Metric = "latency-p50"
	P90 Metric = "latency-p90"
	P99 Metric = "latency-p99"
	// InFlight is how many requests are under way, at the last sample.
	InFlight Metric = "in-flight"
)

// Metrics are all of them.
func Metrics() []Metric {
	return []Metric{ErrorShare, ErrorRate, RequestRate, P50, P90, P99, InFlight}
}

// Of is which requests of a route a rule looks at.
type Of string

// The parts of a route. Canary is the candidate while it has less than all the traffic, stable what it is compared with.
const (
	OfAll    Of = "all"
	OfCanary Of = "canary"
	OfStable Of = "stable"
)

// The bounds of a rule's window, and the requests that a share or a quantile needs unless the rule says otherwise.
const (
	leastFor      = 10 * time.Second
	mostFor       = time.Hour
	usualRequests = 20
)

// Rule is an alarm that somebody wants.
type Rule struct {
	// Name is the alarm's, and part of its identity.
	Name   string
	Metric Metric
	// Of is [OfAll] when it is empty.
	Of Of
	// Above and Below are the bounds; one of them is set.
	Above, Below *float64
	// For is the window: the metric is taken over it, and has to be known for all of it. 10 s to 1 h.
	For time.Duration
	// Requests is the least number of requests in the window that tells anything; 0 is 20.
	Requests int
	// Tenants, Applications, Environments and Components choose routes; empty is all.
	Tenants, Applications, Environments, Components []string
	// Stop stops the release under way at the route.
	Stop bool
	// Template makes the sentence from a [Firing]; empty is the usual one.
	Template string
}

const usualSentence = `{{.Rule}}: {{.Metric}} of {{.Of}} at {{.Route}} is {{.Value}}, {{.Bound}} over {{.For}}`

// Firing is what a template sees.
type Firing struct {
	Rule, Metric, Of, Route, Tenant, Application, Environment, Component, Value, Bound, For, Release string
}

// Check names everything that is wrong with a rule.
func (r Rule) Check() error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if strings.TrimSpace(r.Name) == "" {
		fault("name is missing: it says which alarm it is")
	}
	if !slices.Contains(Metrics(), r.Metric) {
		fault("metric %q is none: there are %v", r.Metric, Metrics())
	}
	if !slices.Contains([]Of{OfAll, OfCanary, OfStable}, cmp.Or(r.Of, OfAll)) {
		fault("of %q is none: write all, canary or stable", r.Of)
	}
	if (r.Above == nil) == (r.Below == nil) {
		fault("write either above or below")
	}
	if r.For < leastFor || r.For > mostFor {
		fault("for %s: want %s to %s", r.For, leastFor, mostFor)
	}
	if r.Requests < 0 {
		fault("requests %d: want 0 or more", r.Requests)
	}
	if _, err := r.sentence(Firing{}); err != nil {
		fault("template: %w", err)
	}
	return errors.Join(faults...)
}

func (r Rule) sentence(f Firing) (string, error) {
	t, err := template.New("alarm").Parse(cmp.Or(r.Template, usualSentence))
	if err != nil {
		return "", err
	}
	var b strings.Builder
	if err := t.Execute(&b, f); err != nil {
		return "", err
	}
	return b.String(), nil
}

// beyond says whether a value is beyond the rule's bound, and bound says it.
func (r Rule) beyond(value float64) bool {
	if r.Above != nil {
		return value > *r.Above
	}
	return value < *r.Below
}

func (r Rule) bound() string {
	if r.Above != nil {
		return "above " + r.show(*r.Above)
	}
	return "below " + r.show(*r.Below)
}

// show writes a value with its unit.
func (r Rule) show(value float64) string {
	switch r.Metric {
	case ErrorShare:
		return fmt.Sprintf("%.3g%%", value*100)
	case ErrorRate, RequestRate:
		return fmt.Sprintf("%.3g/s", value)
	case P50, P90, P99:
		return time.Duration(value * float64(time.Second)).Round(time.Microsecond * 100).String()
	default:
		return fmt.Sprintf("%g", value)
	}
}

// about says whether a rule is for a route, whose key is tenant/application/environment/component.
func (r Rule) about(key string) bool {
	parts := strings.SplitN(key, "/", 4)
	if len(parts) < 4 {
		return false
	}
	for i, wanted := range [][]string{r.Tenants, r.Applications, r.Environments, r.Components} {
		if len(wanted) > 0 && !slices.Contains(wanted, parts[i]) {
			return false
		}
	}
	return true
}
