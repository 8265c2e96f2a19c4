package subscription

import (
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// plan are the waits before each attempt, as Standard Webhooks gives them: three days in all.
func plan() []time.Duration {
	return []time.Duration{
		0, 5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour, 10 * time.Hour, 14 * time.Hour,
		20 * time.Hour, 24 * time.Hour,
	}
}

const (
	// spread is how much a wait may be longer or shorter by chance, so that what failed together does not come back together.
	spread = 0.2
	// latest bounds how long a subscriber may ask to be left alone.
	latest = 24 * time.Hour
)

// Lifetime is how long an event is tried at most: the plan at its longest. What waits behind another of its release uses the
// same time up, so that a line behind one that does not arrive moves on too.
func Lifetime() time.Duration {
	var all time.Duration
	for _, pause := range plan() {
		all += pause
	}
	return time.Duration(float64(all) * (1 + spread))
}

// pause is how long to wait after so many attempts; false when the plan is over.
func pause(attempts int) (time.Duration, bool) {
	waits := plan()
	if attempts >= len(waits) {
		return 0, false
	}
	by := 1 - spread + 2*spread*rand.Float64() //nolint:gosec // it only spreads tries in time
	return time.Duration(float64(waits[max(attempts, 0)]) * by), true
}

// retryAfter is when a subscriber wants to be asked again; zero when it does not say. It is a number of seconds or a time.
func retryAfter(header http.Header, now time.Time) time.Time {
	text := strings.TrimSpace(header.Get("Retry-After"))
	if text == "" {
		return time.Time{}
	}
	at, err := http.ParseTime(text)
	if err != nil {
		seconds, err := strconv.ParseInt(text, 10, 64)
		if err != nil || seconds < 0 {
			return time.Time{}
		}
		at = now.Add(time.Duration(min(seconds, int64(latest/time.Second))) * time.Second)
	}
	if last := now.Add(latest); at.After(last) {
		at = last
	}
	if !at.After(now) {
		return time.Time{}
	}
	return at
}
