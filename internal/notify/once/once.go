// Package once notices what comes twice, as chats deliver what they are not sure of.
package once

import (
	"sync"
	"time"
)

const (
	// kept is longer than a signed request can be replayed, a response_url lives and a notice waits for its next try, and
	// covers both ends of the hour by which a callback's time may be off.
	kept = 2 * time.Hour
	// mostRemembered bounds what a flood can make us hold, at some hundred bytes each.
	mostRemembered = 10_000
)

// Memory knows what was seen lately, so that what comes twice counts once. Other replicas have their own: what must
// count once is held together by the word's ID, and this only spares people a second answer.
type Memory struct {
	now func() time.Time

	mu    sync.Mutex
	at    map[string]time.Time
	order []entry // the oldest first; what was forgotten stands there until its time
}

type entry struct {
	id string
	at time.Time
}

// New is an empty memory with this clock.
func New(now func() time.Time) *Memory {
	return &Memory{now: now, at: map[string]time.Time{}}
}

// First says whether it is new, and remembers it.
func (m *Memory) First(id string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	for len(m.order) > 0 && (len(m.order) >= mostRemembered || now.Sub(m.order[0].at) > kept) {
		if oldest := m.order[0]; m.at[oldest.id].Equal(oldest.at) {
			delete(m.at, oldest.id)
		}
		m.order = m.order[1:]
	}
	if _, known := m.at[id]; known {
		return false
	}
	m.at[id] = now
	m.order = append(m.order, entry{id, now})
	return true
}

// Since is when it was first seen, and false when it is not known.
func (m *Memory) Since(id string) (time.Time, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	at, known := m.at[id]
	return at, known
}

// Forget lets it be new again.
func (m *Memory) Forget(id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.at, id)
}
