package pressure

import (
	"context"
	"errors"
	"io"
	"math"
	"net/http"
	"sync/atomic"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"github.com/skyisland/skyisland/internal/release"
)

const (
	// lateness is how much after its time a request may be sent and still count as sent on time.
	lateness = 10 * time.Millisecond
	// maxWorkers bounds requests under way, and with them connections. At the highest rate of a
	// manifest, 20,000/s, it lets every request take 0.8 s.
	maxWorkers = 16_384
	minWorkers = 64
	// maxAnswer is the most of one answer that is read.
	maxAnswer = 4 << 20
)

// attack sends an open-loop load at a rate for a time, evenly over the endpoints, and measures it.
// It stops early once the bounds of the spec can no longer be met.
func (j Job) attack(ctx context.Context, endpoints []string, rate release.Rate, span time.Duration) (Measured, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	planned := max(int(float64(rate)*span.Seconds()), 1)
	timeout := timeoutFor(j.Spec.P99.Std())
	workers := min(max(int(math.Ceil(float64(rate)*timeout.Seconds()*1.1)), minWorkers), maxWorkers)
	lane := newLane(ctx, timeout, workers)
	lane.transport.DialContext = j.dial
	defer lane.transport.CloseIdleConnections()

	attacker := vegeta.NewAttacker(
		vegeta.Client(&http.Client{
			Transport:     lane,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}),
		vegeta.Workers(uint64(min(workers, minWorkers))), vegeta.MaxWorkers(uint64(workers)), vegeta.MaxBody(0),
	)
	m := newMeter(j.Spec, rate, planned)
	results := attacker.Attack(j.targeter(endpoints), pace{ctx, float64(rate), uint64(planned)}, span, "")
	// The generator may be asleep until its next request; it ends by itself, and what it still
	// reports is nobody's.
	defer func() {
		attacker.Stop()
		go func() {
			for range results {
			}
		}()
	}()
	for {
		select {
		case <-ctx.Done():
			return Measured{}, ctx.Err()
		case r, open := <-results:
			if !open {
				return m.measured(lane.peak.Load() >= int64(workers)), ctx.Err()
			}
			m.add(r)
			if m.hopeless() {
				return m.measured(lane.peak.Load() >= int64(workers)), nil
			}
		}
	}
}

// timeoutFor is when a request counts as failed: well after it was too slow, so that the measured
// latency still says something.
func timeoutFor(p99 time.Duration) time.Duration {
	return min(max(4*p99, time.Second), 30*time.Second)
}

// targeter gives requests in turn, each to the next endpoint.
func (j Job) targeter(endpoints []string) vegeta.Targeter {
	var n atomic.Uint64
	return func(t *vegeta.Target) error {
		i := n.Add(1) - 1
		r := j.Requests[(i/uint64(len(endpoints)))%uint64(len(j.Requests))]
		t.Method = r.Method
		if t.Method == "" {
			t.Method = http.MethodGet
		}
		t.URL = "http://" + endpoints[i%uint64(len(endpoints))] + r.Path
		t.Body = r.Body
		t.Header = r.Header.Clone()
		if t.Header == nil {
			t.Header = http.Header{}
		}
		t.Header.Set("User-Agent", "skyisland-pressure")
		if j.Host != "" {
			t.Header.Set("Host", j.Host)
		}
		return nil
	}
}

// pace sends the nth request n/rate after the beginning, until all are sent or ctx ends.
type pace struct {
	ctx     context.Context //nolint:containedctx // It lives as long as one attack, whose interface has no context.
	rate    float64
	planned uint64
}

// Pace implements [vegeta.Pacer].
func (p pace) Pace(elapsed time.Duration, hits uint64) (time.Duration, bool) {
	if hits >= p.planned || p.ctx.Err() != nil {
		return 0, true
	}
	return p.due(hits) - elapsed, false
}

// Rate implements [vegeta.Pacer].
func (p pace) Rate(time.Duration) float64 { return p.rate }

func (p pace) due(n uint64) time.Duration {
	return time.Duration(float64(n) / p.rate * float64(time.Second))
}

// lane carries the requests of one attack. The generator knows no context, so requests get theirs
// here: they end with the attack, or at their time-out.
type lane struct {
	ctx       context.Context //nolint:containedctx // See pace.
	transport *http.Transport
	timeout   time.Duration
	under     atomic.Int64
	peak      atomic.Int64
}

func newLane(ctx context.Context, timeout time.Duration, workers int) *lane {
	return &lane{ctx: ctx, timeout: timeout, transport: &http.Transport{
		MaxIdleConnsPerHost: workers, MaxResponseHeaderBytes: 64 << 10, DisableCompression: true,
	}}
}

// RoundTrip implements [http.RoundTripper].
func (l *lane) RoundTrip(req *http.Request) (*http.Response, error) {
	now := l.under.Add(1)
	for peak := l.peak.Load(); now > peak && !l.peak.CompareAndSwap(peak, now); peak = l.peak.Load() {
	}
	ctx, cancel := context.WithTimeout(l.ctx, l.timeout)
	end := func() {
		cancel()
		l.under.Add(-1)
	}
	res, err := l.transport.RoundTrip(req.WithContext(ctx))
	if err != nil {
		end()
		return nil, err
	}
	res.Body = &answer{ReadCloser: res.Body, left: maxAnswer, end: end}
	return res, nil
}

var errTooLong = errors.New("the answer is longer than 4 MiB")

// answer is a body that is bounded and ends its request's context when it is closed.
type answer struct {
	io.ReadCloser
	left int
	end  func()
}

// Read implements [io.Reader].
func (a *answer) Read(p []byte) (int, error) {
	n, err := a.ReadCloser.Read(p)
	if a.left -= n; a.left < 0 {
		return n, errTooLong
	}
	return n, err
}

// Close implements [io.Closer].
func (a *answer) Close() error {
	defer a.end()
	return a.ReadCloser.Close()
}
