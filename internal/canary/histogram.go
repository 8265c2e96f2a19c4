package canary

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"
)

const (
	// Buckets is the number of buckets of a [Histogram]: 556 of 2 % width from 1 ms to 60 s, one below
	// and one above.
	Buckets = 558

	lowest  = time.Millisecond
	highest = 60 * time.Second
	width   = 1.02

	// HalfLife is the time after which an observation counts half.
	HalfLife   = 300 * time.Second
	decayEvery = 10 * time.Second
)

var lnWidth = math.Log(width)

// BucketOf returns the bucket of a latency, from 0 to Buckets-1. A gateway may count into an array of
// atomic integers by this index, without a lock, and drain it into a [Histogram] every second.
func BucketOf(latency time.Duration) int {
	switch {
	case latency < lowest:
		return 0
	case latency >= highest:
		return Buckets - 1
	default:
		return min(1+int(math.Log(float64(latency)/float64(lowest))/lnWidth), Buckets-2)
	}
}

// Histogram counts latencies in buckets 2 % wide and forgets them with a half-life of [HalfLife]. The
// zero value is empty and ready. It is not safe for concurrent use.
type Histogram struct {
	weight  [Buckets]float64
	total   float64
	decayed time.Time
}

// Add counts n observations in a bucket of [BucketOf].
func (h *Histogram) Add(bucket int, n float64) {
	h.weight[bucket] += n
	h.total += n
}

// Observe counts one latency.
func (h *Histogram) Observe(latency time.Duration) { h.Add(BucketOf(latency), 1) }

// Decay lets time pass until at. Call it at least every few seconds; the first call starts the clock.
func (h *Histogram) Decay(at time.Time) {
	if h.decayed.IsZero() {
		h.decayed = at
		return
	}
	passed := at.Sub(h.decayed).Truncate(decayEvery)
	if passed <= 0 {
		return
	}
	h.decayed = h.decayed.Add(passed)
	f := math.Exp2(-float64(passed) / float64(HalfLife))
	h.total = 0
	for i := range h.weight {
		h.weight[i] *= f
		h.total += h.weight[i]
	}
}

// Count is the effective number of observations: those just made count 1, older ones less.
func (h *Histogram) Count() float64 { return h.total }

// Quantile returns the latency that the share q (0 to 1) of the observations does not exceed, within the
// width of a bucket and between 1 ms and 60 s. An empty histogram returns 0.
func (h *Histogram) Quantile(q float64) time.Duration {
	if h.total <= 0 {
		return 0
	}
	want, seen := q*h.total, 0.0
	for i, n := range h.weight {
		if n <= 0 {
			continue
		}
		if seen+n >= want {
			return between(i, (want-seen)/n)
		}
		seen += n
	}
	return highest
}

// between returns the latency at the given part of a bucket, even on the logarithmic scale.
func between(bucket int, part float64) time.Duration {
	if bucket == 0 {
		return lowest
	}
	d := time.Duration(float64(lowest) * math.Exp((float64(bucket-1)+part)*lnWidth))
	return min(d, highest)
}

type histogramJSON struct {
	DecayedNS int64        `json:"decayed_ns,omitempty"`
	Buckets   [][2]float64 `json:"buckets"` // index and weight of the buckets that hold something
}

// MarshalJSON writes the buckets that hold something, exactly.
func (h *Histogram) MarshalJSON() ([]byte, error) {
	out := histogramJSON{Buckets: [][2]float64{}}
	if !h.decayed.IsZero() {
		out.DecayedNS = h.decayed.UnixNano()
	}
	for i, n := range h.weight {
		if n > 0 {
			out.Buckets = append(out.Buckets, [2]float64{float64(i), n})
		}
	}
	return json.Marshal(out)
}

// UnmarshalJSON reads what MarshalJSON wrote, or leaves h as it was and says what is wrong.
func (h *Histogram) UnmarshalJSON(text []byte) error {
	var in histogramJSON
	if err := json.Unmarshal(text, &in); err != nil {
		return err
	}
	if len(in.Buckets) > Buckets {
		return errors.New("histogram: too many buckets")
	}
	var read Histogram
	for _, b := range in.Buckets {
		i := int(b[0])
		if b[0] != math.Trunc(b[0]) || i < 0 || i >= Buckets || !inRange(b[1], 0, maxCount) || read.weight[i] > 0 {
			return fmt.Errorf("histogram: bucket %v with weight %v is not possible", b[0], b[1])
		}
		read.Add(i, b[1])
	}
	if in.DecayedNS != 0 {
		read.decayed = time.Unix(0, in.DecayedNS).UTC()
	}
	*h = read
	return nil
}
