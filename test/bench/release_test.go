package bench_test

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"

	"github.com/skyisland/skyisland/internal/canary"
	"github.com/skyisland/skyisland/internal/release"
)

const benchComponent = "function"

var benchLane = release.Lane{Tenant: "bench", Application: "nothing", Environment: "production"}

// benchSpec is an application with nothing to wait for: no build, no tests, no cases, no pressure, and
// four steps without a bake.
func benchSpec() release.Spec {
	component := release.Component{
		Name: benchComponent, Path: ".", Ingress: release.Ingress{Path: "/"},
		Build: release.Build{Timeout: release.Duration(time.Minute)},
		Test:  release.Command{Timeout: release.Duration(time.Minute)},
		Run: release.Run{
			Command: []string{"bin/function"}, Health: "/healthz", Instances: 1,
			Start: release.Duration(30 * time.Second), Drain: release.Duration(10 * time.Second),
		},
	}
	return release.Spec{
		Lane: benchLane, Branch: "main", Concurrency: release.Supersede, Units: []string{"local"}, Components: []release.Component{component},
		Ramp: release.Ramp{Steps: []release.Weight{100, 500, 2000, 5000}, Patience: release.Duration(30 * time.Minute), Sticky: release.StickyRequest},
		Analysis: release.Analysis{
			ErrorMargin: 0.0005, LatencyQuantile: 99, LatencyMargin: 0.2, FalseRollback: 0.01, Detect: 0.05,
			Blind: release.Duration(30 * time.Second), BlindBack: release.Duration(5 * time.Minute),
		},
		Freeze: release.HoldFreeze,
	}
}

func benchRequest(at time.Time) release.Request {
	return release.Request{
		Key: "bench", Lane: benchLane, Repository: "http://127.0.0.1/git/bench/nothing.git", Ref: "refs/heads/main",
		Commit: strings.Repeat("0123456789", 4), Message: "A change", Requester: release.Actor{Name: "bench", Source: "github"},
		At: at, Concurrency: release.Supersede,
	}
}

// benchStable is what served before, so that there is something to ramp from.
func benchStable() map[string]release.Revision {
	spec := benchSpec()
	revision := release.NewRevision(benchComponent, digestOf("old"), spec.Components[0].Run, strings.Repeat("9876543210", 4))
	revision.Ingress = spec.Components[0].Ingress
	return map[string]release.Revision{benchComponent: revision}
}

func digestOf(content string) release.Digest {
	sum := sha256.Sum256([]byte(content))
	return release.Digest("sha256:" + hex.EncodeToString(sum[:]))
}

// defaultPlan is that of a release with the ramp and the analysis that a manifest has when it says nothing.
func defaultPlan() release.Plan {
	spec := benchSpec()
	spec.Ramp.Bake, spec.Ramp.Probe = release.Duration(2*time.Minute), release.Duration(30*time.Second)
	id := release.ID{Lane: benchLane, Number: 1}
	return release.Foresee(id, benchRequest(time.Now().UTC()), spec)
}

// rampRoute is a route as the workflow of such a release gives it to one of so many gateways; the canary is left out at 0 %.
// The first of a ramp is Fresh besides.
func rampRoute(plan release.Plan, gateways int, r release.Route, candidate release.Target) release.Route {
	r.Guard, r.Sticky, r.WarmUp = planGuard(plan, gateways), plan.Ramp.Sticky, plan.Ramp.Probe
	r.Latency = &release.LatencyBound{Quantile: plan.Analysis.LatencyQuantile, Margin: float64(plan.Analysis.LatencyMargin)}
	r.Salt = "salt of " + r.Release
	if r.Weight > release.NoWeight {
		r.Canary = &candidate
	}
	if r.Weight > release.NoWeight && r.Weight < release.FullWeight {
		r.Lease = release.Duration(benchLease)
	}
	return r
}

// planGuard is what workflows give each gateway of a route: all of them share a half of the plan's false rollbacks.
func planGuard(plan release.Plan, gateways int) *release.Guard {
	config := canary.ForPlan(plan).Halved()
	return &release.Guard{
		FalseRollback: config.Alpha / float64(gateways), ErrorMargin: config.Streams[canary.StreamError].Margin,
		Steps: config.Steps, Planned: release.Duration(config.Planned),
	}
}
