package runtime

import "time"

const (
	// firstWait and lastWait bound the wait before an instance is started again; steady is how long
	// it must have been healthy for its past to be forgotten.
	firstWait = 100 * time.Millisecond
	lastWait  = 30 * time.Second
	steady    = 60 * time.Second
	// crashes is how many exits in a row without ever being healthy mean that a revision does not start.
	crashes = 3
)

// backoff is how long to wait before the attempt after n failures in a row, n from 1.
func backoff(n int) time.Duration {
	wait := firstWait
	for ; n > 1 && wait < lastWait; n-- {
		wait *= 2
	}
	return min(wait, lastWait)
}
