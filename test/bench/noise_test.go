package bench_test

import (
	"context"
	"sync"
	"time"
)

// probeEvery is how often the machine is asked how late it is.
const probeEvery = 2 * time.Millisecond

// noise is how late timers of this process went off while something was measured. It is what the
// machine adds to every step of a measurement, whatever is measured.
type noise struct {
	stop    context.CancelFunc
	probing sync.WaitGroup
	late    []time.Duration
}

func startNoise(ctx context.Context) *noise {
	ctx, stop := context.WithCancel(ctx)
	n := &noise{stop: stop}
	n.probing.Go(func() {
		timer := time.NewTimer(probeEvery)
		defer timer.Stop()
		for {
			due := time.Now().Add(probeEvery)
			timer.Reset(probeEvery)
			select {
			case <-ctx.Done():
				return
			case <-timer.C:
				n.late = append(n.late, time.Since(due))
			}
		}
	})
	return n
}

// end adds a line to the report.
func (n *noise) end(r *report, what string) {
	n.stop()
	n.probing.Wait()
	r.add(what+": lateness of a timer meanwhile", "p50 %.1f ms, p99 %.1f ms, most %.0f ms",
		ms(median(n.late)), ms(quantile(n.late, 0.99)), ms(quantile(n.late, 1)))
}
