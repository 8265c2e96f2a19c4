package island

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/skyisland/skyisland/internal/api"
	"github.com/skyisland/skyisland/internal/api/client"
	"github.com/skyisland/skyisland/internal/dispatch"
	"github.com/skyisland/skyisland/internal/release"
)

// Release is one release that a test follows, over kills and restarts of the program too.
type Release struct {
	ID release.ID
	// PlanHash is the plan's hash as it was last seen.
	PlanHash string

	t      testing.TB
	island *Island
}

// Find waits for the release of a commit in the lane, the newest when it has several.
func (r *Repo) Find(commit string) *Release {
	r.t.Helper()
	found := &Release{t: r.t, island: r.island}
	Eventually(r.t, "release of commit "+commit, func() error {
		all, err := r.Releases()
		if err != nil {
			return err
		}
		n := slices.IndexFunc(all, func(s release.Summary) bool { return s.Commit == commit && s.ID.Lane == r.Lane })
		if n < 0 {
			return fmt.Errorf("%d releases of other commits", len(all))
		}
		found.ID = all[n].ID
		return nil
	})
	return found
}

// Releases are the releases of the repository's application, the newest first.
func (r *Repo) Releases() ([]release.Summary, error) {
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	page, err := r.island.API.Releases(ctx, api.ReleaseFilter{Tenant: r.Lane.Tenant, Application: r.Lane.Application, Limit: 100})
	return page.Releases, err
}

// Idle waits until the lane is free. A release that has ended holds it until what it leaves behind is
// retired, so that a push may come too early for a lane that rejects.
func (r *Repo) Idle() {
	r.t.Helper()
	Eventually(r.t, "free lane", func() error {
		ctx, cancel := context.WithTimeout(context.Background(), Patience)
		defer cancel()
		state, err := r.island.API.Lane(ctx, r.Lane)
		if err == nil && state.Current != nil {
			err = fmt.Errorf("release %s is under way", state.Current.Release)
		}
		return err
	})
}

// At is a release by its number.
func (r *Repo) At(number int) *Release {
	return &Release{ID: release.ID{Lane: r.Lane, Number: number}, t: r.t, island: r.island}
}

// Wait follows the release until a condition holds, and fails the test when it ends before, or does
// not come to it in time.
func (r *Release) Wait(what string, condition func(release.Status) bool) release.Status {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	var last release.Status
	var failed error
	for status, err := range r.island.API.Watch(ctx, r.ID) {
		var interrupted *client.RetryError
		if errors.As(err, &interrupted) {
			failed = err
			continue
		}
		if err != nil {
			r.t.Fatalf("follow release %s: %v", r.ID, err)
		}
		last, failed, r.PlanHash = status, nil, status.PlanHash
		if condition(status) {
			return status
		}
	}
	if last.Phase.Ended() {
		r.t.Fatalf("release %s ended before %s:\n%s", r.ID, what, Tell(last))
	}
	r.t.Fatalf("release %s: no %s within %s (last error: %v):\n%s", r.ID, what, Patience, failed, Tell(last))
	return last
}

// WaitPhase waits until the release is in one of the phases.
func (r *Release) WaitPhase(phases ...release.Phase) release.Status {
	r.t.Helper()
	return r.Wait(fmt.Sprint(phases), func(s release.Status) bool { return slices.Contains(phases, s.Phase) })
}

// WaitWeight waits until the candidate has at least a weight.
func (r *Release) WaitWeight(weight release.Weight) release.Status {
	r.t.Helper()
	return r.Wait("a weight of "+weight.String(), func(s release.Status) bool { return s.Weight >= weight })
}

// WaitEnd waits until the release has ended, and fails the test when it did not end as wanted.
func (r *Release) WaitEnd(want release.Phase) release.Status {
	r.t.Helper()
	status := r.Wait("an end", func(s release.Status) bool { return s.Phase.Ended() })
	if status.Phase != want {
		r.t.Fatalf("release %s is %s, want %s:\n%s", r.ID, status.Phase, want, Tell(status))
	}
	return status
}

// Status is how the release is now.
func (r *Release) Status() release.Status {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	status, err := r.island.API.Release(ctx, r.ID)
	if err != nil {
		r.t.Fatal(err)
	}
	r.PlanHash = status.PlanHash
	return status
}

// Instruct tells the release something, for the plan that was last seen, and must be followed.
func (r *Release) Instruct(what dispatch.Instruction) {
	r.t.Helper()
	if err := r.TryInstruct(what, r.PlanHash); err != nil {
		r.t.Fatalf("%s release %s: %v\n%s", what, r.ID, err, Tell(r.Status()))
	}
}

// TryInstruct tells the release something for a plan, and returns its refusal.
func (r *Release) TryInstruct(what dispatch.Instruction, planHash string) error {
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	_, err := r.island.API.Instruct(ctx, r.ID, what, api.InstructionBody{PlanHash: planHash, Comment: "said by a test"})
	return err
}

// Alarm raises an alarm at the release.
func (r *Release) Alarm(name string) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	if err := r.island.API.Alarm(ctx, r.ID, release.Alarm{Name: name, Source: "test", Summary: "raised by a test"}); err != nil {
		r.t.Fatal(err)
	}
}

// Tell is a status for a person who has to find out what went wrong.
func Tell(s release.Status) string {
	var b strings.Builder
	fmt.Fprintf(&b, "phase %s, step %d, weight %s, paused %t\n", s.Phase, s.Step, s.Weight, s.Paused)
	if s.Waiting != nil {
		fmt.Fprintf(&b, "waits for %s\n", s.Waiting.For)
	}
	if s.Cause != nil {
		fmt.Fprintf(&b, "cause %s: %s\n  %s\n", s.Cause.Kind, s.Cause.Message, strings.Join(s.Cause.Details, "\n  "))
	}
	if s.Evidence != nil {
		fmt.Fprintf(&b, "evidence %s: %s\n", s.Evidence.Verdict, s.Evidence.Sentence)
	}
	for _, e := range s.Timeline {
		fmt.Fprintf(&b, "%s %s: %s %s\n", e.At.Format("15:04:05.000"), e.Phase, e.Message, strings.Join(e.Details, " | "))
	}
	return b.String()
}
