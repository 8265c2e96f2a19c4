package router

import (
	"fmt"
	"slices"
	"strings"

	"github.com/skyisland/skyisland/internal/notify"
	"github.com/skyisland/skyisland/internal/release"
)

// Rule says who hears of what. What it leaves out it does not limit.
type Rule struct {
	// To are targets as channel:target, such as slack:C0123 or dingtalk:robot:ops.
	To           []string
	Tenants      []string
	Applications []string
	Environments []string
	Events       []release.EntryKind
	// Severity is the least that is told; empty is all.
	Severity notify.Severity
}

// Target is one place in one channel.
type Target struct{ Channel, Name string }

// ParseTarget reads channel:target.
func ParseTarget(text string) (Target, error) {
	channel, name, found := strings.Cut(text, ":")
	if !found || channel == "" || name == "" {
		return Target{}, fmt.Errorf("%q is no target: write channel:target, such as slack:C0123456789 or dingtalk:robot:ops", text)
	}
	return Target{channel, name}, nil
}

// Check says what is wrong with a rule, given the channels there are.
func (r Rule) Check(channels []string) error {
	if len(r.To) == 0 {
		return fmt.Errorf("to is empty: name at least one target, such as slack:C0123456789")
	}
	for _, text := range r.To {
		target, err := ParseTarget(text)
		if err != nil {
			return err
		}
		if !slices.Contains(channels, target.Channel) {
			return fmt.Errorf("%q is of the channel %s, which is not configured; there are %s", text, target.Channel, strings.Join(channels, ", "))
		}
	}
	for _, event := range r.Events {
		if !slices.Contains(Events(), event) {
			return fmt.Errorf("there is no event %q; there are %s", event, list(Events()))
		}
	}
	if r.Severity != "" && rank(r.Severity) < 0 {
		return fmt.Errorf("severity %q is none: write info, warning or critical", r.Severity)
	}
	return nil
}

// Events are all that rules can name.
func Events() []release.EntryKind {
	return append(release.EntryKinds(), release.EntryAlarm, release.EntryFreeze)
}

func list(events []release.EntryKind) string {
	out := make([]string, len(events))
	for i, event := range events {
		out[i] = string(event)
	}
	return strings.Join(out, ", ")
}

// SeverityOf is how much an event matters: what needs a person soon is a warning, what took traffic back or went around
// the rules is critical.
func SeverityOf(kind release.EntryKind) notify.Severity {
	switch kind {
	case release.EntryStopped, release.EntryEscalated, release.EntryLapsed, release.EntryGlass, release.EntryAlarm:
		return notify.Critical
	case release.EntryAsked, release.EntryReminded, release.EntryHeld, release.EntryBlind, release.EntryPaused, release.EntryFreeze:
		return notify.Warning
	default:
		return notify.Info
	}
}

func rank(s notify.Severity) int {
	return slices.Index([]notify.Severity{notify.Info, notify.Warning, notify.Critical}, s)
}

// matches says whether a rule is about an event. What an event leaves open is about all: a freeze of a tenant is told to
// whoever hears of one of its applications, and one of everything to everybody.
func (r Rule) matches(lane release.Lane, kind release.EntryKind) bool {
	within := func(all []string, one string) bool { return len(all) == 0 || one == "" || slices.Contains(all, one) }
	return within(r.Tenants, lane.Tenant) && within(r.Applications, lane.Application) && within(r.Environments, lane.Environment) &&
		(len(r.Events) == 0 || slices.Contains(r.Events, kind)) && (r.Severity == "" || rank(SeverityOf(kind)) >= rank(r.Severity))
}

// targets are the places that hear of an event, each once, in the order of the rules.
func targets(rules []Rule, lane release.Lane, kind release.EntryKind) []Target {
	var out []Target
	for _, rule := range rules {
		if !rule.matches(lane, kind) {
			continue
		}
		for _, text := range rule.To {
			target, err := ParseTarget(text)
			if err == nil && !slices.Contains(out, target) {
				out = append(out, target)
			}
		}
	}
	return out
}
