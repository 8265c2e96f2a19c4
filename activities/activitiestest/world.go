package activitiestest

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/skyisland/skyisland/activities"
	"github.com/skyisland/skyisland/internal/release"
)

// World is everything outside of the process. Its parts are safe for concurrent use.
type World struct {
	Source   *Source
	Commands *Commands
	Attester *Attester
	// Elsewhere builds what is not built here.
	Elsewhere *Elsewhere
	Runtime   *Runtime
	Prover    *Prover
	Gateways  *Gateways
	Rules     *Rules
	Ledger    *Ledger
	Registry  *Registry
	Journal   *Journal

	mu         sync.Mutex
	events     []Event
	violations []string
	listeners  []*listener
}

// Event is one thing that happened, as a line such as "weight web in a: 5%".
type Event struct {
	At   time.Time
	Line string
}

type listener struct {
	prefix string
	call   func()
}

// New is a world with these units, each with so many gateways.
func New(gateways int, units ...string) *World {
	w := &World{}
	w.Source = &Source{world: w, commits: map[string]Commit{}, Units: units}
	w.Commands = &Commands{world: w}
	w.Attester = &Attester{}
	w.Elsewhere = &Elsewhere{
		world: w, runs: map[string]activities.WorkflowRun{}, tags: map[string]string{}, images: map[string]string{}, uploaded: map[string]string{},
	}
	w.Runtime = &Runtime{world: w, running: map[string]bool{}}
	w.Prover = &Prover{world: w}
	w.Gateways = newGateways(w, gateways, units)
	w.Rules = &Rules{}
	w.Ledger = &Ledger{world: w}
	w.Registry = &Registry{turn: make(chan struct{}, 1)}
	w.Journal = &Journal{world: w, routes: map[string][]release.Route{}, stable: map[release.Lane]map[string]release.Revision{}}
	return w
}

// happened writes an event down and calls those who wait for it.
func (w *World) happened(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	w.mu.Lock()
	w.events = append(w.events, Event{time.Now(), line})
	var call []func()
	w.listeners = slices.DeleteFunc(w.listeners, func(l *listener) bool {
		if !strings.HasPrefix(line, l.prefix) {
			return false
		}
		call = append(call, l.call)
		return true
	})
	w.mu.Unlock()
	for _, f := range call {
		f()
	}
}

// Once calls f at the next event that begins with the prefix, on the goroutine it happens on.
func (w *World) Once(prefix string, f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.listeners = append(w.listeners, &listener{prefix, f})
}

// Waiting lists the prefixes of events that did not come.
func (w *World) Waiting() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []string
	for _, l := range w.listeners {
		out = append(out, l.prefix)
	}
	return out
}

// violate notes what must never happen.
func (w *World) violate(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.violations = append(w.violations, fmt.Sprintf(format, args...))
}

// Violations are the broken promises so far.
func (w *World) Violations() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.violations)
}

// Events are the events so far that begin with one of the prefixes; all without one.
func (w *World) Events(prefixes ...string) []Event {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []Event
	for _, e := range w.events {
		if len(prefixes) == 0 || slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(e.Line, p) }) {
			out = append(out, e)
		}
	}
	return out
}

// Lines are the lines of [World.Events].
func (w *World) Lines(prefixes ...string) []string {
	var out []string
	for _, e := range w.Events(prefixes...) {
		out = append(out, e.Line)
	}
	return out
}
