package authn

import (
	"crypto/rand"
	"crypto/sha256"
	"sync"
	"sync/atomic"
	"time"
)

// defaultNonces is enough for 3,300 signed requests per second with the window of 5 minutes that is the default.
const defaultNonces = 1_000_000

const (
	shards = 64
	// fullSweep is how long a full shard refuses before it looks again whether something has expired.
	fullSweep = 1 // s
)

// memory knows the signed requests of one credential for as long as they would be taken. It never forgets one that would:
// when it is full, it takes no more.
//
// It keeps when a request was signed, not when it may be forgotten. What it has forgotten is all older than its floor, and
// what is older than the floor is refused; so neither a restart nor a window that was made longer lets anything in twice.
type memory struct {
	// salt keeps callers from choosing where their requests fall.
	salt [16]byte
	// span is the longest window of the routes, in seconds.
	span   atomic.Int64
	shards [shards]shard
}

type shard struct {
	mu    sync.Mutex
	room  int
	seen  map[[16]byte]int64 // the second it was signed
	floor int64
	swept int64
}

// newMemory remembers up to room requests, and refuses those signed before it began.
func newMemory(room int, began time.Time) *memory {
	m := &memory{}
	_, _ = rand.Read(m.salt[:]) // never fails, see crypto/rand
	for i := range m.shards {
		s := &m.shards[i]
		s.room = max(1, room/shards)
		s.floor, s.swept = began.Unix(), began.Unix()
	}
	return m
}

// record notes a request, once. It returns [accepted], or [HMACReplay] when it was there before, [HMACWindow] when the
// memory does not reach back so far, and [HMACFull] when there is no room.
func (m *memory) record(keyID, nonce string, signed int64, span time.Duration, now time.Time) Reason {
	seconds := int64((span + time.Second - 1) / time.Second)
	for old := m.span.Load(); old < seconds && !m.span.CompareAndSwap(old, seconds); old = m.span.Load() {
	}
	key, at := m.place(keyID, nonce)
	s := &m.shards[at]
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, there := s.seen[key]; there {
		return HMACReplay
	}
	s.sweep(now.Unix(), m.span.Load())
	switch {
	case signed < s.floor:
		return HMACWindow
	case len(s.seen) >= s.room:
		return HMACFull
	}
	if s.seen == nil {
		s.seen = map[[16]byte]int64{}
	}
	s.seen[key] = signed
	return accepted
}

// place hashes a request. A nonce has no byte 0.
func (m *memory) place(keyID, nonce string) (key [16]byte, at int) {
	var buffer [16 + 64 + 1 + 64]byte
	text := append(buffer[:0], m.salt[:]...)
	text = append(text, keyID...)
	text = append(text, 0)
	text = append(text, nonce...)
	sum := sha256.Sum256(text)
	return [16]byte(sum[:16]), int(sum[16] % shards)
}

// sweep forgets what nobody would take any more: now and then, and when there is no room. The caller holds mu.
func (s *shard) sweep(now, span int64) {
	every := max(span/4, fullSweep)
	if len(s.seen) >= s.room {
		every = fullSweep
	}
	if now-s.swept < every {
		return
	}
	s.swept = now
	// Whole seconds: what was signed in this one may have been signed at its end.
	oldest := now - span - 1
	for key, signed := range s.seen {
		if signed < oldest {
			delete(s.seen, key)
		}
	}
	s.floor = max(s.floor, oldest)
	if len(s.seen) == 0 {
		s.seen = nil // a map keeps its memory
	}
}
