package policy

import (
	"context"
	"crypto/sha256"
	"sync"
	"time"
)

// State is which rules are in force, and what keeps others out.
type State struct {
	// From is the folder or the server, without secrets; empty when the rules came with the program.
	From string
	// Bundle is the revision of rules and data, as in decisions. Since is when the rules came into force here.
	// Revision is what the bundle of rules calls itself; empty is nothing.
	Bundle   string
	Revision string
	Since    time.Time
	// Broken says why the data denies everything; empty when it does not.
	Broken string
	// Refused is what the origin has instead of what is in force; nil when that is the same.
	Refused *Refused
	// Unreached says why the last look saw nothing, and UnreachedSince the first such look in a row; empty after a look that did.
	Unreached      string
	UnreachedSince time.Time
}

// Refused is rules that are not taken.
type Refused struct {
	// Tag is the server's ETag, and Revision what the bundle calls itself, if any.
	Tag      string
	Revision string
	Why      string
	Since    time.Time
}

// State tells operators which rules are in force.
func (e *Engine) State(ctx context.Context) State {
	state := e.notes.read()
	now := e.view(ctx)
	state.Bundle, state.Broken = now.revision, now.broken
	if e.origin != nil {
		state.From = e.origin.String()
	}
	return state
}

// candidate is rules that may come into force.
type candidate struct {
	sum      [sha256.Size]byte
	tag      string
	revision string
	// rules is nil when they are wrong by themselves.
	rules *rules
}

// notes remember what looks at the origin gave.
type notes struct {
	mu    sync.Mutex
	state State
	// force is what is in force, refused what is not.
	force   [sha256.Size]byte
	refused candidate
}

// sight is what a finding is by the notes.
type sight int

const (
	sightNew sight = iota
	sightSame
	sightRefused
)

// reached notes a look that saw something; nil is what the look before saw.
func (n *notes) reached(found *finding) sight {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.state.Unreached, n.state.UnreachedSince = "", time.Time{}
	if found != nil && found.sum == n.force {
		// What was refused is taken back.
		n.state.Refused, n.refused = nil, candidate{}
	}
	switch {
	case found == nil && n.state.Refused == nil, found != nil && found.sum == n.force:
		return sightSame
	case found == nil || n.state.Refused != nil && found.sum == n.refused.sum:
		return sightRefused
	default:
		return sightNew
	}
}

// unreached notes a look that saw nothing.
func (n *notes) unreached(err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.state.UnreachedSince.IsZero() {
		n.state.UnreachedSince = time.Now()
	}
	n.state.Unreached = err.Error()
}

func (n *notes) refuse(next candidate, why error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.refused = next
	n.state.Refused = &Refused{Tag: next.tag, Revision: next.revision, Why: why.Error(), Since: time.Now()}
}

// waiting are the rules that were refused, when nothing is wrong with them by themselves.
func (n *notes) waiting() (candidate, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.refused, n.refused.rules != nil
}

func (n *notes) take(next candidate) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.force, n.refused = next.sum, candidate{}
	n.state.Refused, n.state.Revision, n.state.Since = nil, next.revision, time.Now()
}

func (n *notes) read() State {
	n.mu.Lock()
	defer n.mu.Unlock()
	out := n.state
	if out.Refused != nil {
		refused := *out.Refused
		out.Refused = &refused
	}
	return out
}
