// Package simulation plays releases in which everything is known, to see what the analysis would have said: how soon a
// fault is found, what it costs until then, how often one is missed, and how often a harmless release is rolled back.
package simulation

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/skyisland/skyisland/internal/canary"
	"github.com/skyisland/skyisland/internal/release"
)

// Scenario is a release, its traffic and its fault.
type Scenario struct {
	// Config is what the release's test is made with, as [canary.ForPlan] makes it. Guards and the watcher share its bound
	// on false rollbacks as they do in a release.
	Config canary.Config
	// Steps are the ramp. A step ends after its bake, with enough evidence, but for a probe.
	Steps []release.Step
	// Patience is how long a step may last without enough evidence; 0 is no bound.
	Patience time.Duration
	// Rate is the traffic of both arms together, in requests per second, over all gateways, of which there are 1 or more.
	Rate     float64
	Gateways int
	// Stable and Canary are the shares of an arm's requests that are bad, by stream, 0 to 1. The canary is as stable is
	// until the fault begins, so long After the first step does.
	Stable, Canary canary.PerStream[float64]
	After          time.Duration
}

// Bounds of a scenario: what would take too long to play is no scenario.
const (
	mostRate     = 1e6
	mostGateways = 64
	longestRamp  = 7 * 24 * time.Hour
)

// Validate says what is wrong with a scenario; nil when it can be played.
func (s Scenario) Validate() error {
	if err := s.Config.Validate(); err != nil {
		return err
	}
	var total time.Duration
	for _, step := range s.Steps {
		if step.Weight <= release.NoWeight || step.Weight >= release.FullWeight || step.Bake < 0 {
			return fmt.Errorf("step of %s for %s: want more than 0 and less than 100 %%, and a time", step.Weight, step.Bake)
		}
		total += step.Bake.Std()
	}
	switch {
	case len(s.Steps) == 0:
		return errors.New("there are no steps")
	case total > longestRamp:
		return fmt.Errorf("the steps take %s: at most %s", total, longestRamp)
	case !(s.Rate > 0 && s.Rate <= mostRate):
		return fmt.Errorf("%v requests per second: want more than 0 and at most %d", s.Rate, int(mostRate))
	case s.Gateways < 1 || s.Gateways > mostGateways:
		return fmt.Errorf("%d gateways: want 1 to %d", s.Gateways, mostGateways)
	case s.After < 0 || s.Patience < 0:
		return errors.New("a time is negative")
	}
	for i := range s.Stable {
		if !(s.Stable[i] >= 0 && s.Stable[i] <= 1) || !(s.Canary[i] >= 0 && s.Canary[i] <= 1) {
			return fmt.Errorf("%s: %v and %v are no shares: want 0 to 1", canary.Stream(i), s.Stable[i], s.Canary[i])
		}
	}
	return nil
}

// Ending is how a simulated ramp ended.
type Ending string

// The endings.
const (
	// Passed went through all steps.
	Passed Ending = "passed"
	// RolledBack was found bad.
	RolledBack Ending = "rolled_back"
	// Impatient had too little evidence for too long.
	Impatient Ending = "impatient"
)

// Ramp is one play.
type Ramp struct {
	Ending Ending
	// Took is the time from the first step to the end, Found that from the beginning of the fault to the rollback.
	Took, Found time.Duration
	// Bad are the canary's failed answers since the fault began, of Requests to it in all.
	Bad, Requests int64
	// Lead is the stream that led to the rollback, Weight the step's.
	Lead   canary.Stream
	Weight release.Weight
}

// Play plays the release once. The same source of chance plays the same release.
func (s Scenario) Play(ctx context.Context, rng *rand.Rand) (Ramp, error) {
	p, err := newPlay(s, rng)
	if err != nil {
		return Ramp{}, err
	}
	for i, step := range s.Steps {
		if err := p.weigh(i+1, step.Weight.Fraction()); err != nil {
			return Ramp{}, err
		}
		end, err := p.step(ctx, step)
		if err != nil || end != "" {
			p.ramp.Ending, p.ramp.Weight = end, step.Weight
			return p.ended(), err
		}
	}
	p.ramp.Ending = Passed
	return p.ended(), nil
}

// begin is the time on a simulation's clock; any will do.
const begin = 1_700_000_000

// The bounds of a slice of time, in which the order of what happens is not told apart. Half a bad answer of the canary is
// what a slice has, about, so that few decisions come late by more than one.
const (
	longestSlice  = time.Second
	shortestSlice = time.Millisecond
	// latencySlice is how often gateways tell of what is no failure.
	latencySlice = 100 * time.Millisecond
)

// play is a release under way.
type play struct {
	Scenario

	rng    *rand.Rand
	now    time.Duration
	merged *canary.Test // the watcher's, of what all gateways see
	guards []*canary.Test
	seq    uint64
	ver    int
	weight float64
	ramp   Ramp
}

func newPlay(s Scenario, rng *rand.Rand) (*play, error) {
	p := &play{Scenario: s, rng: rng}
	half := s.Config.Halved()
	var err error
	if p.merged, err = canary.New(half, p.clock()); err != nil {
		return nil, err
	}
	each := half.WithAlpha(half.Alpha / float64(s.Gateways))
	for range s.Gateways {
		guard, err := canary.New(each, p.clock())
		if err != nil {
			return nil, err
		}
		p.guards = append(p.guards, guard)
	}
	return p, nil
}

func (p *play) clock() time.Time { return time.Unix(begin, 0).Add(p.now) }

func (p *play) tests() []*canary.Test { return append([]*canary.Test{p.merged}, p.guards...) }

func (p *play) weigh(version int, w float64) error {
	p.ver, p.weight = version, w
	for _, test := range p.tests() {
		if err := test.AddWeight(version, w, p.clock()); err != nil {
			return err
		}
	}
	return nil
}

// step plays one step; the ending is empty when the next may begin.
func (p *play) step(ctx context.Context, step release.Step) (Ending, error) {
	began := p.now
	for {
		if err := ctx.Err(); err != nil {
			return "", err
		}
		rates := p.Stable
		if p.now >= p.After {
			rates = p.Canary
		}
		slice := p.slice(rates)
		p.now += slice
		for g := range p.guards {
			if err := p.send(g, slice.Seconds(), rates); err != nil {
				return "", err
			}
		}
		for _, test := range p.tests() {
			test.Tick(p.clock())
			if test.Phase() == canary.PhaseRolledBack {
				p.ramp.Lead = test.Verdict(p.clock()).Lead
				return RolledBack, nil
			}
		}
		spent := p.now - began
		if spent < step.Bake.Std() {
			continue
		}
		if step.Probe || p.merged.Verdict(p.clock()).Decision == canary.Pass {
			return "", nil
		}
		if p.Patience > 0 && spent >= p.Patience {
			return Impatient, nil
		}
		if p.now > 2*longestRamp {
			return Impatient, nil
		}
	}
}

// slice is how long the next slice of time is.
func (p *play) slice(rates canary.PerStream[float64]) time.Duration {
	longest := longestSlice
	for s := canary.StreamBody; s <= canary.StreamTail; s++ {
		if rates[s] > p.Stable[s] {
			longest = latencySlice
		}
	}
	bad := p.Rate * p.weight * rates[canary.StreamError]
	if bad == 0 {
		return longest
	}
	return min(max(time.Duration(0.5/bad*float64(time.Second)), shortestSlice), longest)
}

// send draws what one gateway sees in a slice, and tells its guard and the watcher.
func (p *play) send(gateway int, seconds float64, rates canary.PerStream[float64]) error {
	n := p.Rate / float64(p.Gateways) * seconds
	b := canary.Batch{
		Gateway: fmt.Sprintf("gateway-%d", gateway+1), WeightVersion: p.ver,
		CanaryRequests: poisson(p.rng, n*p.weight), StableRequests: poisson(p.rng, n*(1-p.weight)),
	}
	for s := range b.Streams {
		c := &b.Streams[s]
		c.CanaryBad, c.StableBad = binomial(p.rng, b.CanaryRequests, rates[s]), binomial(p.rng, b.StableRequests, p.Stable[s])
		c.CanaryGood, c.StableGood = b.CanaryRequests-c.CanaryBad, b.StableRequests-c.StableBad
	}
	p.ramp.Requests += b.CanaryRequests
	if p.now > p.After {
		p.ramp.Bad += b.Streams[canary.StreamError].CanaryBad
	}
	if gateway == 0 {
		p.seq++
	}
	b.Seq = p.seq
	for _, test := range []*canary.Test{p.guards[gateway], p.merged} {
		if _, err := test.Apply(b, p.clock()); err != nil {
			return err
		}
	}
	return nil
}

func (p *play) ended() Ramp {
	p.ramp.Took = p.now
	if p.ramp.Ending == RolledBack {
		p.ramp.Found = max(0, p.now-p.After)
	}
	return p.ramp
}

// poisson draws how many requests come when mean are expected: the product of uniforms of D. Knuth, The Art of Computer
// Programming, volume 2, 3.4.1, in parts, so that no product leaves what a float holds.
func poisson(rng *rand.Rand, mean float64) int64 {
	const part = 30
	n := int64(0)
	for mean > 0 {
		now := min(mean, part)
		mean -= now
		limit := math.Exp(-now)
		for product := rng.Float64(); product > limit; product *= rng.Float64() {
			n++
		}
	}
	return n
}

// binomial draws the number of hits among n, by skipping from hit to hit.
func binomial(rng *rand.Rand, n int64, p float64) int64 {
	switch {
	case p <= 0 || n <= 0:
		return 0
	case p >= 1:
		return n
	case p > 0.5:
		return n - binomial(rng, n, 1-p)
	}
	hits, ln := int64(0), math.Log1p(-p)
	for at := rng.ExpFloat64() / -ln; at < float64(n); at += 1 + math.Floor(rng.ExpFloat64()/-ln) {
		hits++
	}
	return hits
}
