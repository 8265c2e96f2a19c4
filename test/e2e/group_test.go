package e2e

import (
	"testing"

	"github.com/skyisland/skyisland/internal/dispatch"
	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/test/island"
)

// group releases two components to two units: all four move in lock-step, and one that is bad takes the
// other three back with it.
func group(t *testing.T, i *island.Island) {
	both := func(version string, badEnv ...string) island.Manifest {
		m := island.Manifest{Components: []island.Component{
			island.Function("front", version), island.Function("rear", version, badEnv...),
		}}
		return in(m, unitA, unitB)
	}
	repo := i.Repo(t, tenant, "group")
	repo.Release(both("v1")).WaitEnd(release.Completed)
	var loads []*island.Load
	for _, unit := range []string{unitA, unitB} {
		for _, component := range []string{"front", "rear"} {
			loads = append(loads, island.StartLoad(t, repo.Entry(unit, component), 30, map[string][]string{"X-Real": {"yes"}}))
		}
	}

	good := repo.Release(ramped(both("v2"), holding))
	good.WaitWeight(half)
	var version int64
	for _, unit := range i.Units {
		routes := i.Routes(t, unit, repo.Lane)
		if len(routes) != 2 {
			t.Errorf("unit %s has %d routes, want 2", unit.Name, len(routes))
		}
		for key, route := range routes {
			if version == 0 {
				version = route.Route.Version
			}
			if route.Weight != half || route.Route.Version != version {
				t.Errorf("%s in unit %s is at %s of version %d, the others at %s of version %d", key, unit.Name, route.Weight, route.Route.Version, half, version)
			}
		}
	}
	good.Instruct(dispatch.Promote)
	good.WaitEnd(release.Completed)
	stable := i.Settled(t, repo.Lane)
	for _, load := range loads {
		noneBad(t, load.Report())
	}

	bad := repo.Release(ramped(both("v3", "FAIL_HEADER", "X-Real"), holding)).WaitEnd(release.RolledBack)

	caused(t, bad, release.CauseEvidence)
	after := i.Settled(t, repo.Lane)
	if after["front"] != stable["front"] || after["rear"] != stable["rear"] {
		t.Errorf("after the rollback %v serve, want %v", after, stable)
	}
	for _, unit := range []string{unitA, unitB} {
		island.Serves(t, repo.Entry(unit, "front"), "v2")
		island.Serves(t, repo.Entry(unit, "rear"), "v2")
	}
	for n, load := range loads {
		for _, one := range load.Stop().Bad {
			if one.Body != "version v3 fails" || n%2 == 0 {
				t.Errorf("a bad answer that is not the bad version's: %s", one)
			}
		}
	}
	i.Gone(t, repo.Lane, stable["front"], stable["rear"])
}
