package gateway

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/skyisland/skyisland/internal/canary"
	"github.com/skyisland/skyisland/internal/release"
)

const (
	// flushEvery is the longest a verdict waits for company before it is sent, and heartbeatEvery the
	// longest silence while somebody listens.
	flushEvery     = 100 * time.Millisecond
	heartbeatEvery = time.Second

	// keepUnread bounds the batches kept for a reader who has not come, keepRead those kept for one
	// who restarts from an older note than the last he sent. keepSessions bounds the session hashes in
	// all of them.
	keepUnread   = 10_000
	keepRead     = 1_000
	keepSessions = 1 << 20

	// maxReply bounds the batches of one route in one reply.
	maxReply = 1_000
)

// ledger is the evidence of one release on one route. Verdicts gather in a tally per weight version, without a lock,
// and a reader's visit seals what has come into batches: so nothing is lost while nobody reads, and a slow reader finds
// few big batches instead of many small ones.
type ledger struct {
	release  string
	gateway  string // the sender's name in batches
	run      uint64
	bell     *bell
	errorAge time.Duration
	warmUp   time.Duration
	latency  canary.LatencyConfig
	// guard judges here what the control plane judges of all gateways; nil leaves it to the control plane.
	guard *guard

	limits atomic.Pointer[thresholds]
	// began is when the canary first got drawn traffic, as uptime; 0 when it has not.
	began atomic.Int64
	// urgent says that somebody should hear of it at once.
	urgent atomic.Bool
	// tallies are by weight version, rising; the slice is replaced, never changed.
	tallies atomic.Pointer[[]*tally]

	mu       sync.Mutex
	sealed   time.Time // when the last batch was sealed
	seq      uint64
	acked    uint64
	kept     []canary.Batch // sealed, in the order of Seq, without gaps
	sessions int            // in kept
}

// weigh begins a weight version, and returns what counts under it. Versions rise, but for a repetition of the last.
func (l *ledger) weigh(version int, w release.Weight, now time.Time) *tally {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []*tally
	if before := l.tallies.Load(); before != nil {
		all = slices.Clone(*before)
	}
	if n := len(all); n > 0 && all[n-1].version == version {
		return all[n-1]
	}
	t := newTally(version, w.Fraction())
	if l.guard != nil {
		l.guard.weigh(t, now)
	}
	all = append(all, t)
	if len(all) > mostTallies {
		all = all[len(all)-mostTallies:]
	}
	l.tallies.Store(&all)
	return t
}

// SenderName is a gateway's name in the batches of one route. Batches are counted per route, so two
// routes of a release look like two senders; the key itself may be too long for a name.
func SenderName(gateway, key string) string {
	sum := sha256.Sum256([]byte(key))
	return gateway + "/" + hex.EncodeToString(sum[:6])
}

// nudge lets the next reader, or the one who waits, have an answer at once.
func (l *ledger) nudge() {
	l.urgent.Store(true)
	l.bell.ring()
}

// Cursor is how far a reader has come in one route's evidence. The zero value is the beginning.
type Cursor struct {
	// Run is the life of the ledger the sequence number belongs to; under another one reading starts
	// from the beginning of the present one.
	Run uint64 `json:"run"`
	// Seq is the last batch that was taken in.
	Seq uint64 `json:"seq"`
}

// Lost is a range of batches, ends included, that a reader asked for and that are no longer kept.
type Lost struct {
	From uint64 `json:"from"`
	To   uint64 `json:"to"`
}

// read seals what is due and returns what comes after the cursor. What the cursor has passed counts
// as acknowledged.
func (l *ledger) read(after Cursor, now time.Time) ([]canary.Batch, Cursor, *Lost) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seal(now)
	if after.Run != l.run {
		after = Cursor{Run: l.run}
	}
	after.Seq = min(after.Seq, l.seq)
	l.acked = max(l.acked, after.Seq)
	l.trim()
	first := l.seq - uint64(len(l.kept)) + 1
	var lost *Lost
	if after.Seq+1 < first {
		lost = &Lost{From: after.Seq + 1, To: first - 1}
		after.Seq = first - 1
	}
	batches := l.kept[after.Seq+1-first:]
	batches = slices.Clone(batches[:min(len(batches), maxReply)])
	after.Seq += uint64(len(batches))
	return batches, after, lost
}

// seal numbers what has come since the last time, a batch for each weight version, and keeps it; in an urgent case at
// once, else within [flushEvery]. Where nothing has come an empty batch is a sign of life, at [heartbeatEvery] and for
// whoever was nudged. The caller holds mu.
func (l *ledger) seal(now time.Time) {
	urgent, silent := l.urgent.Swap(false), now.Sub(l.sealed)
	if !urgent && silent < flushEvery {
		return
	}
	if l.guard != nil {
		// What leaves the tallies has been judged, so that nobody keeps more than a batch of sessions.
		l.guard.judge(now)
	}
	tallies := *l.tallies.Load()
	empty := true
	for i, t := range tallies {
		b := t.take(&t.sent)
		t.forget(l.guard != nil)
		last := i == len(tallies)-1
		if b.Empty() && (!last || !empty || !urgent && silent < heartbeatEvery) {
			continue
		}
		empty = false
		l.seq++
		b.Gateway, b.Run, b.Seq = l.gateway, l.run, l.seq
		l.kept = append(l.kept, b)
		l.sessions += sessionsIn(&b)
	}
	if !empty {
		l.sealed = now
	}
}

// trim forgets what is past its bounds. The caller holds mu.
func (l *ledger) trim() {
	drop := 0
	// How many of the kept are acknowledged; below 0 when some unread are gone.
	read := len(l.kept) - int(l.seq-l.acked) //nolint:gosec // acked is at most seq, which counts from 1
	for len(l.kept)-drop > 0 && (read-drop > keepRead || len(l.kept)-drop > keepUnread || l.sessions > keepSessions) {
		l.sessions -= sessionsIn(&l.kept[drop])
		drop++
	}
	if drop > 0 {
		l.kept = slices.Delete(l.kept, 0, drop)
	}
}

func sessionsIn(b *canary.Batch) int {
	n := 0
	for i := range b.Streams {
		n += len(b.Streams[i].CanarySessions) + len(b.Streams[i].StableSessions)
	}
	return n
}
