package intake

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/skyisland/skyisland/internal/release"
)

// Repositories says what an application's repository has at this moment.
type Repositories interface {
	// Refs are branches and tags by full name, each with its commit. Without names they are all there are.
	Refs(ctx context.Context, application release.Application, names ...string) (map[string]string, error)
	// Contains says whether the history of a commit has another one in it, or is it. A commit that is not there is
	// [release.ErrNotFound].
	Contains(ctx context.Context, application release.Application, commit, other string) (bool, error)
	// Commit is what a commit says of itself. One that is not there is [release.ErrNotFound].
	Commit(ctx context.Context, application release.Application, commit string) (Commit, error)
}

// Commit is what a commit says of itself.
type Commit struct {
	Message string
	// Email is the address of who wrote it; nothing proves that they did.
	Email string
}

// Head is what was seen last of a ref.
type Head struct {
	Ref string
	// Commit is zeros for a ref that was deleted.
	Commit string
	// Event told it; 0 for what was there when the application was first looked at.
	Event int64
	// Released says whether that asked for a release.
	Released bool
	At       time.Time
}

// Heads keeps what was seen last of each ref, however it was told.
type Heads interface {
	// Head is [release.ErrNotFound] for a ref that nobody has seen.
	Head(ctx context.Context, application release.Application, ref string) (Head, error)
	// Heads are all of an application, in a map of the caller's own.
	Heads(ctx context.Context, application release.Application) (map[string]Head, error)
	// SaveHead does not replace what a later event told.
	SaveHead(ctx context.Context, application release.Application, head Head) error
}

// standing is where a branch is.
type standing struct {
	// now is the commit it has; empty when it is gone.
	now string
	// passed says that what was seen last has the change's commit in its history, current that the branch has now.
	passed, current bool
}

// overtaken says why a change is not released any more; "" when it is. Events come in any order, so each is measured against
// what the branch is now and against what was seen last of it: what a later change has brought, or taken back, already must
// not come after it again. Of several changes in a row each is released, also when the branch has the last one by then.
func overtaken(c change, branch string, seen Head, s standing) string {
	switch {
	case s.now == "":
		return fmt.Sprintf("branch %s is gone", branch)
	case c.After == s.now:
		return ""
	case s.passed:
		return fmt.Sprintf("branch %s has come to %s since, which has this commit in it", branch, short(seen.Commit))
	case !s.current:
		return fmt.Sprintf("branch %s is at %s now, which does not have this commit in it", branch, short(s.now))
	}
	return ""
}

// short is a commit as people read it.
func short(commit string) string { return commit[:min(len(commit), 12)] }

// seenHead is what was seen last of a ref; empty for one that nobody has.
func (r *Router) seenHead(ctx context.Context, application release.Application, ref string) (Head, error) {
	head, err := r.heads.Head(ctx, application, ref)
	if errors.Is(err, release.ErrNotFound) {
		return Head{}, nil
	}
	if err != nil {
		return Head{}, fmt.Errorf("read what was seen of %s: %w", ref, err)
	}
	return head, nil
}

// saw keeps what an event told of a ref. Whoever asks for a commit again says nothing of where its branch is.
func (r *Router) saw(ctx context.Context, application release.Application, event Event, ref, commit string, released bool) error {
	if event.Again {
		return nil
	}
	err := r.heads.SaveHead(ctx, application, Head{Ref: ref, Commit: commit, Event: event.ID, Released: released, At: event.ReceivedAt})
	if err != nil {
		return fmt.Errorf("keep what was seen of %s: %w", ref, err)
	}
	return nil
}

// lagTries is how often a change is tried again that its repository does not show: a host with several servers may tell of
// a push before each of them has it.
const lagTries = 3

// mayLag says whether the repository may not show yet what an event tells.
func (r *Router) mayLag(event Event) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.tries[event.ID] < lagTries
}

// late ends a change of a branch that nothing is left to do for.
func (r *Router) late(ctx context.Context, event Event, c change, branch string, application release.Application) error {
	if event.Again {
		return nil
	}
	seen, err := r.seenHead(ctx, application, c.Ref)
	if err != nil || seen.toldBy(event) {
		return err
	}
	if !c.gone() && event.repeats(seen, c.After) {
		return r.duplicate(ctx, event, seen, fmt.Sprintf("branch %s came to %s", branch, short(c.After)))
	}
	s, err := r.standing(ctx, c, seen, application)
	if err != nil {
		return err
	}
	unseen := s.now == c.Before || s.now == "" && none(c.Before)
	if unseen && !c.gone() && r.mayLag(event) {
		return fmt.Errorf("%s does not show %s yet", c.Ref, c.After)
	}
	why := overtaken(c, branch, seen, s)
	if c.gone() {
		if s.now == "" {
			return nil
		}
		why = fmt.Sprintf("branch %s is there again, at %s", branch, short(s.now))
	}
	if why == "" {
		return nil
	}
	return end(Superseded, "%s", why)
}

// toldBy says whether an event has told this itself, and was interrupted before it had its outcome.
func (h Head) toldBy(event Event) bool { return h.Event != 0 && h.Event == event.ID }

// repeats says whether an event tells only what another has told of a ref before. A backfill repeats it whatever became of
// that: a push that was refused for who pushed must not be released for who wrote its commit. A replay does not repeat the
// event that it is of, nor the other replays of that: it asks the lanes that had no release of any.
func (e Event) repeats(seen Head, commit string) bool {
	if e.Again || seen.Event == 0 || seen.Event == e.ID || seen.Event == e.ReplayOf || slices.Contains(e.Replays, seen.Event) {
		return false
	}
	return seen.Commit == commit && (seen.Released || e.Source == sourceBackfill)
}

// standing asks the repository where a branch is.
func (r *Router) standing(ctx context.Context, c change, seen Head, application release.Application) (s standing, err error) {
	refs, err := r.repositories.Refs(ctx, application, c.Ref)
	if err != nil {
		return s, fmt.Errorf("ask for %s: %w", c.Ref, err)
	}
	s.now = refs[c.Ref]
	if s.now == "" || s.now == c.After || c.gone() {
		return s, nil
	}
	if s.passed, err = r.contains(ctx, application, seen.Commit, c.After); err != nil || s.passed {
		return s, err
	}
	s.current, err = r.contains(ctx, application, s.now, c.After)
	return s, err
}

// contains says whether a commit's history has another one; commits that are not there have none.
func (r *Router) contains(ctx context.Context, application release.Application, commit, other string) (bool, error) {
	if none(commit) {
		return false, nil
	}
	has, err := r.repositories.Contains(ctx, application, commit, other)
	if errors.Is(err, release.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("compare %s and %s: %w", commit, other, err)
	}
	return has, nil
}

// duplicate ends a change that another event has told, with what became of that.
func (r *Router) duplicate(ctx context.Context, event Event, seen Head, what string) error {
	outcome := Outcome{Kind: Duplicate, Message: fmt.Sprintf("%s by event %d already", what, seen.Event)}
	if event.ReplayOf != 0 {
		outcome.Message += "; a replay with --again asks for another"
	}
	first, done, err := r.inbox.Outcome(ctx, seen.Event)
	if err != nil && !errors.Is(err, release.ErrNotFound) {
		return fmt.Errorf("read the outcome of event %d: %w", seen.Event, err)
	}
	if done {
		outcome.Releases = first.Releases
	}
	return &ended{outcome}
}
