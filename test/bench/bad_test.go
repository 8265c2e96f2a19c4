package bench_test

import (
	"fmt"
	"testing"

	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/test/island"
)

const (
	// badRate is the load under which a canary fails, in requests a second, and badBar how many bad
	// answers may reach clients then.
	badRate = 200
	badBar  = 10
	// everyClient is a header that every client sends: a function that fails on it fails for all of them
	// and passes its health check, which is another path.
	everyClient = "User-Agent"
)

// benchBad lets releases go to 5 % that fail every request, and counts the bad answers that clients
// got until each was rolled back.
func benchBad(b *testing.B, r *report, world *island.Island) {
	repo := world.Repo(b, "bench", "bad")
	repo.Release(island.Version("stable")).WaitEnd(release.Completed)
	clients := startCrowd(b, repo.Entry("", "web"), badRate)
	defer clients.end()
	var bad []int
	for b.Loop() {
		for n := range *badRuns {
			m := island.Version(fmt.Sprintf("bad %d", n), "FAIL_HEADER", everyClient)
			m.Ramp = fmt.Sprintf(longRamp, "5%")
			status := repo.Release(m).WaitEnd(release.RolledBack)
			bad = append(bad, clients.of(status.Moves[0].Candidate.ID).failed)
		}
	}
	clients.end()
	all := 0
	for _, n := range bad {
		all += n
	}
	r.judge("bad answers until rollback, most", "<= 10", quantile(bad, 1) <= badBar,
		"%d (median %d, %d releases that fail every request, at 5 %% of %d requests/s)", quantile(bad, 1), median(bad), len(bad), badRate)
	r.judge("bad answers that no bad release gave", "0", clients.failures() == all, "%d", clients.failures()-all)
	b.ReportMetric(float64(quantile(bad, 1)), "most-bad")
	b.ReportMetric(float64(median(bad)), "median-bad")
	b.ReportMetric(0, "ns/op")
}
