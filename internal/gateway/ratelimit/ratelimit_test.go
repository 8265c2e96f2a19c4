package ratelimit

import (
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestABucketLetsABurstThroughAndThenItsRate(t *testing.T) {
	b := NewBucket(Limit{Every: 100 * time.Millisecond, Burst: 3})
	for range 3 {
		assert.Zero(t, b.Take(time.Second))
	}
	assert.Equal(t, 100*time.Millisecond, b.Take(time.Second), "the fourth at once is as early as one at the rate")
	assert.Equal(t, 40*time.Millisecond, b.Take(time.Second+60*time.Millisecond), "asking costs nothing")
	assert.Zero(t, b.Take(time.Second+100*time.Millisecond))
	assert.Positive(t, b.Take(time.Second+100*time.Millisecond))
	for range 3 {
		assert.Zero(t, b.Take(time.Hour), "what was not used is no more than the burst")
	}
	assert.Positive(t, b.Take(time.Hour))
}

func TestTheRateHoldsInTheLongRun(t *testing.T) {
	b := NewBucket(Limit{Every: time.Second / 300, Burst: 10})
	let := 0
	for now := time.Duration(0); now < 10*time.Second; now += time.Millisecond {
		if b.Take(now) == 0 {
			let++
		}
	}
	assert.InDelta(t, 3010, let, 3)
}

func TestManySidesGetNoMoreThanTheBurst(t *testing.T) {
	b, k := NewBucket(Limit{Every: time.Hour, Burst: 100}), NewKeyed(Limit{Every: time.Hour, Burst: 100})
	var one, keyed atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				if b.Take(1) == 0 {
					one.Add(1)
				}
				if k.Take("user", 1) == 0 {
					keyed.Add(1)
				}
			}
		})
	}
	wg.Wait()
	assert.EqualValues(t, 100, one.Load())
	assert.EqualValues(t, 100, keyed.Load())
}

func TestKeysHaveBucketsOfTheirOwn(t *testing.T) {
	k := NewKeyed(Limit{Every: time.Second, Burst: 1})
	assert.Zero(t, k.Take("a", 0))
	assert.Zero(t, k.Take("b", 0))
	assert.Equal(t, time.Second, k.Take("a", 0))
	assert.Zero(t, k.Take("a", time.Second))
}

func TestMadeUpKeysShareWhatIsLeft(t *testing.T) {
	k := NewKeyed(Limit{Every: time.Second, Burst: 1})
	let := 0
	for i := range 2 * mostKeys {
		if k.Take(fmt.Sprint(i), 0) == 0 {
			let++
		}
	}
	assert.LessOrEqual(t, let, mostKeys+shards, "each shard has one bucket more for all that found no place")
	for i := range k.shards {
		assert.LessOrEqual(t, len(k.shards[i].arrivals), keysPerShard)
	}
	// Once buckets are full again their places are free.
	before := 0
	for i := range 1000 {
		if k.Take(fmt.Sprint("new", i), 2*time.Second) == 0 {
			before++
		}
	}
	assert.Equal(t, 1000, before)
}

func TestHugeBurstsDoNotOverflow(t *testing.T) {
	b := NewBucket(Limit{Every: time.Hour, Burst: math.MaxInt32})
	for range 1000 {
		assert.Zero(t, b.Take(0))
	}
}

func BenchmarkTake(b *testing.B) {
	bucket, keyed := NewBucket(Limit{Every: 1, Burst: math.MaxInt32}), NewKeyed(Limit{Every: 1, Burst: math.MaxInt32})
	b.Run("bucket", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			bucket.Take(time.Duration(i))
		}
	})
	b.Run("keyed", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			keyed.Take("192.0.2.1", time.Duration(i))
		}
	})
}
