package bench_test

import (
	"flag"
	"fmt"
	"os"
	"testing"
	"time"
)

// What can be said on the command line, as in `make bench BENCH_ARGS="-rollbacks 200"`.
var (
	rollbacks  = flag.Int("rollbacks", 100, "how many releases are rolled back by an alarm")
	rate       = flag.Int("rate", 300, "requests a second while releases are rolled back by an alarm")
	badRuns    = flag.Int("bad-runs", 20, "how many releases fail every request")
	pairs      = flag.Int("pairs", 30, "how many releases and bare workflows are compared")
	changes    = flag.Int("changes", 600, "how many times a route changes")
	guardRuns  = flag.Int("guard-runs", 15, "how many releases a gateway cuts off by itself, for each weight, rate and fault")
	shifts     = flag.Int("shifts", 1000, "how many times a route changes while requests that must not be sent twice and WebSockets go on")
	rounds     = flag.Int("rounds", 7, "how many turns each proxy gets")
	requests   = flag.Int64("requests", 200_000, "how many requests go through one gateway while releases roll on 22 routes; the bar is 10,000,000")
	deliveries = flag.Int("deliveries", 200, "how many webhooks are delivered")
	intakeRate = flag.Int("intake-rate", 2000, "how many signed pushes come a second")
	intakeFor  = flag.Duration("intake-for", 10*time.Second, "for how long they come, in whole seconds")
	presses    = flag.Int("presses", 80, "how many times somebody approves in Slack")
	profiles   = flag.String("profiles", "", "a folder for CPU profiles of the proxies; none are written when empty")
)

// roleVariable says which part of a measurement this process plays; unset, it is the measurement.
// Proxies, backends and instances are processes of their own, so that each one's CPU is its own.
const roleVariable = "SKYISLAND_BENCH_ROLE"

func TestMain(m *testing.M) {
	role := os.Getenv(roleVariable)
	if role == "" {
		os.Exit(m.Run())
	}
	if err := play(role); err != nil {
		fmt.Fprintf(os.Stderr, "bench, as %s: %v\n", role, err)
		os.Exit(1)
	}
}

// BenchmarkSkyIsland measures everything and prints one table at the end. Each part is a
// sub-benchmark, to be had alone with make bench BENCH=/gateway and the like.
func BenchmarkSkyIsland(b *testing.B) {
	r := newReport()
	for _, part := range []struct {
		name    string
		measure func(*testing.B, *report)
	}{
		{"gateway", benchGateway}, {"handler", benchHandler}, {"routes", benchRoutes}, {"policy", benchPolicy}, {"intake", benchIntake}, {"program", benchProgram},
	} {
		b.Run(part.name, func(b *testing.B) { part.measure(b, r) })
	}
	r.print(os.Stdout)
}
