package policy_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skyisland/skyisland/internal/policy"
)

// inProcess is a client whose server answers without a network, so that the bubble's clock can run.
func inProcess(server http.Handler) *http.Client { return &http.Client{Transport: transport{server}} }

type transport struct{ server http.Handler }

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	answer := httptest.NewRecorder()
	t.server.ServeHTTP(answer, r)
	return answer.Result(), nil
}

// waits are the waits before each of n looks that a server answers as it likes, the first of them after a start.
func waits(t *testing.T, n int, poll time.Duration, answer func(look int, w http.ResponseWriter)) []time.Duration {
	t.Helper()
	good := &bundleServer{}
	good.set(tarball(t, onlyYes()))
	var out []time.Duration
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		started, last := false, time.Now()
		web := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !started {
				started = true
				good.ServeHTTP(w, r)
				return
			}
			out = append(out, time.Since(last))
			last = time.Now()
			if len(out) == n {
				cancel()
			}
			answer(len(out), w)
		})
		e, err := policy.New(policy.Options{
			Server: &policy.Server{URL: "https://rules.example", Cache: filepath.Join(t.TempDir(), "b"), Poll: poll, Client: inProcess(web)}, Timeout: time.Hour,
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := e.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	return out
}

func TestAServerIsAskedAtItsPace(t *testing.T) {
	status := func(code int) func(int, http.ResponseWriter) {
		return func(_ int, w http.ResponseWriter) { w.WriteHeader(code) }
	}
	putOff := func(after string) func(int, http.ResponseWriter) {
		return func(_ int, w http.ResponseWriter) {
			w.Header().Set("Retry-After", after)
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}
	const s, minute = time.Second, time.Minute
	for _, c := range []struct {
		name   string
		poll   time.Duration
		answer func(int, http.ResponseWriter)
		// want are the waits without chance; exact says that chance only makes them longer.
		want  []time.Duration
		exact int
	}{
		{"nothing new", 0, status(http.StatusNotModified), []time.Duration{5 * s, 5 * s, 5 * s}, 9},
		{"as often as it is told", 2 * s, status(http.StatusNotModified), []time.Duration{2 * s, 2 * s, 2 * s}, 9},
		{"away", 0, status(http.StatusBadGateway), []time.Duration{5 * s, 5 * s, 10 * s, 20 * s, 40 * s, 80 * s, 2 * minute, 2 * minute}, 9},
		{"away with a longer pace", 20 * minute, status(http.StatusBadGateway), []time.Duration{20 * minute, 20 * minute, 20 * minute}, 9},
		{"away, then back", 10 * s, func(look int, w http.ResponseWriter) {
			w.WriteHeader(map[bool]int{true: http.StatusBadGateway, false: http.StatusNotModified}[look <= 3])
		}, []time.Duration{10 * s, 10 * s, 20 * s, 40 * s, 10 * s, 10 * s}, 9},
		{"put off", 10 * s, putOff("100"), []time.Duration{10 * s, 100 * s, 100 * s}, 1},
		{"put off for less than its pace", 10 * s, putOff("1"), []time.Duration{10 * s, 10 * s}, 9},
		{"put off for a day", 10 * s, putOff("86400"), []time.Duration{10 * s, 2 * minute, 2 * minute}, 1},
		{"put off until a moment", 10 * s, func(_ int, w http.ResponseWriter) {
			// The header has whole seconds, so the moment is up to one second nearer.
			w.Header().Set("Retry-After", time.Now().Add(101*s).UTC().Format(http.TimeFormat))
			w.WriteHeader(http.StatusTooManyRequests)
		}, []time.Duration{10 * s, 100 * s}, 1},
		{"put off by nonsense", 10 * s, putOff("-5"), []time.Duration{10 * s, 10 * s}, 9},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := waits(t, len(c.want), c.poll, c.answer)
			for i, want := range c.want {
				low, high := want*8/10, want*12/10+s
				if i >= c.exact {
					low = want
				}
				if got[i] < low || got[i] > high {
					t.Errorf("wait %d is %s, want from %s to %s: %v", i, got[i], low, high, got)
				}
			}
		})
	}
}

func TestManyServersDoNotAskAtOnce(t *testing.T) {
	got := waits(t, 8, 0, func(_ int, w http.ResponseWriter) { w.WriteHeader(http.StatusNotModified) })
	different := map[time.Duration]bool{}
	for _, wait := range got {
		different[wait] = true
	}
	if len(different) < 4 {
		t.Errorf("the waits are the same: %v", got)
	}
}

func TestAPaceOutOfBoundsIsRefused(t *testing.T) {
	for _, poll := range []time.Duration{-time.Second, time.Millisecond, 2 * time.Hour} {
		if _, err := policy.New(policy.Options{Server: &policy.Server{URL: "https://x", Cache: "x", Poll: poll}}); err == nil {
			t.Errorf("a poll of %s was taken", poll)
		}
	}
}
