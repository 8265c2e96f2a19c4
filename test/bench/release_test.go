package bench_test

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"

	"github.com/skyisland/skyisland/internal/release"
)

const benchComponent = "function"

var benchLane = release.Lane{Tenant: "bench", Application: "nothing", Environment: "production"}

// benchSpec is an application with nothing to wait for: no build, no tests, no cases, no pressure, and
// four steps without a bake.
func benchSpec() release.Spec {
	component := release.Component{
		Name: benchComponent, Path: ".", Ingress: release.Ingress{Path: "/"},
		Build: release.Command{Timeout: release.Duration(time.Minute)},
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
