// Package backtest judges a recorded or made stream of outcomes as the product would have judged the requests themselves.
package backtest

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/skyisland/skyisland/internal/canary"
	"github.com/skyisland/skyisland/internal/release"
)

// Bounds of what is read: a line is cut off from where no outcome is that long, and the lines are held in memory.
const (
	longestLine = 64 << 10
	mostLines   = 5_000_000
	longestSpan = 31 * 24 * time.Hour
)

// outcome is one request, or a change of the weight alone.
type outcome struct {
	at      time.Time
	latency time.Duration
	weight  release.Weight
	arm     canary.Arm
	result  canary.Result
	// request is false for a line that says nothing but a weight, and drawn for a request that a pin sent to its arm.
	request, drawn bool
	session        string
}

// line is an outcome as it is written: in its own form, or as a gateway's access log has it.
type line struct {
	Time    *time.Time        `json:"time"`
	Arm     string            `json:"arm"`
	Class   string            `json:"class"`
	Latency *release.Duration `json:"latency"`
	Weight  *release.Weight   `json:"weight"`
	Session string            `json:"session"`
	// The access log's.
	Arrived *time.Time `json:"arrived"`
	TotalMS *float64   `json:"total_ms"`
	Route   string     `json:"route"`
	Pinned  bool       `json:"pinned"`
	Retries int        `json:"retries"`
}

// refused is the class of requests that a gateway let nobody answer; they are nobody's evidence.
const refused = "refused"

// classes are how a request may have ended, as metrics and access logs spell it.
func classes() map[string]canary.Result {
	return map[string]canary.Result{
		"ok": canary.Answered, "1xx": canary.Answered, "2xx": canary.Answered, "3xx": canary.Answered,
		"4xx": canary.Refused, "5xx": canary.Failed, "connect": canary.Failed, "timeout": canary.Failed, "broken": canary.Failed,
		"aborted": canary.Aborted, "open": canary.Aborted,
	}
}

// read returns the outcomes of a route, or of all that there are for "", by their time. Lines without one, such as others
// of a log, are an error that names the line.
func read(in io.Reader, route string) ([]outcome, error) {
	var out []outcome
	known := classes()
	lines := bufio.NewScanner(in)
	lines.Buffer(make([]byte, 0, 4096), longestLine)
	n := 0
	for lines.Scan() {
		n++
		text := bytes.TrimSpace(lines.Bytes())
		if len(text) == 0 {
			continue
		}
		var l line
		if err := json.Unmarshal(text, &l); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		if route != "" && l.Route != "" && l.Route != route || l.Class == refused {
			continue
		}
		o, err := l.outcome(known)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		if out = append(out, o); len(out) > mostLines {
			return nil, fmt.Errorf("line %d: there are more than %d", n, mostLines)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("line %d: %w", n+1, err)
	}
	// A log has its lines in the order in which requests ended.
	slices.SortStableFunc(out, func(a, b outcome) int { return a.at.Compare(b.at) })
	if n := len(out); n > 0 && out[n-1].at.Sub(out[0].at) > longestSpan {
		return nil, fmt.Errorf("it reaches from %s to %s: want at most %d days", out[0].at.Format(time.RFC3339), out[n-1].at.Format(time.RFC3339), longestSpan/(24*time.Hour))
	}
	return out, nil
}

func (l line) outcome(known map[string]canary.Result) (outcome, error) {
	o := outcome{weight: -1, session: l.Session, drawn: !l.Pinned}
	at := cmp.Or(l.Arrived, l.Time) // the time of a log's line is when it was written
	if at == nil || at.Year() < 1970 || at.Year() > 9999 {
		return o, errors.New(`it has no time: write when the request arrived as "time": "2026-11-27T12:00:00.250Z"`)
	}
	o.at = *at
	if l.Weight != nil {
		if !l.Weight.Valid() {
			return o, errors.New(`its weight is none: write the canary's part as "weight": "5%"`)
		}
		o.weight = *l.Weight
	}
	if l.Arm == "" && l.Class == "" && l.Weight != nil {
		return o, nil
	}
	o.request = true
	switch l.Arm {
	case "stable":
	case "canary":
		o.arm = canary.Canary
	default:
		return o, fmt.Errorf(`its arm is %q: write "stable" or "canary"`, l.Arm)
	}
	result, ok := known[l.Class]
	if !ok {
		return o, fmt.Errorf(`its class is %q: write ok, 4xx, 5xx, timeout, connect, broken or aborted`, l.Class)
	}
	if o.result = result; l.Retries > 0 {
		o.result = canary.Failed // the first attempt was, which is what a gateway counts
	}
	switch {
	case l.Latency != nil:
		o.latency = l.Latency.Std()
	case l.TotalMS != nil:
		o.latency = time.Duration(*l.TotalMS * float64(time.Millisecond))
	default:
		return o, errors.New(`it has no latency: write "latency": "12ms"`)
	}
	if o.latency < 0 || o.latency > 24*time.Hour {
		return o, fmt.Errorf("its latency is %s: want 0 to 24h", o.latency)
	}
	return o, nil
}
