package simulation

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/skyisland/skyisland/internal/canary"
)

// Report is what many ramps came to.
type Report struct {
	Ramps      int `json:"ramps"`
	RolledBack int `json:"rolled_back"`
	Passed     int `json:"passed"`
	Impatient  int `json:"impatient"`
	// Rate is the share that was rolled back, and Low and High the ends of its 95 % confidence interval (E. B. Wilson,
	// Probable Inference, the Law of Succession, and Statistical Inference, 1927).
	Rate float64 `json:"rate"`
	Low  float64 `json:"low"`
	High float64 `json:"high"`
	// Found is how long it took from the fault to the rollback, in nanoseconds in JSON; Bad the canary's failed answers until then, and Requests
	// all that it got. They are of the ramps that were rolled back.
	Found    Spread[time.Duration] `json:"found_ns"`
	Bad      Spread[int64]         `json:"bad"`
	Requests Spread[int64]         `json:"requests"`
	// Took is how long a ramp took that passed.
	Took Spread[time.Duration] `json:"took_ns"`
	// Lead counts what the evidence of a rollback was about.
	Lead map[string]int `json:"lead,omitempty"`
}

// Spread is a distribution in four numbers.
type Spread[T int64 | time.Duration] struct {
	Median T   `json:"median"`
	P95    T   `json:"p95"`
	Most   T   `json:"most"`
	N      int `json:"n"`
}

// Run plays a scenario many times. The same seed gives the same report. Its error is that of [Scenario.Validate], or
// of ctx.
func (s Scenario) Run(ctx context.Context, ramps int, seed uint64) (Report, error) {
	if err := s.Validate(); err != nil {
		return Report{}, err
	}
	report := Report{Ramps: ramps, Lead: map[string]int{}}
	var found, took []time.Duration
	var bad, requests []int64
	for i := range ramps {
		ramp, err := s.Play(ctx, rand.New(rand.NewPCG(seed, uint64(i)))) //nolint:gosec // a simulation is to be repeated
		if err != nil {
			return Report{}, err
		}
		switch ramp.Ending {
		case RolledBack:
			report.RolledBack++
			found, bad, requests = append(found, ramp.Found), append(bad, ramp.Bad), append(requests, ramp.Requests)
			report.Lead[ramp.Lead.String()]++
		case Impatient:
			report.Impatient++
		case Passed:
			report.Passed++
			took = append(took, ramp.Took)
		}
	}
	report.Rate = float64(report.RolledBack) / float64(max(1, ramps))
	report.Low, report.High = wilson(report.RolledBack, ramps)
	report.Found, report.Took = spread(found), spread(took)
	report.Bad, report.Requests = spread(bad), spread(requests)
	return report, nil
}

func spread[T int64 | time.Duration](values []T) Spread[T] {
	if len(values) == 0 {
		return Spread[T]{}
	}
	slices.Sort(values)
	at := func(q float64) T { return values[min(len(values)-1, int(q*float64(len(values))))] }
	return Spread[T]{Median: at(0.5), P95: at(0.95), Most: values[len(values)-1], N: len(values)}
}

// wilson is the 95 % confidence interval of a share.
func wilson(hits, n int) (low, high float64) {
	if n == 0 {
		return 0, 1
	}
	const z = 1.959964
	p, m := float64(hits)/float64(n), float64(n)
	middle, half := p+z*z/(2*m), z*math.Sqrt(p*(1-p)/m+z*z/(4*m*m))
	return max(0, (middle-half)/(1+z*z/m)), min(1, (middle+half)/(1+z*z/m))
}

// Slower are the shares of requests that are bad on the latency streams, of stable and of a canary whose latencies are
// factor times stable's, when stable's are log-normal with this spread (sigma, of the logarithm). The thresholds are those
// of a gateway that knows stable's distribution (canary-analysis.md section 2).
func Slower(latency canary.LatencyConfig, factor, sigma float64) (stable, slow canary.PerStream[float64]) {
	over := func(limit float64) float64 { return math.Erfc(limit/math.Sqrt2) / 2 }
	quantile := func(q float64) float64 { return math.Sqrt2 * math.Erfinv(2*q-1) }
	body, tail := quantile(latency.BodyQuantile), quantile(latency.TailQuantile)
	stable[canary.StreamBody] = over(body)
	slow[canary.StreamBody] = over(body + (math.Log(latency.Margin)-math.Log(factor))/sigma)
	stable[canary.StreamTail] = over(tail + math.Log(latency.TailFactor/latency.Margin)/sigma)
	slow[canary.StreamTail] = over(tail + (math.Log(latency.TailFactor)-math.Log(factor))/sigma)
	return stable, slow
}
