package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/dispatch"
	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/test/island"
)

// TestKill pulls the plug on one island again and again; whatever was under way then goes on.
func TestKill(t *testing.T) {
	t.Parallel()
	i := island.Start(t, island.Options{Units: []string{unitA}})
	t.Run("in every phase at once", func(t *testing.T) { killInEveryPhase(t, i) })
	t.Run("between a push and its release", func(t *testing.T) { killAfterPush(t, i) })
	t.Run("for longer than the lease", func(t *testing.T) { killPastLease(t, i) })
	t.Run("and once in order", func(t *testing.T) { stopInOrder(t, i) })
	t.Run("every history replays", func(t *testing.T) { histories(t, i, nil) })
}

// underWay is a release that the kill meets.
type underWay struct {
	repo    *island.Repo
	load    *island.Load
	release *island.Release
	// before are its instances just before the kill.
	before []island.Instance
	// goOn does what somebody has to do after the restart; nil for nothing.
	goOn func()
	want release.Phase
}

func killInEveryPhase(t *testing.T, i *island.Island) {
	gate := filepath.Join(t.TempDir(), "gate")
	all := map[string]*underWay{}
	begin := func(name string, m island.Manifest) *underWay {
		repo, load := live(t, i, "kill-"+name, in(island.Version("v1")))
		all[name] = &underWay{repo: repo, load: load, release: repo.Release(in(m)), want: release.Completed}
		return all[name]
	}
	building := begin("build", island.Version("v2").And(
		fmt.Sprintf(`build: {run: [sh, -c, "touch %[1]s.begun; until [ -e %[1]s ]; do sleep 0.1; done"]}`, gate)))
	building.goOn = func() { create(t, gate) }
	island.Eventually(t, "build under way", func() error { _, err := os.Stat(gate + ".begun"); return err })
	asking := begin("approval", island.Version("v2").With("approval: {before: ramp, within: 1h}"))
	asking.goOn = func() { asking.release.Instruct(dispatch.Approve) }
	asking.release.Wait("a question to people", func(s release.Status) bool { return s.Phase == release.Approving && s.Waiting != nil })
	back := begin("rollback", ramped(island.Version("v2"), holding))
	back.want = release.RolledBack
	back.release.WaitWeight(half)
	watched := island.Version("v2")
	// Long enough for the next release to begin meanwhile, also on a machine that has other work.
	watched.Watch = "40s"
	watching := begin("watch", watched)
	ramping := begin("ramp", ramped(island.Version("v2"), "{steps: [50%], bake: 8s, probe: 0s, patience: 2h}"))
	ramping.release.WaitWeight(half)
	watching.release.WaitPhase(release.Watching)
	for _, u := range all {
		u.before = i.Instances(u.repo.Lane)
	}

	back.release.Alarm("OrdersDropped")
	i.Kill()

	for name, u := range all {
		if name == "rollback" {
			continue // its candidate may be retired already
		}
		for _, instance := range u.before {
			if !island.Alive(instance.PID) {
				t.Errorf("%s: process %d of %s ended with the program", name, instance.PID, instance.Revision)
			}
		}
	}
	i.Restart()
	up := time.Now()
	for _, u := range all {
		if u.goOn != nil {
			u.goOn()
		}
	}
	for name, u := range all {
		t.Run(name, func(t *testing.T) { wentOn(t, i, u, up) })
	}
	caused(t, back.release.Status(), release.CauseAlarm, "OrdersDropped")
}

// wentOn fails the test unless a release ended as it should, with the processes that there were, without
// a bad answer since the program was up, and without another release.
func wentOn(t *testing.T, i *island.Island, u *underWay, up time.Time) {
	repo := u.repo.For(t)
	status := repo.At(2).WaitEnd(u.want)
	serving, version := status.Moves[0].Candidate.ID, "v2"
	if u.want == release.RolledBack {
		serving, version = status.Moves[0].Stable.ID, "v1"
	}
	if now := i.Settled(t, repo.Lane)["web"]; now != serving {
		t.Errorf("%s serves, want %s", now, serving)
	}
	island.Serves(t, repo.Entry("", "web"), version)
	i.Gone(t, repo.Lane, serving)
	after := i.Instances(repo.Lane)
	for _, was := range u.before {
		if was.Revision == serving && !slices.Contains(after, was) {
			t.Errorf("process %d of %s is not the one that serves: %v", was.PID, was.Revision, after)
		}
	}
	if bad := u.load.Stop().BadSince(up); len(bad) > 0 {
		t.Errorf("%d bad answers since the program was up, the first: %s", len(bad), bad[0])
	}
	if releases, err := repo.Releases(); err != nil || len(releases) != 2 {
		t.Errorf("%d releases and error %v, want 2", len(releases), err)
	}
}

// killAfterPush kills when git has the commit, and the release may or may not have begun.
func killAfterPush(t *testing.T, i *island.Island) {
	repo, _ := live(t, i, "kill-push", in(island.Version("v1")))
	repo.Write("skyisland.yaml", in(island.Version("v2")).In(repo.Lane))
	commit := repo.Commit("Release v2")
	ref := filepath.Join(i.Data, "git", tenant, "kill-push.git", "refs", "heads", "main")
	pushed := make(chan string, 1)
	go func() {
		// It may fail with the program, or have its answer already: what counts is what git has.
		output, err := repo.TryPush("main")
		pushed <- fmt.Sprint(output, err)
	}()
	island.Eventually(t, "commit in the remote", func() error {
		data, err := os.ReadFile(ref)
		if err == nil && strings.TrimSpace(string(data)) != commit {
			err = fmt.Errorf("the remote has %s", data)
		}
		return err
	})

	i.Kill()
	t.Logf("the push saw: %s", <-pushed)
	i.Restart()

	repo.Find(commit).WaitEnd(release.Completed)
	island.Serves(t, repo.Entry("", "web"), "v2")
	if releases, err := repo.Releases(); err != nil || len(releases) != 2 {
		t.Errorf("%d releases and error %v, want 2", len(releases), err)
	}
}

// killPastLease leaves the program off until the canary's lease has run out: the gateway begins at stable,
// and the ramp anew.
func killPastLease(t *testing.T, i *island.Island) {
	repo, load := live(t, i, "kill-lease", in(island.Version("v1")))
	ramp := repo.Release(in(ramped(island.Version("v2"), "{steps: [50%], bake: 5s, probe: 0s, patience: 2h}")))
	ramp.WaitWeight(half)
	var left time.Duration
	for _, route := range i.Routes(t, i.Units[0], repo.Lane) {
		left = route.LeaseLeft.Std()
	}
	if left <= 0 {
		t.Fatal("the canary has no lease")
	}
	begun := time.Now()

	i.Kill()
	// Renewed at the latest at the kill, for as long as a lease is.
	<-time.After(time.Until(begun.Add(leaseLength)))
	i.Restart()
	up := time.Now()

	wantTold(t, ramp.WaitEnd(release.Completed), "50% to the candidate", "the lease ran out and the gateways returned to stable", "50% to the candidate")
	log, err := os.ReadFile(i.Log)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(log), "lease ran out while the gateway was down, traffic is back on stable") {
		t.Error("the gateway did not begin at stable")
	}
	if bad := load.Stop().BadSince(up); len(bad) > 0 {
		t.Errorf("%d bad answers since the program was up, the first: %s", len(bad), bad[0])
	}
	island.Serves(t, repo.Entry("", "web"), "v2")
}

// leaseLength is longer than the lease that a release gives, 10 s.
const leaseLength = 11 * time.Second

// stopInOrder asks the program to end while a release waits for people: it ends well, and the release is
// there afterwards, with its functions at their ports.
func stopInOrder(t *testing.T, i *island.Island) {
	repo, load := live(t, i, "stop", in(island.Version("v1")))
	asked := repo.Release(in(island.Version("v2")).With("approval: {before: ramp, within: 1h}"))
	asked.Wait("a question to people", func(s release.Status) bool { return s.Phase == release.Approving && s.Waiting != nil })
	before := i.Instances(repo.Lane)

	i.Stop()
	for _, instance := range before {
		if island.Alive(instance.PID) {
			t.Errorf("process %d outlives an orderly stop", instance.PID)
		}
	}
	i.Restart()
	island.Eventually(t, "answer of v1", func() error {
		if got, _ := island.Get(t, repo.Entry("", "web"), nil); got.Body != "v1" {
			return fmt.Errorf("%d %q", got.Status, got.Body)
		}
		return nil
	})
	up := time.Now()

	asked.Instruct(dispatch.Approve)
	asked.WaitEnd(release.Completed)
	island.Serves(t, repo.Entry("", "web"), "v2")
	if bad := load.Stop().BadSince(up); len(bad) > 0 {
		t.Errorf("%d bad answers since the function was back, the first: %s", len(bad), bad[0])
	}
}

func create(t *testing.T, file string) {
	t.Helper()
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
}
