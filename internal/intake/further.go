package intake

import (
	"context"

	"github.com/skyisland/skyisland/internal/release"
)

// Builds tells releases that wait for something that is built elsewhere.
type Builds interface {
	// Built tells those that wait for a build of a commit to look for it now, and says which they are; none is no error.
	// Telling twice does no harm. The repository is the one with the source by its full name and where to clone it from;
	// of an image it is where the image is, and cloneURL is empty.
	Built(ctx context.Context, repository, cloneURL, commit string) ([]release.ID, error)
}

// Released knows what was released.
type Released interface {
	// Release is what a release was asked for. One that nobody knows is [release.ErrNotFound].
	Release(ctx context.Context, id release.ID) (Was, error)
}

// Was is what a release was asked for.
type Was struct {
	// Ref is empty where it is not kept: it is then the branch that its manifest releases to the environment.
	Ref     string
	Commit  string
	Message string
}

// Instructor tells releases what people say.
type Instructor interface {
	// Instruct is [release.ErrFinished] or [release.ErrNotFound] when there is nothing to tell, and [release.ErrConflict],
	// with its reason, when the release does not follow. The same instruction again, by its ID, is followed once.
	Instruct(ctx context.Context, id release.ID, what string, in release.Instruction) error
}

// Protections answers jobs of GitHub that wait for our word.
type Protections interface {
	// Protect keeps the question of a job; the same one again is kept once. The callback's path is checked to be that of
	// the run in the repository. Its host is what the event says, so the answer goes there only if it is our GitHub's.
	Protect(ctx context.Context, repository string, runID int64, environment, sha, callbackURL string) error
}

// routeFurther decides what an event means that is neither an alarm nor a change of a ref.
func (r *Router) routeFurther(ctx context.Context, event Event, m meaning) (Outcome, error) {
	switch {
	case m.built != nil:
		return r.tell(ctx, m.built.Repository, m.built.CloneURL, m.built.Commit, m.built.What)
	case m.image != nil:
		return r.routeImage(ctx, *m.image)
	case m.pressed != nil:
		return r.routePressed(ctx, event, *m.pressed)
	case m.protection != nil:
		return r.routeProtection(ctx, *m.protection)
	case m.preview != nil:
		return r.routePreview(ctx, event, *m.preview)
	case m.scheduled != nil:
		return r.routeScheduled(ctx, event, *m.scheduled)
	case m.asked != nil:
		return r.routeAsked(ctx, event, *m.asked)
	}
	return Outcome{Kind: Ignored, Message: m.nothing}, nil
}
