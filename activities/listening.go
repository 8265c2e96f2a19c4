package activities

import (
	"context"
	"time"
)

// listen asks one gateway again and again, and sends what it says.
func listen(ctx context.Context, observer Observer, release string, after map[string]Cursor, news chan<- heard) {
	if after == nil {
		after = map[string]Cursor{}
	}
	const least, most = 50 * time.Millisecond, time.Second
	pause := least
	for ctx.Err() == nil {
		observations, err := observer.Observe(ctx, release, after, observeFor)
		if err != nil {
			// A gateway that is away is silent, which the test notices by itself.
			if !wait(ctx, pause) {
				return
			}
			pause = min(2*pause, most)
			continue
		}
		pause = least
		for _, o := range observations {
			after[o.Key] = o.Next
		}
		select {
		case news <- heard{observer, observations}:
		case <-ctx.Done():
			return
		}
		if len(observations) == 0 && !wait(ctx, pause) {
			return
		}
	}
}

// wait waits for a moment; false when ctx ended first.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
