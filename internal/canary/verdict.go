package canary

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/skyisland/skyisland/internal/release"
)

// Decision is the word a verdict comes down to.
type Decision string

const (
	// Pass says that the step has its evidence and nothing speaks against raising the weight.
	Pass Decision = "pass"
	// Fail says that the canary is worse than its margins allow. It is final: all weight to stable.
	Fail Decision = "fail"
	// Inconclusive says to go on gathering evidence at this weight.
	Inconclusive Decision = "inconclusive"
	// Blind says that the canary has weight but gives no evidence: hold, alert, and step back after a
	// bound. Never a reason to pass, nor to roll back at once.
	Blind Decision = "blind"
)

// Hold is a reason not to raise the weight.
type Hold string

const (
	// HoldEvidence means that the evidence against the canary has passed [Config].HoldAt.
	HoldEvidence Hold = "evidence"
	// HoldGap means that batches of a gateway are missing. Nothing is decided until they come.
	HoldGap Hold = "gap"
	// HoldSilence means that an expected gateway is silent. Nothing is decided until it is heard.
	HoldSilence Hold = "silence"
	// HoldSplit means that the arms are not drawn with the weight they should have. It lasts: call a person.
	HoldSplit Hold = "split"
	// HoldRestart means that evidence was lost and the step starts anew.
	HoldRestart Hold = "restart"
	// HoldBlind goes with [Blind].
	HoldBlind Hold = "blind"
)

// Verdict is what the test says at one moment.
type Verdict struct {
	Decision Decision `json:"decision"`
	// Hold says not to raise the weight; Holds says why.
	Hold  bool   `json:"hold"`
	Holds []Hold `json:"holds,omitempty"`
	// Silent and Missing name the gateways behind [HoldSilence] and [HoldGap].
	Silent  []string `json:"silent,omitempty"`
	Missing []string `json:"missing,omitempty"`
	// Evidence is M, the wealth of the bets against the canary; it starts at 1, and from Needed = 1/alpha
	// on it rolls back. LnEvidence is its logarithm, which stays exact where Evidence is cut off at the
	// largest number there is.
	Evidence   float64 `json:"evidence"`
	LnEvidence float64 `json:"ln_evidence"`
	Needed     float64 `json:"needed"`
	// PValue is 1/max M so far, valid however often it was looked at.
	PValue float64 `json:"p_value"`
	// Lead is the stream with most of the evidence, and Streams what was counted on each.
	Lead    Stream                    `json:"lead"`
	Streams PerStream[StreamEvidence] `json:"streams"`
	// Absolute is the test without a comparison.
	Absolute AbsoluteEvidence `json:"absolute"`
	Step     StepProgress     `json:"step"`
	// Sentence says all this to people, in one line.
	Sentence string `json:"sentence"`
}

// StreamEvidence is what was counted on one stream.
type StreamEvidence struct {
	CanaryBad  int64   `json:"canary_bad"`
	Canary     int64   `json:"canary"` // all canary units with a verdict
	CanaryRate float64 `json:"canary_rate"`
	StableBad  int64   `json:"stable_bad"`
	Stable     int64   `json:"stable"`
	StableRate float64 `json:"stable_rate"`
}

// AbsoluteEvidence is the state of the test against a fixed bound.
type AbsoluteEvidence struct {
	// Bad of Canary are the canary's verdicts that entered; none while there is a comparison.
	Bad      int64   `json:"bad"`
	Canary   int64   `json:"canary"`
	Bound    float64 `json:"bound"`
	Evidence float64 `json:"evidence"`
	Needed   float64 `json:"needed"`
	// Decided says that it was this test that failed the canary.
	Decided bool `json:"decided"`
}

// StepProgress is how far the step of the newest weight version is.
type StepProgress struct {
	WeightVersion int     `json:"weight_version"`
	Weight        float64 `json:"weight"` // 0 to 1
	// CanaryRequests is how many canary requests have a verdict, Needed how many the step must have
	// before it may end.
	CanaryRequests int64 `json:"canary_requests"`
	Needed         int64 `json:"needed"`
	Ready          bool  `json:"ready"`
}

// Verdict judges what is known at a time. It lets time pass as Tick does not: nothing is handed out or
// decided by asking.
func (t *Test) Verdict(at time.Time) Verdict {
	now := t.clock(at)
	lnM, lead := t.wealth.evidence(&t.cfg)
	lnAbs := t.absolute.evidence()
	v := Verdict{
		Evidence: expFinite(lnM), LnEvidence: lnM, Needed: 1 / t.Alpha(), PValue: math.Exp(-t.maxLn), Lead: lead,
		Absolute: AbsoluteEvidence{
			Bad: t.absolute.bad, Canary: t.absolute.bad + t.absolute.good, Bound: t.cfg.Absolute.Bound,
			Evidence: expFinite(lnAbs), Needed: 1 / t.absoluteAlpha(), Decided: t.byAbs,
		},
		Step: t.progress(),
	}
	for s, c := range t.counts {
		v.Streams[s] = evidenceOf(c)
	}
	v.Silent, v.Missing = t.broken(now)
	blind := t.blind(now)
	if t.phase == PhaseRunning {
		hold := func(on bool, why Hold) {
			if on {
				v.Holds = append(v.Holds, why)
			}
		}
		hold(math.Max(lnM, lnAbs) >= math.Log(t.cfg.HoldAt), HoldEvidence)
		hold(len(v.Missing) > 0, HoldGap)
		hold(len(v.Silent) > 0, HoldSilence)
		hold(t.split.wrong, HoldSplit)
		hold(t.anew && !v.Step.Ready, HoldRestart)
		hold(blind, HoldBlind)
	}
	v.Hold = len(v.Holds) > 0
	v.Decision = t.decision(&v, blind)
	v.Sentence = v.sentence()
	return v
}

// Words are the verdict in the words of people and policies. Requests and failures are those of the error stream; the
// sentence names the stream that leads.
func (v Verdict) Words(at time.Time) release.Evidence {
	errs := v.Streams[StreamError]
	return release.Evidence{
		Verdict: release.Verdict(v.Decision), Sentence: v.Sentence, Wealth: v.Evidence, PValue: v.PValue,
		CanaryRequests: errs.Canary, CanaryBad: errs.CanaryBad, StableRequests: errs.Stable, StableBad: errs.StableBad,
		StepRequests: v.Step.CanaryRequests, Needed: v.Step.Needed, Hold: v.Hold, At: at.UTC(),
	}
}

func (t *Test) decision(v *Verdict, blind bool) Decision {
	switch {
	case t.phase == PhaseRolledBack:
		return Fail
	case t.phase == PhasePromoted:
		return Pass
	case blind:
		return Blind
	case v.Step.Ready && !v.Hold:
		return Pass
	default:
		return Inconclusive
	}
}

// blind reports whether the canary has weight and has shown nothing for too long.
func (t *Test) blind(now int64) bool {
	w := t.current()
	return w != nil && w.share > 0 && now-t.lastSeen >= int64(t.cfg.BlindAfter)
}

// progress measures the step. A weight of 1 leaves nothing to compare, so its need is the plain minimum.
func (t *Test) progress() StepProgress {
	w := t.current()
	if w == nil {
		return StepProgress{Needed: t.cfg.MinRequests}
	}
	p := StepProgress{WeightVersion: w.version, Weight: w.share, CanaryRequests: w.canary, Needed: t.cfg.MinRequests}
	cfg := t.cfg
	cfg.Alpha = t.Alpha()
	if plan, err := PlanStep(cfg, w.share, cfg.Effect.Stable, cfg.Effect.Canary); err == nil {
		p.Needed = max(p.Needed, plan.Requests)
	}
	p.Ready = w.share > 0 && p.CanaryRequests >= p.Needed
	return p
}

func evidenceOf(c Counts) StreamEvidence {
	e := StreamEvidence{
		CanaryBad: c.CanaryBad, Canary: c.CanaryBad + c.CanaryGood,
		StableBad: c.StableBad, Stable: c.StableBad + c.StableGood,
	}
	if e.Canary > 0 {
		e.CanaryRate = float64(e.CanaryBad) / float64(e.Canary)
	}
	if e.Stable > 0 {
		e.StableRate = float64(e.StableBad) / float64(e.Stable)
	}
	return e
}

// expFinite is exp cut off below infinity, which JSON cannot say.
func expFinite(x float64) float64 { return math.Min(math.Exp(x), math.MaxFloat64) }

func (v *Verdict) sentence() string {
	var b strings.Builder
	abs := &v.Absolute
	if abs.Decided || abs.Canary > 0 && abs.Evidence > v.Evidence {
		fmt.Fprintf(&b, "error without comparison: canary %d of %d bad, %g%% allowed; evidence %s of %s needed",
			abs.Bad, abs.Canary, 100*abs.Bound, number(abs.Evidence), number(abs.Needed))
	} else {
		s := v.Streams[v.Lead]
		fmt.Fprintf(&b, "%s: canary %d of %d bad, stable %d of %d; evidence %s of %s needed",
			v.Lead, s.CanaryBad, s.Canary, s.StableBad, s.Stable, number(v.Evidence), number(v.Needed))
	}
	if v.Decision == Inconclusive && !v.Step.Ready && v.Step.Weight > 0 {
		fmt.Fprintf(&b, "; step has %d of %d canary requests", v.Step.CanaryRequests, v.Step.Needed)
	}
	for _, h := range v.Holds {
		b.WriteString("; held: ")
		switch h {
		case HoldGap:
			fmt.Fprintf(&b, "batches missing from %s", strings.Join(v.Missing, ", "))
		case HoldSilence:
			fmt.Fprintf(&b, "no word from %s", strings.Join(v.Silent, ", "))
		default:
			b.WriteString(holdWords[h])
		}
	}
	return b.String()
}

var holdWords = map[Hold]string{
	HoldEvidence: "evidence against the canary",
	HoldSplit:    "traffic is not split by the weight that was set",
	HoldRestart:  "evidence was lost, the step starts anew",
	HoldBlind:    "the canary has weight but shows no requests",
}

// number writes an evidence for people: two digits while it is small, whole numbers then.
func number(x float64) string {
	switch {
	case x < 10:
		return fmt.Sprintf("%.2g", x)
	case x < 1e7:
		return fmt.Sprintf("%.0f", x)
	default:
		return "over ten million"
	}
}
