package intake

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/skyisland/skyisland/internal/release"
)

// routeImage tells releases that wait for an image. An image starts none: what is released is a commit with its manifest,
// which a push brings.
func (r *Router) routeImage(ctx context.Context, i image) (Outcome, error) {
	name := i.Repository + "@" + i.Digest
	if i.Commit == "" {
		return Outcome{Kind: Ignored, Message: fmt.Sprintf("image %s does not say which commit it is built from: give it the annotation %s, or the commit as its tag",
			name, revisionAnnotation)}, nil
	}
	return r.tell(ctx, i.Repository, "", i.Commit, "image "+name)
}

// tell passes on to the releases that wait for it that something was built.
func (r *Router) tell(ctx context.Context, repository, cloneURL, commit, what string) (Outcome, error) {
	if r.builds == nil {
		return Outcome{Kind: Ignored, Message: what + " is not waited for: nothing is built elsewhere in this installation"}, nil
	}
	told, err := r.builds.Built(ctx, repository, cloneURL, commit)
	if err != nil {
		return Outcome{}, fmt.Errorf("tell releases of a build of %s at %s: %w", repository, commit, err)
	}
	if len(told) == 0 {
		return Outcome{Kind: Ignored, Message: fmt.Sprintf("no release waits for %s of commit %s", what, commit)}, nil
	}
	names := make([]string, len(told))
	for i, id := range told {
		names[i] = id.String()
	}
	return Outcome{Kind: Told, Releases: told, Message: fmt.Sprintf("%s of commit %s is passed on to %s", what, commit, strings.Join(names, ", "))}, nil
}

// routeProtection passes a waiting job on to who answers it.
func (r *Router) routeProtection(ctx context.Context, p protection) (Outcome, error) {
	if r.protections == nil {
		return Outcome{Kind: Ignored, Message: fmt.Sprintf("nobody here answers the protection of %s: the installation does not write to GitHub", p.Environment)}, nil
	}
	if err := r.protections.Protect(ctx, p.Repository, p.RunID, p.Environment, p.Commit, p.CallbackURL); err != nil {
		return Outcome{}, fmt.Errorf("keep the protection of %s in run %d of %s: %w", p.Environment, p.RunID, p.Repository, err)
	}
	return Outcome{Kind: Told, Message: fmt.Sprintf("run %d of %s is answered when commit %s may go to %s", p.RunID, p.Repository, p.Commit, p.Environment)}, nil
}

// routePressed does what a button at a check run says: release the same commit again, or abort.
func (r *Router) routePressed(ctx context.Context, event Event, p pressed) (Outcome, error) {
	application, err := r.applicationOf(ctx, p.Repository, p.CloneURL)
	if err != nil {
		return Outcome{}, err
	}
	// Whoever may write check runs in one repository names no release of another.
	if lane := p.Release.Lane; lane.Tenant != application.Tenant || lane.Application != application.Name {
		return Outcome{Kind: Refused, Message: fmt.Sprintf("%s is no release of %s/%s, which is released from %s",
			p.Release, application.Tenant, application.Name, p.Repository)}, nil
	}
	if r.released == nil || r.instructor == nil {
		return Outcome{Kind: Ignored, Message: "buttons of check runs do nothing: the installation does not write to GitHub"}, nil
	}
	was, err := r.released.Release(ctx, p.Release)
	if errors.Is(err, release.ErrNotFound) {
		return Outcome{Kind: Refused, Message: fmt.Sprintf("there is no release %s", p.Release)}, nil
	}
	if err != nil {
		return Outcome{}, fmt.Errorf("find release %s: %w", p.Release, err)
	}
	if was.Commit != p.Commit {
		return Outcome{Kind: Refused, Message: fmt.Sprintf("release %s is of commit %s, and the check run of %s", p.Release, was.Commit, p.Commit)}, nil
	}
	by, err := r.requester(event, change{Who: p.Who})
	if err != nil {
		return Outcome{}, nobody("not done", err)
	}
	if p.What == pressedAbort {
		return r.abort(ctx, event, p.Release, by)
	}
	return r.rerun(ctx, event, p, was, application, by)
}

// abort stops a release on behalf of a person.
func (r *Router) abort(ctx context.Context, event Event, id release.ID, by release.Actor) (Outcome, error) {
	err := r.instructor.Instruct(ctx, id, pressedAbort, release.Instruction{
		ID: event.Source + " " + event.Delivery, By: by, Comment: "pressed at the check run", At: event.ReceivedAt,
	})
	switch {
	case errors.Is(err, release.ErrFinished), errors.Is(err, release.ErrNotFound):
		return Outcome{Kind: Ignored, Message: fmt.Sprintf("release %s has ended", id)}, nil
	case errors.Is(err, release.ErrConflict):
		return Outcome{Kind: Refused, Message: tidy(err.Error(), whyLimit)}, nil
	case err != nil:
		return Outcome{}, fmt.Errorf("abort release %s: %w", id, err)
	}
	return Outcome{Kind: Told, Releases: []release.ID{id}, Message: fmt.Sprintf("release %s is aborted by %s", id, by)}, nil
}

// rerun asks for the same commit in the same environment again, and in no other.
func (r *Router) rerun(ctx context.Context, event Event, p pressed, was Was, application release.Application, by release.Actor) (Outcome, error) {
	routes, err := r.routesOf(ctx, application, was.Commit)
	if err != nil {
		return Outcome{}, err
	}
	environment := p.Release.Lane.Environment
	c := change{
		Repository: p.Repository, Ref: was.Ref, Before: absent, After: was.Commit, Stamp: "rerun=" + event.Delivery,
	}
	if c.Ref == "" {
		branches := branchesOf(environment, routes.Branches)
		if len(branches) == 0 {
			return Outcome{Kind: Refused, Message: fmt.Sprintf("no branch is released to %s by the manifest of %s", environment, was.Commit)}, nil
		}
		c.Ref = "refs/heads/" + branches[0]
	}
	// The environment may have moved to another branch since.
	if branch, ok := c.branch(); ok && len(branchesOf(environment, application.Branches)) > 0 && !ownership(branch, application.Branches)(environment) {
		return Outcome{Kind: Refused, Message: foreign(branch, environment, application)}, nil
	}
	return r.submit(ctx, wanted{
		event:       event,
		application: application, environments: []string{environment}, happening: c.happening(event.named()),
		ref: c.Ref, commit: was.Commit, message: was.Message, requester: by,
	}, routes)
}
