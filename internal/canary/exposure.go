package canary

import "math"

// mostBadShown bounds [DeadCanary]: no weight below one half needs more, and above it there is hardly anything to
// compare with.
const mostBadShown = 1000

// DeadCanary is how many bad answers a canary at weight w (over 0, under 1) gives that fails every request from its first
// one on, while stable fails none, before it is rolled back (canary-analysis.md section 3). Only the stake of the start is
// counted: more cash is in play later, and fewer bad answers are enough. It is [mostBadShown] where more would be needed.
func DeadCanary(cfg Config, w float64) int {
	owned := newWealth(&cfg)
	stake := stakeStart
	if cfg.WarmUp == 0 {
		stake += stakeWarm
	}
	if cfg.Steps == 1 {
		stake += stakeSteps
	}
	owned.inject(stake)
	sc := cfg.Streams[StreamError]
	under := make([]odds, len(sc.Grid))
	for j, r := range sc.Grid {
		under[j] = oddsFor(sc, r, w)
	}
	for n := 1; n < mostBadShown; n++ {
		owned.bet(int(StreamError), under, 1, 0, 0)
		lnM, _ := owned.evidence(&cfg)
		if int64(n) >= cfg.MinBad && lnM >= -math.Log(cfg.Alpha) {
			return n
		}
	}
	return mostBadShown
}
