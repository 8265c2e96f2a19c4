// Package canary judges a canary against stable by one idea: the gateway draws the arm of every request
// at random, so when a bad request is seen and the canary is no worse than stable, the canary served it
// with a chance of at most its weight. The package bets that the canary owns too many of the bad
// requests, and the wealth of that bet is the evidence.
//
// Whatever hits both versions alike (an outage of a dependency, a burst of traffic, broken clients)
// cancels, because both arms live through the same second. The evidence may be looked at after every
// request: over all streams, steps and looks of one release attempt together, a canary that is within
// its margins is rolled back with a probability of at most [Config.Alpha].
//
// Two programs use the package. The gateway classifies requests ([Latencies], [Thresholds], [Marks]) and
// counts them into a [Batch]; the watcher merges the batches of all gateways into one [Test] and asks it
// for a [Verdict]. Everything is pure: time is an argument, nothing is logged, nothing waits, and no
// type is safe for concurrent use unless its documentation says so.
//
// One Test may judge several routes in several units, because every verdict carries the weight version
// it was assigned under, and all units give one version the same weight. Alpha is then the bound for
// the whole release. Their senders need names of their own: routes times gateways.
package canary
