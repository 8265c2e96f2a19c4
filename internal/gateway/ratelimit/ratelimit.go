// Package ratelimit says which request comes too soon, for one bucket or for one a key, in bounded memory.
//
// Its one idea is the generic cell rate algorithm (ITU-T I.371, annex A): all there is to remember of a bucket is one
// moment, the theoretical arrival time, which every request that is let through moves on by the time between two. It is a
// leaky bucket without a timer, and one word to swap.
package ratelimit

import (
	"hash/maphash"
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// Limit is how many requests are let through.
type Limit struct {
	// Every is the time between two requests in the long run, above 0; Burst is how many may come at once, at least 1.
	Every time.Duration
	Burst int
}

// tolerance is how far ahead of now a bucket may be for a request to be let through.
func (l Limit) tolerance() time.Duration {
	if most := math.MaxInt64 / 4 / int64(l.Every); int64(l.Burst) > most {
		return math.MaxInt64 / 4
	}
	return time.Duration(l.Burst-1) * l.Every
}

// next is what becomes of a bucket by a request at now: its arrival time after it, or how long the request is too soon.
func (l Limit) next(arrival, now int64) (after int64, wait time.Duration) {
	if ahead := time.Duration(arrival-now) - l.tolerance(); ahead > 0 {
		return arrival, ahead
	}
	return max(arrival, now) + int64(l.Every), 0
}

// Bucket is one limit for everybody. It is safe for concurrent use and takes no lock.
type Bucket struct {
	limit   Limit
	arrival atomic.Int64
}

// NewBucket returns a full bucket.
func NewBucket(limit Limit) *Bucket {
	b := &Bucket{limit: limit}
	b.arrival.Store(math.MinInt64 / 4)
	return b
}

// Take lets a request at now through and returns 0, or returns how long it is too soon. The times of all calls are on one
// clock that never goes back.
func (b *Bucket) Take(now time.Duration) time.Duration {
	for {
		arrival := b.arrival.Load()
		after, wait := b.limit.next(arrival, int64(now))
		if wait > 0 || b.arrival.CompareAndSwap(arrival, after) {
			return wait
		}
	}
}

const (
	shards = 64
	// mostKeys bounds what is remembered of keys, 16 bytes each and the map's own.
	mostKeys     = 1 << 18
	keysPerShard = mostKeys / shards
)

// Keyed is a bucket a key. Keys whose bucket is full again are forgotten. Where more keys are under way than are
// remembered, those that come last share a bucket: whoever makes up keys gains nothing by it.
type Keyed struct {
	limit  Limit
	seed   maphash.Seed
	shards [shards]shard
}

type shard struct {
	mu       sync.Mutex
	arrivals map[uint64]int64
	// overflow is the bucket of keys that found no place; swept is when full buckets were last forgotten.
	overflow, swept int64
}

// sweepEvery is how often a shard without place looks for buckets that are full again.
const sweepEvery = time.Second

// NewKeyed returns full buckets.
func NewKeyed(limit Limit) *Keyed {
	k := &Keyed{limit: limit, seed: maphash.MakeSeed()}
	for i := range k.shards {
		k.shards[i] = shard{arrivals: map[uint64]int64{}, overflow: math.MinInt64 / 4, swept: math.MinInt64 / 4}
	}
	return k
}

// Take is as [Bucket.Take], for the bucket of key.
func (k *Keyed) Take(key string, now time.Duration) time.Duration {
	hash := maphash.String(k.seed, key)
	s := &k.shards[hash%shards]
	s.mu.Lock()
	defer s.mu.Unlock()
	arrival, known := s.arrivals[hash]
	if !known {
		arrival = math.MinInt64 / 4
		if !s.place(int64(now)) {
			after, wait := k.limit.next(s.overflow, int64(now))
			s.overflow = after
			return wait
		}
	}
	after, wait := k.limit.next(arrival, int64(now))
	s.arrivals[hash] = after
	return wait
}

// place says whether one more key can be remembered. The caller holds mu.
func (s *shard) place(now int64) bool {
	if len(s.arrivals) < keysPerShard {
		return true
	}
	if now-s.swept < int64(sweepEvery) {
		return false
	}
	s.swept = now
	for hash, arrival := range s.arrivals {
		if arrival <= now {
			delete(s.arrivals, hash)
		}
	}
	return len(s.arrivals) < keysPerShard
}
