package pressure

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	vegeta "github.com/tsenart/vegeta/v12/lib"

	"github.com/skyisland/skyisland/internal/release"
)

// Measured is what came of a load.
type Measured struct {
	// Rate is what was asked for, Planned how many requests that made.
	Rate    release.Rate `json:"rate"`
	Planned int          `json:"planned"`
	// Answered counts requests that ended, well or not; Failed those that did not end well: status
	// 400 or more, no answer, or no answer in time.
	Answered int `json:"answered"`
	Failed   int `json:"failed"`
	// Latencies are those of all requests that ended, from when they were sent.
	P50 release.Duration `json:"p50"`
	P99 release.Duration `json:"p99"`
	Max release.Duration `json:"max"`
	// Failures counts the kinds of failures there were, at most eight kinds.
	Failures map[string]int `json:"failures,omitempty"`
	// Cut says that the load was ended early, since its bounds could no longer be met.
	Cut bool `json:"cut,omitempty"`
	// Late counts requests that were sent more than 10 ms after their time. Full says that as many
	// requests were waiting for answers as can be, which is the function's fault and not the
	// generator's.
	Late int  `json:"late,omitempty"`
	Full bool `json:"full,omitempty"`
}

// ErrorShare is the share of requests that failed.
func (m Measured) ErrorShare() release.Share {
	if m.Answered == 0 {
		return 0
	}
	return release.Share(float64(m.Failed) / float64(m.Answered))
}

// Holds says whether the load was within the bounds of latency and errors.
func (m Measured) Holds(spec release.Pressure) bool {
	return m.Answered > 0 && m.P99 <= spec.P99 && m.ErrorShare() <= spec.Errors
}

// Short says that the generator sent less than nine tenths of what was asked, though nobody held
// it up.
func (m Measured) Short() bool { return !m.Cut && !m.Full && m.Answered*10 < m.Planned*9 }

// GeneratorBound says that the generator, not the function, was at its limit: it was short, or
// sent more than a tenth too late.
func (m Measured) GeneratorBound() bool {
	return m.Short() || (!m.Full && m.Late*10 > m.Answered)
}

// why lists the kinds of failures, most frequent first.
func (m Measured) why() string {
	kinds := slices.SortedFunc(maps.Keys(m.Failures), func(a, b string) int {
		if d := m.Failures[b] - m.Failures[a]; d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
	for i, k := range kinds {
		kinds[i] = fmt.Sprintf("%s: %d", k, m.Failures[k])
	}
	return strings.Join(kinds, ", ")
}

// maxKinds bounds the kinds of failures told apart; the rest are "other".
const maxKinds = 8

// meter adds up results.
type meter struct {
	spec    release.Pressure
	pace    pace
	out     Measured
	slow    int
	first   time.Time
	latency *hdrhistogram.Histogram
}

func newMeter(spec release.Pressure, rate release.Rate, planned int) *meter {
	return &meter{
		spec: spec, pace: pace{rate: float64(rate)},
		out: Measured{Rate: rate, Planned: planned},
		// From 1 µs to a minute, twice the longest time-out, to a thousandth.
		latency: hdrhistogram.New(1, time.Minute.Microseconds(), 3),
	}
}

func (m *meter) add(r *vegeta.Result) {
	m.out.Answered++
	// A value out of range is longer than any time-out and counts as the longest.
	_ = m.latency.RecordValue(min(r.Latency.Microseconds(), time.Minute.Microseconds()))
	if r.Latency > m.spec.P99.Std() {
		m.slow++
	}
	if r.Error != "" || r.Code < 200 || r.Code >= 400 {
		m.out.Failed++
		m.count(kind(r))
	}
	// Results come in any order, so the beginning is reckoned from each, and the earliest counts.
	if began := r.Timestamp.Add(-m.pace.due(r.Seq)); m.first.IsZero() || began.Before(m.first) {
		m.first = began
	}
	if r.Timestamp.Sub(m.first)-m.pace.due(r.Seq) > lateness {
		m.out.Late++
	}
}

func (m *meter) count(kind string) {
	if m.out.Failures == nil {
		m.out.Failures = map[string]int{}
	}
	if _, known := m.out.Failures[kind]; !known && len(m.out.Failures) >= maxKinds-1 {
		kind = "other"
	}
	m.out.Failures[kind]++
}

// kind names a failure without addresses, which differ from one to the next.
func kind(r *vegeta.Result) string {
	switch {
	case r.Code >= 400:
		return fmt.Sprintf("status %d", r.Code)
	case strings.Contains(r.Error, "deadline exceeded"):
		return "no answer in time"
	case strings.Contains(r.Error, "refused"):
		return "connection refused"
	case strings.Contains(r.Error, "reset") || strings.Contains(r.Error, "EOF"):
		return "connection closed"
	default:
		return "other"
	}
}

// hopeless says that even if every request to come succeeded at once, the bounds were not met.
func (m *meter) hopeless() bool {
	hopeless := float64(m.out.Failed) > float64(m.spec.Errors)*float64(m.out.Planned) || m.slow*100 > m.out.Planned
	m.out.Cut = hopeless && m.out.Answered < m.out.Planned
	return hopeless
}

func (m *meter) measured(full bool) Measured {
	m.out.Full = full
	at := func(percent float64) release.Duration {
		return release.Duration(time.Duration(m.latency.ValueAtQuantile(percent)) * time.Microsecond)
	}
	m.out.P50, m.out.P99, m.out.Max = at(50), at(99), release.Duration(time.Duration(m.latency.Max())*time.Microsecond)
	return m.out
}
