package backtest

import (
	"container/heap"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/skyisland/skyisland/internal/canary"
	"github.com/skyisland/skyisland/internal/release"
)

// Settings say how a stream is judged.
type Settings struct {
	// Config is the test's, its latency thresholds included.
	Config canary.Config
	// Weight is the canary's part until a line says another. Below 0 it is not known, and a line has to say it before the
	// first of the canary's requests.
	Weight release.Weight
	// Route picks the lines of one route; "" is all of them.
	Route string
}

// Judgement is what the test said of a stream.
type Judgement struct {
	Decision canary.Decision `json:"decision"`
	// At is when it rolled back; nil when it did not. Bad are the canary's failed answers until then, or in all.
	At *time.Time `json:"at,omitempty"`
	// Begin is when the canary first had weight, and End when the stream ends.
	Begin time.Time `json:"begin"`
	End   time.Time `json:"end"`
	Bad   int64     `json:"bad"`
	// Requests are those that were read, Left those after the verdict, Unjudged those that were pinned.
	Requests int            `json:"requests"`
	Left     int            `json:"left"`
	Unjudged int            `json:"unjudged"`
	Verdict  canary.Verdict `json:"verdict"`
}

// flushEvery is how often verdicts that speak against nobody reach the test, as from a gateway.
const flushEvery = 100 * time.Millisecond

// sender is the name of the one gateway that there is.
const sender = "evidence"

// Judge reads JSON lines, one a request, in any order, and says what the test would have said, and when. A request is
//
//	{"time": "2026-11-27T12:00:00.250Z", "arm": "canary", "class": "5xx", "latency": "12ms"}
//
// with the time of its arrival, the class ok, 4xx, 5xx, timeout, connect, broken or aborted, and, where they are known,
// "weight", the canary's part when it arrived, and "session" on a sticky route. A line of "time" and "weight" alone changes
// the weight. The access log of a gateway is such a stream. An error names the line, and what would be right.
func Judge(in io.Reader, s Settings) (Judgement, error) {
	if err := s.Config.Validate(); err != nil {
		return Judgement{}, err
	}
	outcomes, err := read(in, s.Route)
	if err != nil {
		return Judgement{}, err
	}
	if len(outcomes) == 0 {
		return Judgement{}, errors.New("there is no line with an outcome")
	}
	j, err := newJudging(s, outcomes[0].at)
	if err != nil {
		return Judgement{}, err
	}
	for i, o := range outcomes {
		if err := j.until(o.at); err != nil {
			return Judgement{}, err
		}
		if j.test.Phase() != canary.PhaseRunning {
			j.out.Left = len(outcomes) - i
			break
		}
		if err := j.arrive(o); err != nil {
			return Judgement{}, fmt.Errorf("at %s: %w", o.at.Format(time.RFC3339Nano), err)
		}
	}
	return j.end(outcomes[len(outcomes)-1].at)
}

// judging is a stream under way.
type judging struct {
	Settings

	out     Judgement
	test    *canary.Test
	past    canary.Latencies
	weight  release.Weight
	version int
	seq     uint64
	batch   canary.Batch
	pending marks
	// now is how far the stream has come, ticked when the test was last told of the time, sent when it had a batch.
	now, ticked, sent time.Time
	cold, warm        canary.Thresholds
	errorAge          time.Duration
	began             time.Time // the canary's first request
}

func newJudging(s Settings, at time.Time) (*judging, error) {
	test, err := canary.New(s.Config, at)
	if err != nil {
		return nil, err
	}
	j := &judging{Settings: s, test: test, weight: release.NoWeight, now: at, ticked: at, sent: at}
	j.past.Decay(at)
	j.thresholds()
	if s.Weight < 0 {
		j.weight = -1
		return j, nil
	}
	if err := j.weigh(s.Weight, at); err != nil {
		return nil, err
	}
	return j, nil
}

func (j *judging) weigh(w release.Weight, at time.Time) error {
	if err := j.flush(at); err != nil {
		return err
	}
	if w > release.NoWeight && j.out.Begin.IsZero() {
		j.out.Begin = at
		// Chosen once, from what stable did before.
		j.errorAge = j.past.SlowErrorAge(j.Config.Latency)
		j.thresholds()
	}
	j.version++
	j.weight, j.batch.WeightVersion = w, j.version
	return j.test.AddWeight(j.version, w.Fraction(), at)
}

func (j *judging) thresholds() {
	j.cold = j.past.Thresholds(j.Config.Latency, true, j.errorAge)
	j.warm = j.past.Thresholds(j.Config.Latency, false, j.errorAge)
}

// arrive takes in a line.
func (j *judging) arrive(o outcome) error {
	if o.weight >= 0 && o.weight != j.weight {
		if err := j.weigh(o.weight, o.at); err != nil {
			return err
		}
	}
	if !o.request {
		return nil
	}
	j.out.Requests++
	if !o.drawn {
		j.out.Unjudged++
		return nil
	}
	if j.weight < 0 && o.arm == canary.Canary {
		return errors.New(`the weight is not known: say it for all lines, or write it into them as "weight": "5%"`)
	}
	if o.arm == canary.Canary && j.began.IsZero() {
		j.began = o.at
	}
	limits := j.warm
	if j.Config.WarmUp > 0 && (j.began.IsZero() || o.at.Before(j.began.Add(j.Config.WarmUp))) {
		limits = j.cold
	}
	session := uint64(0)
	if j.Config.Sticky {
		session = sessionOf(o.session, j.out.Requests)
	}
	if o.arm == canary.Stable {
		heap.Push(&j.pending, mark{at: o.at.Add(o.latency), stable: true, result: o.result, latency: o.latency})
	}
	if j.weight <= release.NoWeight {
		// Before the release: what stable does then is what the canary is compared with.
		return nil
	}
	if o.arm == canary.Canary {
		j.batch.CanaryRequests++
	} else {
		j.batch.StableRequests++
	}
	for s, m := range limits.Marks(o.arm, o.result, o.latency, 0) {
		if m.Kind != canary.MarkNone {
			heap.Push(&j.pending, mark{at: o.at.Add(m.Age), stream: canary.Stream(s), arm: o.arm, kind: m.Kind, version: j.version, session: session})
		}
	}
	return nil
}

// sessionOf is a session's hash, and that of a session of its own for a request without one.
func sessionOf(session string, request int) uint64 {
	if session == "" {
		session = fmt.Sprintf("\x00%d", request)
	}
	sum := sha256.Sum256([]byte(session))
	return binary.BigEndian.Uint64(sum[:8])
}

// until lets time pass, with all verdicts that are due.
func (j *judging) until(at time.Time) error {
	for j.test.Phase() == canary.PhaseRunning {
		next := at
		if tick := j.ticked.Add(time.Second); tick.Before(next) {
			next = tick
		}
		if len(j.pending) > 0 && j.pending[0].at.Before(next) {
			m := heap.Pop(&j.pending).(mark) //nolint:forcetypeassert // there is nothing else in it
			if err := j.count(m); err != nil {
				return err
			}
			continue
		}
		if next.Equal(at) {
			break
		}
		j.ticked = next
		j.past.Decay(next)
		j.thresholds()
		if err := j.flush(next); err != nil {
			return err
		}
		j.test.Tick(next)
		j.decided(next)
	}
	j.now = at
	return nil
}

// count takes in a verdict at its moment.
func (j *judging) count(m mark) error {
	if m.stable {
		j.past.Observe(m.result, m.latency)
		return nil
	}
	if m.version != j.batch.WeightVersion {
		// The weight has changed since: verdicts of two versions are in two batches.
		now := j.batch.WeightVersion
		if err := j.flush(m.at); err != nil {
			return err
		}
		j.batch.WeightVersion = m.version
		j.add(m)
		err := j.flush(m.at)
		j.batch.WeightVersion = now
		return err
	}
	j.add(m)
	if j.batch.Urgent() || m.at.Sub(j.sent) >= flushEvery {
		return j.flush(m.at)
	}
	return nil
}

func (j *judging) add(m mark) {
	counts := &j.batch.Streams[m.stream]
	if j.Config.Sticky {
		counts.CountSession(m.arm, m.kind, m.session)
	} else {
		counts.Count(m.arm, m.kind)
	}
	if m.stream == canary.StreamError && m.arm == canary.Canary && m.kind == canary.MarkBad {
		j.out.Bad++
	}
}

// flush tells the test what has come.
func (j *judging) flush(at time.Time) error {
	j.sent = at
	if j.batch.Empty() {
		return nil
	}
	j.seq++
	b := j.batch
	b.Gateway, b.Seq = sender, j.seq
	j.batch = canary.Batch{WeightVersion: b.WeightVersion}
	_, err := j.test.Apply(b, at)
	j.decided(at)
	return err
}

func (j *judging) decided(at time.Time) {
	if j.out.At == nil && j.test.Phase() == canary.PhaseRolledBack {
		j.out.At = &at
	}
}

// end lets the last verdicts come.
func (j *judging) end(last time.Time) (Judgement, error) {
	for len(j.pending) > 0 && j.test.Phase() == canary.PhaseRunning {
		if err := j.until(j.pending[0].at.Add(1)); err != nil {
			return Judgement{}, err
		}
	}
	if err := j.flush(j.now); err != nil {
		return Judgement{}, err
	}
	j.out.End = last
	if j.now.After(last) {
		j.out.End = j.now
	}
	if j.out.At != nil {
		j.now = *j.out.At
	}
	j.out.Verdict = j.test.Verdict(j.now)
	j.out.Decision = j.out.Verdict.Decision
	return j.out, nil
}

// mark is a verdict that waits for its moment, or the latency of a stable request that does.
type mark struct {
	at      time.Time
	stream  canary.Stream
	arm     canary.Arm
	kind    canary.MarkKind
	version int
	session uint64

	stable  bool
	result  canary.Result
	latency time.Duration
}

// marks are a heap, the next one first.
type marks []mark

// Len, Less, Swap, Push and Pop are those of [heap.Interface].
func (m marks) Len() int           { return len(m) }
func (m marks) Less(i, k int) bool { return m[i].at.Before(m[k].at) }
func (m marks) Swap(i, k int)      { m[i], m[k] = m[k], m[i] }
func (m *marks) Push(x any)        { *m = append(*m, x.(mark)) } //nolint:forcetypeassert // heap hands on what it is given
func (m *marks) Pop() any {
	old := *m
	last := old[len(old)-1]
	*m = old[:len(old)-1]
	return last
}
