package github

import (
	"fmt"

	"github.com/skyisland/skyisland/internal/release"
)

// Facts are what is known of a release, from which what GitHub should show follows.
type Facts struct {
	Status release.Status
	// Seen is the evidence at each step as it was seen last, by the step's index.
	Seen map[int]release.Evidence
	// Earlier and Later say whether the same lane released the same commit before, or does it again. The statuses of a
	// commit are those of its newest release.
	Earlier, Later bool
	// App is set where check runs are possible.
	App bool
	// Link is where people see the release; empty is nowhere.
	Link string
}

// wanted is what GitHub should show.
type wanted struct {
	Statuses []commitStatus
	// Check is nil where there are none.
	Check      *check
	Deployment deployment
	State      deploymentState
	// Comment is empty unless the release is or was rolled back.
	Comment string
}

// commitStatus is the state of one group of phases.
type commitStatus struct{ Context, State, Description, Target string }

// check is a check run.
type check struct {
	Name, External, Status, Conclusion, Details string
	Title, Summary, Text                        string
	Started, Completed                          int64
	Actions                                     []action
}

// action is a button of a check run.
type action struct{ Label, Description, Identifier string }

// The actions, as their webhook names them.
const (
	ActionAbort = "abort"
	ActionRerun = "rerun"
)

// deployment is what a deployment is made with, deploymentState how it goes.
type deployment struct{ Commit, Environment, Task, Release, Description string }

type deploymentState struct {
	State, Description, Log string
	// Retires lets GitHub mark earlier deployments of the environment inactive.
	Retires bool
}

// group is a part of the way with a status of its own.
type group int

// The groups, in the order of the way; over is after the last.
const (
	checks group = iota
	rollout
	watch
	over
)

func (g group) String() string { return [...]string{"checks", "rollout", "watch", "over"}[g] }

// groupOf is the group of a phase on the way.
func groupOf(phase release.Phase) group {
	switch phase {
	case release.Approving, release.Ramping, release.CuttingOver:
		return rollout
	case release.Watching:
		return watch
	case release.Completed:
		return over
	default:
		return checks
	}
}

// reached is the last phase on the way: the one it is in, or the one in which it was stopped.
func reached(s release.Status) release.Phase {
	if s.Phase == release.Completed || s.Phase != release.RollingBack && !s.Phase.Ended() {
		return s.Phase
	}
	last := release.Pending
	for _, entry := range s.Timeline {
		if entry.Phase != "" && entry.Phase != release.RollingBack && !entry.Phase.Ended() {
			last = entry.Phase
		}
	}
	return last
}

// stopped says whether it has left the way.
func stopped(s release.Status) bool {
	return s.Phase == release.RollingBack || s.Phase.Ended() && s.Phase != release.Completed
}

// want is what GitHub should show of a release. It is pure.
func want(f Facts) wanted {
	out := wanted{
		Deployment: deployment{
			Commit: f.Status.Commit, Environment: f.Status.ID.Lane.Environment, Task: deployTask, Release: f.Status.ID.String(),
			Description: describe(fmt.Sprintf("release %d of %s/%s", f.Status.ID.Number, f.Status.ID.Lane.Tenant, f.Status.ID.Lane.Application)),
		},
		State: stateOf(f),
	}
	if !f.Later {
		out.Statuses = statusesOf(f)
	}
	if f.App {
		out.Check = checkOf(f)
	}
	if f.Status.Phase == release.RollingBack || f.Status.Phase == release.RolledBack {
		out.Comment = comment(f)
	}
	return out
}

// deployTask is the task of our deployments, GitHub's default.
const deployTask = "deploy"

// contextOf is the name of a commit status: skyisland/APPLICATION/ENVIRONMENT/GROUP. Rules for branches name it, so it never
// changes.
func contextOf(lane release.Lane, g group) string {
	return "skyisland/" + lane.Application + "/" + lane.Environment + "/" + g.String()
}

// statusesOf are those of the groups that were reached. Groups ahead have none, so that a release that ends early leaves
// nothing pending; but where an earlier release of the commit left one, it is taken back.
func statusesOf(f Facts) []commitStatus {
	at := groupOf(reached(f.Status))
	var out []commitStatus
	for g := checks; g < over; g++ {
		status := commitStatus{Context: contextOf(f.Status.ID.Lane, g), Target: f.Link}
		switch {
		case g < at:
			status.State, status.Description = "success", [...]string{"built, tested and healthy at 0 %", "all traffic is at the candidate", "the watch is over"}[g]
		case g == at && stopped(f.Status):
			status.State, status.Description = endOf(f.Status).status, describe(headline(f.Status))
		case g == at:
			status.State, status.Description = "pending", describe(headline(f.Status))
		case !f.Earlier:
			continue
		case stopped(f.Status):
			status.State, status.Description = "error", "not reached"
		default:
			status.State, status.Description = "pending", "not reached yet"
		}
		out = append(out, status)
	}
	return out
}

// end is how a release that was stopped is shown in the words of each kind.
type end struct{ status, conclusion, deployment string }

// endOf judges by the cause: what people took back, or what was overtaken, is not a fault of the commit.
func endOf(s release.Status) end {
	kind := release.CauseKind("")
	if s.Cause != nil {
		kind = s.Cause.Kind
	}
	switch {
	case s.Phase == release.Superseded || kind == release.CauseSuperseded:
		return end{"error", "neutral", "inactive"}
	case s.Phase == release.Aborted || kind == release.CauseAbort:
		return end{"error", "cancelled", "inactive"}
	case kind == release.CauseExpired:
		return end{"failure", "timed_out", "failure"}
	case kind == release.CauseInternal:
		return end{"error", "failure", "error"}
	default:
		return end{"failure", "failure", "failure"}
	}
}

func stateOf(f Facts) deploymentState {
	out := deploymentState{Description: describe(headline(f.Status)), Log: f.Link}
	switch phase := f.Status.Phase; {
	case phase == release.Completed:
		out.State, out.Retires = "success", true
	case phase == release.RollingBack:
		out.State = "in_progress"
	case phase.Ended():
		out.State = endOf(f.Status).deployment
	case phase == release.Approving:
		out.State = "pending"
	case groupOf(phase) == checks:
		out.State = "queued"
	default:
		out.State = "in_progress"
	}
	return out
}

// headline says in some words how a release is. It changes only when something happens.
func headline(s release.Status) string {
	words := map[release.Phase]string{
		release.Pending: "waits for its turn", release.Admitting: "the rules are asked", release.Building: "is built", release.Testing: "is tested",
		release.Deploying: "is deployed at 0 %", release.Verifying: "the cases are tried", release.Pressing: "is under load",
		release.Approving: "people are asked", release.Ramping: "ramps", release.CuttingOver: "goes to 100 %",
		release.Watching: "serves everybody and is watched", release.RollingBack: "is rolled back", release.Completed: "completed",
		release.Refused: "refused", release.Failed: "failed", release.Aborted: "aborted", release.Superseded: "superseded by a newer release",
		release.RolledBack: "rolled back",
	}[s.Phase]
	if words == "" {
		words = string(s.Phase)
	}
	switch {
	case s.Phase == release.Ramping && s.Step >= 0 && s.Step < len(s.Steps):
		words = fmt.Sprintf("step %d of %d: %s of requests", s.Step+1, len(s.Steps), s.Weight)
	case s.Ask != nil && s.Ask.Closed == "" && !stopped(s):
		words = "people are asked"
	}
	if s.Paused && !s.Phase.Ended() {
		words += ", paused"
	}
	if stopped(s) && s.Cause != nil && s.Cause.Message != "" && s.Phase != release.Superseded {
		words += ": " + plain(cut(s.Cause.Message, mostRead))
	}
	return words
}

// checkOf is the check run of a release.
func checkOf(f Facts) *check {
	s := f.Status
	out := &check{
		Name: "skyisland/" + s.ID.Lane.Application + "/" + s.ID.Lane.Environment, External: s.ID.String(), Details: f.Link,
		Title: cut(fmt.Sprintf("Release %d: %s", s.ID.Number, headline(s)), mostTitle), Summary: summary(f), Text: story(s.Timeline), Status: "in_progress",
	}
	if !s.Requested.IsZero() {
		out.Started = s.Requested.Unix()
	}
	switch {
	case s.Phase.Ended():
		out.Status, out.Conclusion = "completed", "success"
		if stopped(s) {
			out.Conclusion = endOf(s).conclusion
		}
		if !s.Since.IsZero() {
			out.Completed = s.Since.Unix()
		}
		out.Actions = []action{{"Run again", "Release the same commit again", ActionRerun}}
	case s.Phase == release.RollingBack:
		// Nothing can be told to it any more.
	default:
		if s.Phase == release.Pending {
			out.Status = "queued"
		}
		out.Actions = []action{{"Abort", "End this release; traffic returns", ActionAbort}}
	}
	return out
}

// mostTitle is the most bytes of a check run's title.
const mostTitle = 200
