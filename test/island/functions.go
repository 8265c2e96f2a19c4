package island

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/gateway"
	"github.com/skyisland/skyisland/internal/release"
)

// Instance is a function that the program runs.
type Instance struct {
	Unit     string
	Revision string
	PID      int
}

// Instances are the functions that the program has written down for a lane, also while it is down. One
// that is retired is not among them any more.
func (i *Island) Instances(lane release.Lane) []Instance {
	i.t.Helper()
	const unit, revision = 4, 0 // counted from the end: unit/tenant/application/environment/revision
	files, err := filepath.Glob(filepath.Join(i.Data, "runtime", "revisions", "*", filepath.FromSlash(lane.String()), "*", "*", "state.json"))
	if err != nil {
		i.t.Fatal(err)
	}
	var out []Instance
	for _, file := range files {
		data, err := os.ReadFile(file)
		if errors.Is(err, os.ErrNotExist) {
			continue // retired meanwhile
		}
		var state struct {
			PID int `json:"pid"`
		}
		if err == nil {
			err = json.Unmarshal(data, &state)
		}
		if err != nil {
			i.t.Fatalf("read instance %s: %v", file, err)
		}
		parts := strings.Split(filepath.ToSlash(filepath.Dir(filepath.Dir(file))), "/")
		out = append(out, Instance{Unit: parts[len(parts)-1-unit], Revision: parts[len(parts)-1-revision], PID: state.PID})
	}
	return out
}

// Alive says whether there is a process with a number.
func Alive(pid int) bool { return !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }

// Get asks once, as a client.
func Get(t testing.TB, url string, header http.Header) (Answer, http.Header) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), clientPatience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range header {
		request.Header[name] = values
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, got, err := read(client, request)
	if err != nil {
		t.Fatal(err)
	}
	return answer, got
}

// Serves fails the test unless a version answers at a URL.
func Serves(t testing.TB, url, version string) {
	t.Helper()
	if got, _ := Get(t, url, nil); got.Status != http.StatusOK || got.Body != version {
		t.Errorf("%s answers %d %q, want version %s", url, got.Status, got.Body, version)
	}
}

// Settled fails the test unless every gateway gives the routes of a lane no weight between 0 and 100 %,
// and returns the one revision that serves each component, which has to be the same in every unit.
func (i *Island) Settled(t testing.TB, lane release.Lane) map[string]string {
	t.Helper()
	serving := map[string]string{}
	for _, unit := range i.Units {
		for key, route := range i.Routes(t, unit, lane) {
			component := strings.TrimPrefix(key, lane.String()+"/")
			if route.Weight != release.NoWeight && route.Weight != release.FullWeight {
				t.Errorf("unit %s gives %s of %s to a canary", unit.Name, route.Weight, key)
			}
			target := route.Route.Stable
			if route.Weight == release.FullWeight {
				target = route.Route.Canary
			}
			name := "nobody"
			if target != nil {
				name = target.Revision
			}
			if before, seen := serving[component]; seen && before != name {
				t.Errorf("%s is served by %s and %s", component, before, name)
			}
			serving[component] = name
		}
	}
	return serving
}

// Routes are the routes of a lane in a unit's gateway, by key.
func (i *Island) Routes(t testing.TB, unit Unit, lane release.Lane) map[string]gateway.RouteState {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	state, err := unit.Admin.State(ctx)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]gateway.RouteState{}
	for _, route := range state.Routes {
		if strings.HasPrefix(route.Route.Key, lane.String()+"/") {
			out[route.Route.Key] = route
		}
	}
	return out
}

// Gone waits until the program runs nothing for a lane but the revisions that are named.
func (i *Island) Gone(t testing.TB, lane release.Lane, but ...string) {
	t.Helper()
	Eventually(t, "end of what serves no longer", func() error {
		for _, instance := range i.Instances(lane) {
			if !slices.Contains(but, instance.Revision) {
				return fmt.Errorf("revision %s still runs in unit %s", instance.Revision, instance.Unit)
			}
		}
		return nil
	})
}
