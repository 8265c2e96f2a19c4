package activities

import (
	"context"
	"sync/atomic"
	"time"

	"go.temporal.io/sdk/activity"
)

// beatEvery is how often long work says that it is alive; the SDK sends fewer when it may.
const beatEvery = time.Second

// beat heartbeats until stop is called, which is also what lets a cancellation reach the work. What
// was said last goes along and shows in the Temporal UI.
func beat(ctx context.Context) (say func(string), stop func()) {
	var last atomic.Pointer[string]
	done := make(chan struct{})
	send := func() {
		if text := last.Load(); text != nil {
			activity.RecordHeartbeat(ctx, *text)
			return
		}
		activity.RecordHeartbeat(ctx)
	}
	go func() {
		tick := time.NewTicker(beatEvery)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-ctx.Done():
				return
			case <-tick.C:
				send()
			}
		}
	}()
	say = func(text string) {
		last.Store(&text)
		send()
	}
	return say, func() { close(done) }
}
