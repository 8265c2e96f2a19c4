package e2e

import (
	"errors"
	"strings"
	"testing"

	"github.com/skyisland/skyisland/internal/api/client"
	"github.com/skyisland/skyisland/internal/dispatch"
	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/test/island"
)

// half is the weight of the only step of [holding].
const half = release.Weight(5000)

// unfollowed is the exit code of the command for an instruction that a release does not follow.
const unfollowed = 7

// wantRefused fails the test unless an instruction was refused with words.
func wantRefused(t *testing.T, err error, words string) {
	t.Helper()
	var refusal *client.Error
	if !errors.As(err, &refusal) || !strings.Contains(refusal.Error(), words) {
		t.Errorf("the answer is %v, want a refusal that says %q", err, words)
	}
}

// approval: nobody's yes counts but for the plan that they were shown.
func approval(t *testing.T, i *island.Island) {
	repo, _ := live(t, i, "approval", in(island.Version("v1")))

	asked := repo.Release(in(island.Version("v2")).With("approval: {before: ramp, within: 1h}"))
	status := asked.Wait("a question to people", func(s release.Status) bool { return s.Phase == release.Approving && s.Waiting != nil })

	if status.Weight != release.NoWeight || status.PlanHash == "" {
		t.Errorf("nobody has approved:\n%s", island.Tell(status))
	}
	wantRefused(t, asked.TryInstruct(dispatch.Approve, strings.Repeat("0", len(status.PlanHash))), "plan")
	if len(asked.Status().Approvals) > 0 {
		t.Error("an approval of another plan counts")
	}
	if code, output := i.Command(t, "release", "approve", asked.ID.String(), "--plan", "00000000"); code != unfollowed {
		t.Errorf("exit code %d, want %d: %s", code, unfollowed, output)
	}
	if code, output := i.Command(t, "release", "approve", asked.ID.String(), "--plan", status.PlanHash); code != 0 {
		t.Errorf("exit code %d: %s", code, output)
	}
	done := asked.WaitEnd(release.Completed)
	if len(done.Approvals) != 1 || done.Approvals[0].By.Name != "operator" {
		t.Errorf("the approvals are %v", done.Approvals)
	}
	wantRefused(t, asked.TryInstruct(dispatch.Abort, status.PlanHash), "")

	repo.Idle()
	rejected := repo.Release(in(island.Version("v3")).With("approval: {before: ramp, within: 1h}"))
	rejected.Wait("a question to people", func(s release.Status) bool { return s.Phase == release.Approving && s.Waiting != nil })
	rejected.Instruct(dispatch.Reject)
	caused(t, rejected.WaitEnd(release.Refused), release.CauseRejected, "operator")
	island.Serves(t, repo.Entry("", "web"), "v2")
}

// pause: a paused release keeps its weight however good its evidence is, and goes on when it is resumed.
func pause(t *testing.T, i *island.Island) {
	const quarter = release.Weight(2500)
	repo, load := live(t, i, "pause", in(island.Version("v1")))
	ramp := "{steps: [25%, 50%], bake: 3s, probe: 0s, patience: 2h}"
	paused := repo.Release(in(ramped(island.Version("v2"), ramp)))
	paused.WaitWeight(quarter)

	paused.Instruct(dispatch.Pause)
	wantRefused(t, paused.TryInstruct(dispatch.Pause, ""), "paused already")

	status := paused.Wait("a wait for people", func(s release.Status) bool {
		return s.Paused && s.Waiting != nil && strings.Contains(s.Waiting.For, "resume")
	})
	if status.Weight != quarter {
		t.Errorf("it moved while it was paused:\n%s", island.Tell(status))
	}
	paused.Instruct(dispatch.Resume)
	wantTold(t, paused.WaitEnd(release.Completed), "25% to the candidate", "paused by operator", "resumed by operator", "50% to the candidate")
	noneBad(t, load.Stop())
}

// back fails the test unless v1 has all the traffic again, nothing else runs and no client noticed.
func back(t *testing.T, i *island.Island, repo *island.Repo, load *island.Load, ended release.Status) {
	t.Helper()
	if serving := i.Settled(t, repo.Lane)["web"]; serving != ended.Moves[0].Stable.ID {
		t.Errorf("%s serves, want %s", serving, ended.Moves[0].Stable.ID)
	}
	before := load.Report()
	after := load.Wait("answers after the way back", func(r island.Report) bool { return r.Sent > before.Sent+50 })
	// The requests under way when the report was made may be v2's yet, but none that came later.
	if n := after.Of("v2") - before.Of("v2"); n > 5 {
		t.Errorf("v2 gave %d answers after the way back", n)
	}
	noneBad(t, load.Stop())
	island.Serves(t, repo.Entry("", "web"), "v1")
	i.Gone(t, repo.Lane, ended.Moves[0].Stable.ID)
}

func abort(t *testing.T, i *island.Island) {
	repo, load := live(t, i, "abort", in(island.Version("v1")))
	aborted := repo.Release(in(ramped(island.Version("v2"), holding)))
	aborted.WaitWeight(half)
	load.Wait("answers of v2", func(r island.Report) bool { return r.Of("v2") > 10 })

	aborted.Instruct(dispatch.Abort)

	status := aborted.WaitEnd(release.RolledBack)
	caused(t, status, release.CauseAbort, "operator")
	back(t, i, repo, load, status)
}

func alarmInTheRamp(t *testing.T, i *island.Island) {
	repo, load := live(t, i, "alarm", in(island.Version("v1")))
	alarmed := repo.Release(in(ramped(island.Version("v2"), holding)))
	alarmed.WaitWeight(half)
	load.Wait("answers of v2", func(r island.Report) bool { return r.Of("v2") > 10 })

	alarmed.Alarm("OrdersDropped")

	status := alarmed.WaitEnd(release.RolledBack)
	caused(t, status, release.CauseAlarm, "OrdersDropped")
	back(t, i, repo, load, status)
}

func alarmInTheWatch(t *testing.T, i *island.Island) {
	repo, load := live(t, i, "alarm-in-watch", in(island.Version("v1")))
	second := in(island.Version("v2"))
	second.Watch = "1h"
	watched := repo.Release(second)
	watched.WaitPhase(release.Watching)
	load.Wait("answers of v2", func(r island.Report) bool { return r.Of("v2") > 10 })
	warm := len(i.Instances(repo.Lane))

	watched.Alarm("OrdersDropped")

	status := watched.WaitEnd(release.RolledBack)
	caused(t, status, release.CauseAlarm, "OrdersDropped")
	if warm != 2 {
		t.Errorf("%d instances in the watch, want both versions'", warm)
	}
	back(t, i, repo, load, status)
}

// supersede: the newest push takes the lane, and what was under way goes back first.
func supersede(t *testing.T, i *island.Island) {
	repo, load := live(t, i, "supersede", in(island.Version("v1")))
	older := repo.Release(in(ramped(island.Version("v2"), holding)))
	older.WaitWeight(half)

	newer := repo.Release(in(island.Version("v3")))

	caused(t, older.WaitEnd(release.RolledBack), release.CauseSuperseded, "3")
	newer.WaitEnd(release.Completed)
	noneBad(t, load.Stop())
	island.Serves(t, repo.Entry("", "web"), "v3")
}

// queue: the newer push waits for the end of the older release.
func queue(t *testing.T, i *island.Island) {
	queued := func(m island.Manifest) island.Manifest {
		m.Concurrency = "queue"
		return in(m)
	}
	repo, load := live(t, i, "queue", queued(island.Version("v1")))
	older := repo.Release(queued(ramped(island.Version("v2"), holding)))
	older.WaitWeight(half)

	repo.Write("skyisland.yaml", queued(island.Version("v3")).In(repo.Lane))
	commit, output := repo.Push("Release v3")

	if !strings.Contains(output, "waits behind") {
		t.Errorf("git push says:\n%s", output)
	}
	older.Instruct(dispatch.Promote)
	ended := older.WaitEnd(release.Completed)
	newer := repo.Find(commit).WaitEnd(release.Completed)
	if begun := newer.Timeline[0].At; begun.Before(ended.Since) {
		t.Errorf("it began at %s, before the older release ended at %s", begun, ended.Since)
	}
	noneBad(t, load.Stop())
	island.Serves(t, repo.Entry("", "web"), "v3")
}

// reject: the newer push is refused while a release is under way.
func reject(t *testing.T, i *island.Island) {
	rejecting := func(m island.Manifest) island.Manifest {
		m.Concurrency = "reject"
		return in(m)
	}
	repo, _ := live(t, i, "reject", rejecting(island.Version("v1")))
	older := repo.Release(rejecting(ramped(island.Version("v2"), holding)))
	older.WaitWeight(half)

	refused := repo.Release(rejecting(island.Version("v3"))).WaitEnd(release.Refused)

	caused(t, refused, release.CausePolicy, "release 2 is under way")
	older.Instruct(dispatch.Promote)
	older.WaitEnd(release.Completed)
	island.Serves(t, repo.Entry("", "web"), "v2")
}
