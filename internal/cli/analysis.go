package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/skyisland/skyisland/internal/canary"
	"github.com/skyisland/skyisland/internal/canary/backtest"
	"github.com/skyisland/skyisland/internal/canary/simulation"
	"github.com/skyisland/skyisland/internal/manifest"
	"github.com/skyisland/skyisland/internal/release"
)

// exitAnalysis is what a judgement against the canary ends with.
const exitAnalysis = ExitRolledBack

// anyManifest has the defaults of every setting, for who has no manifest at hand.
const anyManifest = `apiVersion: skyisland/v1
application: simulated
components:
  - name: simulated
    run: {command: [simulated]}
`

func (p *program) analysis() *cobra.Command {
	return group(&cobra.Command{Use: "analysis", Short: "See what the analysis would say, before it has to"}, p.analysisSimulate(), p.analysisJudge())
}

// foreseen is the plan of a manifest's release; that of the defaults without a file.
func (p *program) foreseen(file, environment string) (release.Plan, error) {
	var spec release.Spec
	var err error
	if file == "" {
		var m *manifest.Manifest
		if m, err = manifest.Read("defaults", []byte(anyManifest)); err == nil {
			spec, err = m.Spec(environment)
		}
	} else {
		spec, err = p.specOf(file, environment)
	}
	if err == nil {
		spec, _, err = canary.Sized(spec)
	}
	if err != nil {
		return release.Plan{}, err
	}
	return release.Foresee(release.ID{Lane: spec.Lane, Number: 1}, release.Request{Lane: spec.Lane}, spec), nil
}

// simulateFlags are the parameters of a simulation.
type simulateFlags struct {
	environment           string
	weights               []string
	bake, after           time.Duration
	rate, slower, spread  float64
	gateways, ramps       int
	seed                  uint64
	fails, refuses, usual string
}

func (p *program) analysisSimulate() *cobra.Command {
	var f simulateFlags
	cmd := &cobra.Command{
		Use: "simulate [FILE]", Short: "Play a release many times, with or without a fault, and say what it would cost", Args: between(0, 1),
		Long: "Plays the ramp of a manifest, or of the defaults without FILE, with made-up traffic, and says how often it is rolled back,\n" +
			"how soon, and how many bad answers the canary has given by then. Without a fault it says how often a harmless release\n" +
			"would be rolled back. Needs no server. The same --seed gives the same answer.",
		Example: "  skyisland analysis simulate --rate 200 --fails 5%\n" +
			"  skyisland analysis simulate skyisland.yaml --slower 1.5 --ramps 200\n" +
			"  skyisland analysis simulate --ramps 10000",
		RunE: func(cmd *cobra.Command, args []string) error {
			plan, err := p.foreseen(first(args), f.environment)
			if err != nil {
				return err
			}
			scenario, err := f.scenario(plan)
			if err != nil {
				return err
			}
			if err := scenario.Validate(); err != nil {
				return usage("this cannot be simulated: %v", err)
			}
			report, err := scenario.Run(cmd.Context(), f.ramps, f.seed)
			if err != nil {
				return err
			}
			return p.print(report, func(w io.Writer) { tellSimulation(w, scenario, report) })
		},
	}
	cmd.Flags().StringVar(&f.environment, "environment", "production", "environment of the manifest")
	cmd.Flags().StringSliceVar(&f.weights, "weights", nil, "steps of the ramp in place of the manifest's, such as 5%,20%,50%")
	cmd.Flags().DurationVar(&f.bake, "bake", 0, "length of each step in place of the manifest's")
	cmd.Flags().Float64Var(&f.rate, "rate", 100, "requests a second, to both together")
	cmd.Flags().IntVar(&f.gateways, "gateways", 1, "how many gateways share the traffic")
	cmd.Flags().StringVar(&f.usual, "usual", "0.1%", "share of requests that fail at stable, and at a canary without a fault")
	cmd.Flags().StringVar(&f.fails, "fails", "", "fault: share of the canary's requests that fail")
	cmd.Flags().StringVar(&f.refuses, "refuses", "", "fault: share of the canary's requests that it answers with a 4xx")
	cmd.Flags().Float64Var(&f.slower, "slower", 1, "fault: how many times slower the canary is")
	cmd.Flags().Float64Var(&f.spread, "spread", 0.5, "spread of latencies: the sigma of their logarithm")
	cmd.Flags().DurationVar(&f.after, "after", 0, "time after which the fault begins")
	cmd.Flags().IntVar(&f.ramps, "ramps", 1000, "how many releases are played")
	cmd.Flags().Uint64Var(&f.seed, "seed", 1, "seed of chance")
	return cmd
}

// mostRamps keeps a typing error from running for days.
const mostRamps = 10_000_000

func (f simulateFlags) scenario(plan release.Plan) (simulation.Scenario, error) {
	if f.ramps < 1 || f.ramps > mostRamps {
		return simulation.Scenario{}, usage("--ramps %d: want 1 to %d", f.ramps, mostRamps)
	}
	if !(f.slower > 0 && f.slower <= 1000) || !(f.spread > 0 && f.spread <= 10) {
		return simulation.Scenario{}, usage("--slower %v and --spread %v: want above 0, and at most 1000 and 10", f.slower, f.spread)
	}
	if len(f.weights) > 0 {
		plan.Steps = nil
		for _, text := range f.weights {
			weight, err := release.ParseWeight(strings.TrimSpace(text))
			if err != nil {
				return simulation.Scenario{}, usage("--weights: %v", err)
			}
			plan.Steps = append(plan.Steps, release.Step{Weight: weight, Bake: plan.Ramp.Bake})
		}
	}
	if f.bake > 0 {
		plan.Steps = slices.Clone(plan.Steps)
		for i := range plan.Steps {
			plan.Steps[i].Bake = release.Duration(f.bake)
		}
	}
	s := simulation.Scenario{
		Config: canary.ForPlan(plan), Steps: plan.Steps, Patience: plan.Ramp.Patience.Std(), Rate: f.rate, Gateways: f.gateways, After: f.after,
	}
	s.Stable, s.Canary = simulation.Slower(s.Config.Latency, f.slower, f.spread)
	if f.slower == 1 {
		// A canary that is no slower is no worse; the margin that it does not need makes it look better than stable.
		s.Canary[canary.StreamBody], s.Canary[canary.StreamTail] = s.Stable[canary.StreamBody], s.Stable[canary.StreamTail]
	}
	for _, share := range []struct {
		flag, text string
		into       []*float64
	}{
		{"--usual", f.usual, []*float64{&s.Stable[canary.StreamError], &s.Canary[canary.StreamError]}},
		{"--fails", f.fails, []*float64{&s.Canary[canary.StreamError]}},
		{"--refuses", f.refuses, []*float64{&s.Canary[canary.StreamClientError]}},
	} {
		if share.text == "" {
			continue
		}
		value, err := release.ParseShare(share.text)
		if err != nil {
			return s, usage("%s: %v", share.flag, err)
		}
		for _, into := range share.into {
			*into = float64(value)
		}
	}
	return s, nil
}

func tellSimulation(w io.Writer, s simulation.Scenario, r simulation.Report) {
	var steps []string
	for _, step := range s.Steps {
		steps = append(steps, fmt.Sprintf("%s for %s", step.Weight, step.Bake))
	}
	fault := "no fault"
	if s.Canary != s.Stable {
		fault = "a fault from the beginning"
		if s.After > 0 {
			fault = "a fault after " + s.After.String()
		}
	}
	fmt.Fprintf(w, "%d releases, %g requests/s, %s\n%s\n\n", r.Ramps, s.Rate, fault, strings.Join(steps, ", "))
	rows := [][]string{{"BAD AT", "STABLE", "CANARY"}}
	for i := range s.Stable {
		if s.Stable[i]+s.Canary[i] > 0 {
			rows = append(rows, []string{canary.Stream(i).String(), percent(s.Stable[i]), percent(s.Canary[i])})
		}
	}
	table(w, 0, rows...)
	fmt.Fprintf(w, "\nrolled back   %d, %s of them; with 95 %% confidence between %s and %s\n", r.RolledBack, percent(r.Rate), percent(r.Low), percent(r.High))
	if r.RolledBack > 0 {
		fmt.Fprintf(w, "  bad answers   median %d, 95 %% have at most %d, most %d\n", r.Bad.Median, r.Bad.P95, r.Bad.Most)
		fmt.Fprintf(w, "  found after   median %s, 95 %% within %s, last %s\n", short(r.Found.Median), short(r.Found.P95), short(r.Found.Most))
		for i := range s.Stable {
			if n := r.Lead[canary.Stream(i).String()]; n > 0 {
				fmt.Fprintf(w, "  led by        %s, %d times\n", canary.Stream(i), n)
			}
		}
	}
	fmt.Fprintf(w, "passed        %d\n", r.Passed)
	if r.Passed > 0 {
		fmt.Fprintf(w, "  took          median %s, most %s\n", short(r.Took.Median), short(r.Took.Most))
	}
	if r.Impatient > 0 {
		fmt.Fprintf(w, "no patience   %d: too little traffic for the evidence that a step needs\n", r.Impatient)
	}
}

func percent(share float64) string { return fmt.Sprintf("%.3g %%", 100*share) }

// short is a time for people, to the tenth of a second, or to the millisecond below one.
func short(d time.Duration) string {
	if d < time.Second {
		return d.Round(time.Millisecond).String()
	}
	return d.Round(100 * time.Millisecond).String()
}

func (p *program) analysisJudge() *cobra.Command {
	var environment, evidence, weight, route string
	cmd := &cobra.Command{
		Use: "judge [FILE] --evidence FILE", Short: "Say what the analysis would have said of recorded requests, and when", Args: between(0, 1),
		Long: "Judges JSON lines, one a request, by the settings of a manifest, or by the defaults without FILE:\n\n" +
			`  {"time": "2026-11-27T12:00:00.250Z", "arm": "canary", "class": "5xx", "latency": "12ms"}` + "\n\n" +
			"time is when the request arrived, class ok, 4xx, 5xx, timeout, connect, broken or aborted. A line may have \"weight\", the\n" +
			"canary's part then, and \"session\" on a sticky route; --weight says the weight for all. The access log of a gateway is\n" +
			"such a file. The order of the lines does not matter. Exit code 3 when the canary would have been rolled back.",
		Example: "  skyisland analysis judge --evidence outcomes.jsonl --weight 5%\n" +
			"  skyisland analysis judge skyisland.yaml --evidence .skyisland/access.log --route demo/hello/production/web",
		RunE: func(_ *cobra.Command, args []string) error {
			if evidence == "" {
				return usage("say what to judge: --evidence FILE, or - for standard input")
			}
			plan, err := p.foreseen(first(args), environment)
			if err != nil {
				return err
			}
			settings := backtest.Settings{Config: canary.ForPlan(plan).Halved(), Weight: -1, Route: route}
			if weight != "" {
				if settings.Weight, err = release.ParseWeight(weight); err != nil {
					return usage("--weight: %v", err)
				}
			}
			judgement, err := p.judgeFile(evidence, settings)
			if err != nil {
				return err
			}
			err = p.print(judgement, func(w io.Writer) { tellJudgement(w, judgement) })
			if err == nil && judgement.Decision == canary.Fail {
				return &exitError{code: exitAnalysis}
			}
			return err
		},
	}
	cmd.Flags().StringVar(&environment, "environment", "production", "environment of the manifest")
	cmd.Flags().StringVar(&evidence, "evidence", "", "file of requests; - is standard input")
	cmd.Flags().StringVar(&weight, "weight", "", "the canary's part of the traffic, such as 5%, where the lines do not say it")
	cmd.Flags().StringVar(&route, "route", "", "only the lines of this route, such as demo/hello/production/web")
	return cmd
}

func (p *program) judgeFile(name string, settings backtest.Settings) (backtest.Judgement, error) {
	in := p.o.Stdin
	if name != "-" {
		file, err := os.Open(p.path(name))
		if err != nil {
			return backtest.Judgement{}, fmt.Errorf("read the evidence: %w", err)
		}
		defer file.Close()
		in = file
	}
	judgement, err := backtest.Judge(in, settings)
	if err != nil {
		return judgement, fmt.Errorf("%s: %w", name, err)
	}
	if judgement.Begin.IsZero() {
		return judgement, errors.New(name + ": the canary never has any weight: say it with --weight, or write it into the lines")
	}
	return judgement, nil
}

func tellJudgement(w io.Writer, j backtest.Judgement) {
	if j.At != nil {
		fmt.Fprintf(w, "%s at %s, %s after the canary's first weight, with %d bad answers\n",
			j.Decision, j.At.Format(time.RFC3339Nano), short(j.At.Sub(j.Begin)), j.Bad)
	} else {
		fmt.Fprintf(w, "%s after %s, with %d bad answers\n", j.Decision, short(j.End.Sub(j.Begin)), j.Bad)
	}
	fmt.Fprintf(w, "%s\n\n", j.Verdict.Sentence)
	rows := [][]string{{"STREAM", "CANARY", "BAD", "STABLE", "BAD"}}
	for i, s := range j.Verdict.Streams {
		rows = append(rows, []string{
			canary.Stream(i).String(), fmt.Sprint(s.Canary), fmt.Sprintf("%d (%s)", s.CanaryBad, percent(s.CanaryRate)),
			fmt.Sprint(s.Stable), fmt.Sprintf("%d (%s)", s.StableBad, percent(s.StableRate)),
		})
	}
	table(w, 0, rows...)
	fmt.Fprintf(w, "\n%d requests read", j.Requests)
	if j.Left > 0 {
		fmt.Fprintf(w, ", %d lines after the verdict left", j.Left)
	}
	if j.Unjudged > 0 {
		fmt.Fprintf(w, ", %d sent to their side by a pin and not judged", j.Unjudged)
	}
	fmt.Fprintln(w)
}
