package pressure

import (
	"fmt"
	"math"
	"strings"

	"github.com/skyisland/skyisland/internal/release"
)

// Verdict is what the gate says.
type Verdict struct {
	Pass bool `json:"pass"`
	// Reasons are why not, each a sentence with its numbers.
	Reasons []string `json:"reasons,omitempty"`
	// Summary is what was found, in a sentence.
	Summary string `json:"summary"`
	// Capacity is nil when it was not searched for.
	Capacity *Capacity `json:"capacity,omitempty"`
}

// String is the summary, or why not.
func (v Verdict) String() string {
	if v.Pass {
		return v.Summary
	}
	return strings.Join(v.Reasons, "; ")
}

// Capacity is what one instance holds, against the forecast.
type Capacity struct {
	PerInstance release.Rate `json:"per_instance"`
	// Needed are the instances that carry the forecast, 0 without one, or when no number does; Have
	// is how many there are.
	Needed int `json:"needed"`
	Have   int `json:"have"`
	// HeadRoom is what the instances carry over the forecast, as a part of it: 0.5 is half as much
	// again, negative is too little, -1 nothing. 0 without a forecast.
	HeadRoom float64 `json:"head_room"`
	// LowerBound says that an instance holds at least so much.
	LowerBound bool `json:"lower_bound"`
}

// Judge turns measurements into a verdict. search is nil when there was none, which is a reason to
// refuse when a forecast has to be carried; instances are how many will carry it.
func Judge(spec release.Pressure, load Measured, search *Search, instances int) Verdict {
	var v Verdict
	v.Summary = fmt.Sprintf("%d requests at %s: p99 %s, %s failed", load.Answered, whole(spec.Rate), load.P99, percent(load.ErrorShare()))
	if share := load.ErrorShare(); share > spec.Errors {
		v.Reasons = append(v.Reasons, fmt.Sprintf("%s of %d requests failed at %s (%s), the most is %s",
			percent(share), load.Answered, whole(spec.Rate), load.why(), spec.Errors))
	}
	if load.P99 > spec.P99 {
		v.Reasons = append(v.Reasons, fmt.Sprintf("p99 is %s at %s, the most is %s", load.P99, whole(spec.Rate), spec.P99))
	}
	switch {
	case len(v.Reasons) > 0:
	case load.Short():
		v.Reasons = append(v.Reasons, fmt.Sprintf("the load generator could send only %d of %d requests at %s, so nothing is proven: lower the rate, or press from a larger machine",
			load.Answered, load.Planned, whole(spec.Rate)))
	case load.Answered < quantileSample:
		v.Reasons = append(v.Reasons, fmt.Sprintf("%d answers are too few to tell a 99th percentile: raise rate or for, to make at least %d requests",
			load.Answered, quantileSample))
	}
	if search != nil {
		v.Capacity = capacity(spec, *search, instances)
		bound := ""
		if search.LowerBound {
			bound = "at least "
		}
		holds := fmt.Sprintf("one instance holds %s%s at p99 ≤ %s", bound, whole(search.PerInstance), spec.P99)
		v.Summary += "; " + holds
		if v.Capacity.HeadRoom < 0 {
			v.Reasons = append(v.Reasons, holds+short(spec, *search, v.Capacity))
		} else if spec.Forecast > 0 {
			v.Summary += fmt.Sprintf("; %s forecast needs %s, there are %d (head-room %.0f%%)",
				whole(spec.Forecast), instancesOf(v.Capacity.Needed), instances, 100*v.Capacity.HeadRoom)
		}
	} else if spec.Forecast > 0 && len(v.Reasons) == 0 {
		v.Reasons = append(v.Reasons, fmt.Sprintf("what one instance holds is unknown, so the %s forecast is unproven", whole(spec.Forecast)))
	}
	v.Pass = len(v.Reasons) == 0
	return v
}

// short says by how much the instances are too few.
func short(spec release.Pressure, search Search, c *Capacity) string {
	text := fmt.Sprintf("; %s forecast needs %s, there are %d", whole(spec.Forecast), instancesOf(c.Needed), c.Have)
	if search.PerInstance == 0 {
		text = fmt.Sprintf("; no number of instances carries the %s forecast", whole(spec.Forecast))
	}
	if search.GeneratorBound {
		text += " (the load generator was at its own limit: an instance may hold more than this machine can prove)"
	}
	return text
}

func capacity(spec release.Pressure, search Search, instances int) *Capacity {
	c := &Capacity{PerInstance: search.PerInstance, Have: instances, LowerBound: search.LowerBound}
	switch {
	case spec.Forecast <= 0:
	case search.PerInstance <= 0:
		c.HeadRoom = -1
	default:
		c.Needed = int(min(math.Ceil(float64(spec.Forecast/search.PerInstance)), math.MaxInt32))
		c.HeadRoom = float64(search.PerInstance)*float64(instances)/float64(spec.Forecast) - 1
	}
	return c
}

func instancesOf(n int) string {
	if n == 1 {
		return "1 instance"
	}
	return fmt.Sprintf("%d instances", n)
}

// whole is a rate without decimals nobody wants to read.
func whole(r release.Rate) string {
	if r < 10 {
		return fmt.Sprintf("%.1f/s", float64(r))
	}
	return fmt.Sprintf("%.0f/s", math.Floor(float64(r)))
}

// percent is a share to a hundredth of a percent, which is enough to read.
func percent(s release.Share) release.Share {
	return release.Share(math.Round(float64(s)*1e4) / 1e4)
}
