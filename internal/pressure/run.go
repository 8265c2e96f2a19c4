package pressure

import (
	"context"
	"fmt"
	"time"

	"github.com/skyisland/skyisland/internal/release"
)

// Report is what the gate measured and what it says.
type Report struct {
	// Load is the load of the spec on all instances.
	Load Measured `json:"load"`
	// Search is nil when the load did not hold, as there is nothing to search for then.
	Search  *Search `json:"search,omitempty"`
	Verdict Verdict `json:"verdict"`
}

// Run warms the candidate up, drives the load of the spec at all its instances, searches for what
// one of them holds, and judges. Too little is a verdict and no error; an error is a job that
// makes no sense, or the end of ctx.
func Run(ctx context.Context, job Job) (Report, error) {
	if err := job.check(); err != nil {
		return Report{}, fmt.Errorf("press: %w", err)
	}
	job.Limits = job.Limits.filled()
	job.say("warming up at %s", job.Spec.Rate)
	if _, err := job.attack(ctx, job.Endpoints, job.Spec.Rate, job.Limits.WarmUp); err != nil {
		return Report{}, fmt.Errorf("warm up: %w", err)
	}
	job.say("driving %s at %d instances for %s", job.Spec.Rate, len(job.Endpoints), job.Spec.For)
	load, err := job.attack(ctx, job.Endpoints, job.Spec.Rate, job.Spec.For.Std())
	if err != nil {
		return Report{}, fmt.Errorf("drive %s: %w", job.Spec.Rate, err)
	}
	report := Report{Load: load}
	if load.Holds(job.Spec) && !load.Short() {
		found, err := job.search(ctx)
		if err != nil {
			return report, fmt.Errorf("search for capacity: %w", err)
		}
		report.Search = &found
	}
	report.Verdict = Judge(job.Spec, load, report.Search, job.instances())
	job.say("%s", report.Verdict)
	return report, nil
}

// settle waits until the instance answers in time again after too much load, at most for a few
// seconds: what it still works off would count against the next try.
func (j Job) settle(ctx context.Context) error {
	for range 5 {
		m, err := j.attack(ctx, j.Endpoints[:1], 10, 300*time.Millisecond)
		if err != nil || m.Holds(j.Spec) {
			return err
		}
		timer := time.NewTimer(200 * time.Millisecond)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
		}
	}
	return nil
}

// Search is what one instance was found to hold.
type Search struct {
	// PerInstance is the highest rate that held, 0 when none did.
	PerInstance release.Rate `json:"per_instance"`
	// LowerBound says that it holds at least that: the search ended before it found the limit.
	LowerBound bool `json:"lower_bound"`
	// GeneratorBound says that it ended because the generator was at its own limit.
	GeneratorBound bool `json:"generator_bound"`
	// Tries are what was measured on the way.
	Tries []Measured `json:"tries"`
}

const (
	// precision is where halving ends: the limit is known to a tenth.
	precision = 1.1
	// quantileSample is how many requests a 99th percentile needs: one of them is above it.
	quantileSample = 100
	maxTries       = 24
	// backlog is how many times the latency bound a try lasts. Above its limit an instance's queue
	// grows, and it takes so long until the queue is the bound: a rate that is over the limit by
	// more than 1/backlog is seen.
	backlog = 10
)

// search looks for the highest rate one instance holds: doubling until it fails, then halving the
// gap. It looks no further than twice what is asked of all instances together.
func (j Job) search(ctx context.Context) (Search, error) {
	ceiling := min(2*max(j.Spec.Rate, j.Spec.Forecast), j.Limits.MaxRate)
	s := &searcher{
		job: j, ends: time.Now().Add(j.Limits.Search), requests: j.Limits.MaxRequests,
		// What an instance has just been seen to hold, as its part of the load.
		rate: min(max(j.Spec.Rate/release.Rate(len(j.Endpoints)), 1), ceiling),
	}
	if len(j.Endpoints) == 1 {
		// The load has just shown that the only instance holds it.
		s.next(true, ceiling)
	}
	for s.goOn() {
		held, err := s.try(ctx)
		if err != nil {
			return s.found, err
		}
		s.next(held, ceiling)
	}
	s.found.PerInstance = s.holds
	s.found.LowerBound = s.found.GeneratorBound || s.fails == 0 || (s.holds > 0 && s.fails/s.holds > precision)
	return s.found, nil
}

// searcher is the state of a search: a rate that holds, one that fails, and the next to try.
type searcher struct {
	job                Job
	ends               time.Time
	requests           int
	rate, holds, fails release.Rate
	done               bool
	found              Search
}

func (s *searcher) goOn() bool {
	return !s.done && len(s.found.Tries) < maxTries && s.requests > 0 && time.Now().Before(s.ends)
}

// try says whether the instance holds the rate. A try that fails is repeated once, since a single
// hiccup of the machine is enough to fail a short one.
func (s *searcher) try(ctx context.Context) (bool, error) {
	sampled := time.Duration(quantileSample / float64(s.rate) * float64(time.Second))
	span := max(s.job.Limits.Window, min(max(sampled, backlog*s.job.Spec.P99.Std()), 5*s.job.Limits.Window))
	s.job.say("trying %s at one instance", s.rate)
	for range 2 {
		m, err := s.job.attack(ctx, s.job.Endpoints[:1], s.rate, span)
		if err != nil {
			return false, err
		}
		s.found.Tries = append(s.found.Tries, m)
		s.requests -= m.Answered
		if m.Holds(s.job.Spec) && !m.Short() {
			return true, nil
		}
		if m.GeneratorBound() {
			// What the function would have done cannot be told, and a higher rate tells less.
			s.found.GeneratorBound, s.done = true, true
			return false, nil
		}
		if err := s.job.settle(ctx); err != nil {
			return false, err
		}
		if !s.goOn() {
			break
		}
	}
	return false, nil
}

// next chooses the rate to try after one that held or failed.
func (s *searcher) next(held bool, ceiling release.Rate) {
	switch {
	case s.done:
		return
	case held:
		s.holds = s.rate
	default:
		s.fails = s.rate
	}
	switch {
	case s.fails == 0 && s.holds >= ceiling:
		s.done = true
	case s.fails == 0:
		s.rate = min(2*s.rate, ceiling)
	case s.holds == 0:
		s.rate = s.fails / 2
		s.done = s.rate < 1
	default:
		s.rate = (s.holds + s.fails) / 2
		s.done = s.fails/s.holds <= precision
	}
}
