package slack

import (
	"sync"
	"time"
)

const (
	// memoryFor is longer than a signed request can be replayed, a response_url lives and a notice waits for its next try.
	memoryFor = 2 * time.Hour
	// mostRemembered bounds what a flood can make us hold, at some hundred bytes each.
	mostRemembered = 10_000
)

// memory knows what was seen lately, so that what comes twice counts once. Other replicas have their own: what must
// count once is held together by the word's ID, and this only spares people a second answer.
type memory struct {
	now func() time.Time

	mu    sync.Mutex
	at    map[string]time.Time
	order []entry // the oldest first; what was forgotten stands there until its time
}

type entry struct {
	id string
	at time.Time
}

func newMemory(now func() time.Time) *memory {
	return &memory{now: now, at: map[string]time.Time{}}
}

// first says whether it is new, and remembers it.
func (m *memory) first(id string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	for len(m.order) > 0 && (len(m.order) >= mostRemembered || now.Sub(m.order[0].at) > memoryFor) {
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

// since is when it was first seen.
func (m *memory) since(id string) (time.Time, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	at, known := m.at[id]
	return at, known
}

func (m *memory) forget(id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.at, id)
}
