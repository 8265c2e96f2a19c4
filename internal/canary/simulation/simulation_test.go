package simulation_test

import (
	"context"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/canary"
	"github.com/skyisland/skyisland/internal/canary/simulation"
	"github.com/skyisland/skyisland/internal/release"
)

// ramp is one step at a weight, for ten minutes, of a release of the default settings.
func ramp(w release.Weight, rate float64) simulation.Scenario {
	config := canary.DefaultConfig()
	config.Steps, config.Planned, config.WarmUp = 1, 10*time.Minute, 0
	s := simulation.Scenario{
		Config: config, Steps: []release.Step{{Weight: w, Bake: release.Duration(10 * time.Minute)}}, Patience: time.Hour, Rate: rate, Gateways: 1,
	}
	s.Stable[canary.StreamError], s.Canary[canary.StreamError] = 0.001, 0.001
	return s
}

func run(t *testing.T, s simulation.Scenario, ramps int) simulation.Report {
	t.Helper()
	report, err := s.Run(t.Context(), ramps, 1)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// The bars of the product: what a release that fails costs, whatever the traffic.
func TestAFaultCostsAFewBadAnswersAtAnyRate(t *testing.T) {
	for _, c := range []struct {
		weight release.Weight
		fails  float64
		median int64
	}{{500, 1, 4}, {2000, 1, 6}, {500, 0.05, 6}} {
		for _, rate := range []float64{10, 100, 1000} {
			s := ramp(c.weight, rate)
			s.Canary[canary.StreamError] = c.fails
			report := run(t, s, 200)
			if report.RolledBack < 190 || report.Bad.Median > c.median {
				t.Errorf("%s, %.0f %% failing, %.0f requests/s: %d of 200 found, with %d bad answers in the median; want nearly all, with at most %d",
					c.weight, 100*c.fails, rate, report.RolledBack, report.Bad.Median, c.median)
			}
		}
	}
}

func TestAHarmlessReleaseIsSeldomRolledBack(t *testing.T) {
	s := ramp(2000, 100)
	s.Gateways = 2
	for i := range s.Stable {
		sc := s.Config.Streams[i]
		if s.Stable[i] == 0 {
			s.Stable[i] = 0.05
		}
		s.Canary[i] = sc.Factor*s.Stable[i] + sc.Margin // as bad as is still harmless
	}
	report := run(t, s, 400)
	if report.Low > 0.01 {
		t.Errorf("%d of 400 rolled back, surely more than 1 %%: %v to %v", report.RolledBack, report.Low, report.High)
	}
}

func TestALateFaultIsCountedFromItsBeginning(t *testing.T) {
	s := ramp(500, 100)
	s.After = 5 * time.Minute
	s.Canary[canary.StreamError] = 1
	report := run(t, s, 50)
	if report.RolledBack != 50 || report.Found.Most > time.Minute || report.Bad.Most > 20 || report.Requests.Median < 1000 {
		t.Errorf("got %+v, want the time and the bad answers since the fault, and all requests", report)
	}
}

func TestASlowCanaryIsFoundByItsLatency(t *testing.T) {
	s := ramp(2000, 100)
	s.Stable, s.Canary = simulation.Slower(s.Config.Latency, 2, 0.5)
	if math.Abs(s.Stable[canary.StreamBody]-0.1) > 1e-9 || s.Canary[canary.StreamBody] <= 0.1 {
		t.Errorf("stable has %v slow, the canary %v; want 10 %% and more", s.Stable, s.Canary)
	}
	report := run(t, s, 50)
	if report.RolledBack != 50 || report.Lead["body"]+report.Lead["tail"] != 50 {
		t.Errorf("got %+v, want all rolled back for their latency", report)
	}
	same, as := simulation.Slower(s.Config.Latency, s.Config.Latency.Margin, 0.5)
	for i := range same {
		if as[i] > same[i]+1e-9 {
			t.Errorf("at the margin %v are bad instead of %v: that is allowed", as[i], same[i])
		}
	}
}

func TestTooLittleTrafficEndsWithPatience(t *testing.T) {
	s := ramp(100, 0.5)
	s.Config.WarmUp = 0
	report := run(t, s, 5)
	if report.Impatient != 5 {
		t.Errorf("got %+v, want that patience ran out", report)
	}
}

func TestTheSameSeedIsTheSameReport(t *testing.T) {
	s := ramp(500, 50)
	s.Canary[canary.StreamError] = 0.2
	one, two := run(t, s, 20), run(t, s, 20)
	if !reflect.DeepEqual(one, two) {
		t.Errorf("%+v and then %+v", one, two)
	}
	other, err := s.Run(t.Context(), 20, 2)
	if err != nil || reflect.DeepEqual(one, other) {
		t.Errorf("another seed gave the same, %v", err)
	}
}

func TestWhatIsNoScenarioIsSaid(t *testing.T) {
	for want, edit := range map[string]func(*simulation.Scenario){
		"no steps":            func(s *simulation.Scenario) { s.Steps = nil },
		"step of 100%":        func(s *simulation.Scenario) { s.Steps[0].Weight = release.FullWeight },
		"requests per second": func(s *simulation.Scenario) { s.Rate = math.NaN() },
		"gateways":            func(s *simulation.Scenario) { s.Gateways = 0 },
		"no shares":           func(s *simulation.Scenario) { s.Canary[0] = 1.5 },
		"negative":            func(s *simulation.Scenario) { s.After = -1 },
		"alpha":               func(s *simulation.Scenario) { s.Config.Alpha = 0 },
		"the steps take":      func(s *simulation.Scenario) { s.Steps[0].Bake = release.Duration(1000 * time.Hour) },
	} {
		s := ramp(500, 10)
		edit(&s)
		if _, err := s.Run(t.Context(), 1, 1); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := ramp(500, 10).Run(ctx, 1, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
}
