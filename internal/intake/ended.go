package intake

import (
	"context"
	"errors"
	"fmt"

	"github.com/skyisland/skyisland/internal/release"
)

// ended says that nothing is left to do for an event, and with which outcome. It is an error, so that whatever finds it
// ends the work on the event there, however deep that is; [outcomeOf] is where it gets.
type ended struct{ outcome Outcome }

// Error is what whoever sent the event is told.
func (e *ended) Error() string { return string(e.outcome.Kind) + ": " + e.outcome.Message }

// end ends the work on an event.
func end(kind OutcomeKind, format string, args ...any) error {
	return &ended{Outcome{Kind: kind, Message: fmt.Sprintf(format, args...)}}
}

// outcomeOf is what became of an event; an error is left when it is to be tried again.
func outcomeOf(outcome Outcome, err error) (Outcome, error) {
	var e *ended
	if errors.As(err, &e) {
		return e.outcome, nil
	}
	return outcome, err
}

// nobody ends an event that nobody we know has sent, with what is not done for it.
func nobody(undone string, why error) error {
	return end(Refused, "%s", tidy(undone+": "+why.Error(), whyLimit))
}

// settled ends an event for what is known of its application: a contradiction there is for people to mend, and trying
// again would not. Everything else is tried again.
func settled(err error) error {
	if errors.Is(err, release.ErrConflict) {
		return end(Refused, "%s", tidy(withoutUsers(err.Error()), whyLimit))
	}
	return err
}

// applicationOf is what is released from a repository. An event of one that nothing is released from has ended.
func (r *Router) applicationOf(ctx context.Context, repository, cloneURL string) (release.Application, error) {
	application, err := r.applications.ApplicationByRepository(ctx, repository, cloneURL)
	if errors.Is(err, release.ErrNotFound) {
		return application, r.unknownRepository(ctx, repository)
	}
	if err != nil {
		return application, settled(fmt.Errorf("find the application of %s: %w", repository, err))
	}
	return application, nil
}

// unknownRepository ends an event of a repository that nothing is released from.
func (r *Router) unknownRepository(ctx context.Context, fullName string) error {
	known, err := r.applications.Applications(ctx)
	if err != nil {
		return fmt.Errorf("list applications: %w", err)
	}
	if len(known) == 0 {
		return end(Refused, "no application is released from %s; none is known yet", fullName)
	}
	names := make([]string, len(known))
	for i, application := range known {
		names[i] = fmt.Sprintf("%s/%s from %s", application.Tenant, application.Name, withoutUser(application.Repository))
	}
	return end(Refused, "no application is released from %s; there are: %s", fullName, listed(names))
}

// applicationNamed is an application by its name; [release.ErrNotFound] where there is none.
func (r *Router) applicationNamed(ctx context.Context, tenant, name string) (release.Application, error) {
	known, err := r.applications.Applications(ctx)
	if err != nil {
		return release.Application{}, fmt.Errorf("list applications: %w", err)
	}
	for _, application := range known {
		if application.Tenant == tenant && application.Name == name {
			return application, nil
		}
	}
	return release.Application{}, fmt.Errorf("application %s/%s: %w", tenant, name, release.ErrNotFound)
}

// routesOf is where the manifest of a commit releases to. An event of a commit that is not there has ended.
func (r *Router) routesOf(ctx context.Context, application release.Application, commit string) (Routes, error) {
	routes, err := r.manifests.Routes(ctx, application, commit)
	if errors.Is(err, release.ErrNotFound) {
		return routes, end(Refused, "%s has no commit %s any more", repositoryPath(application.Repository), commit)
	}
	if err != nil {
		return routes, fmt.Errorf("read the manifest of %s: %w", commit, err)
	}
	return routes, nil
}
