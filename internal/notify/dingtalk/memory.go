package dingtalk

import (
	"sync"
	"time"
)

const (
	// memoryFor covers both ends of the hour by which a callback's time may be off.
	memoryFor = 2 * time.Hour
	// mostRemembered bounds what a flood can make us hold, at some hundred bytes each.
	mostRemembered = 10_000
)

// memory knows what was seen lately, so that what comes twice is answered once. Other replicas have their own: what
// must count once is held together by the word's ID, and this only spares people a second answer.
type memory struct {
	now func() time.Time

	mu    sync.Mutex
	at    map[string]time.Time
	order []string // the oldest first
}

func newMemory(now func() time.Time) *memory {
	return &memory{now: now, at: map[string]time.Time{}}
}

// first says whether it is new, and remembers it.
func (m *memory) first(id string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	for len(m.order) > 0 && (len(m.order) >= mostRemembered || now.Sub(m.at[m.order[0]]) > memoryFor) {
		delete(m.at, m.order[0])
		m.order = m.order[1:]
	}
	if _, known := m.at[id]; known {
		return false
	}
	m.at[id] = now
	m.order = append(m.order, id)
	return true
}
