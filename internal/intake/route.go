package intake

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/skyisland/skyisland/internal/release"
)

// namesLimit bounds how many names a message lists.
const namesLimit = 20

// Submitter hands a request to its lane.
type Submitter interface {
	// Submit is asked again, with the same key, whenever its answer may have been lost; the lane
	// then answers [release.Duplicate] or what it answered before.
	Submit(ctx context.Context, req release.Request) (release.Submission, error)
}

// People knows who pushes.
type People interface {
	// Person is who an account of a source belongs to. Its error says why that is nobody and how to be known; it
	// refuses the event, because trying again would not make anybody known.
	Person(source, name string) (release.Actor, error)
}

// Applications is what the installation releases.
type Applications interface {
	// ApplicationByRepository is [release.ErrNotFound] for a repository nobody registered, and
	// [release.ErrConflict] for one whose application is in dispute, which ends the event.
	ApplicationByRepository(ctx context.Context, fullName, cloneURL string) (release.Application, error)
	Applications(ctx context.Context) ([]release.Application, error)
	// SaveApplication is [release.ErrConflict] for a repository that another application has.
	SaveApplication(ctx context.Context, application release.Application) error
}

// Manifests reads the manifest of a commit.
type Manifests interface {
	// Routes says to which environments a branch is released, and how each meets a release under
	// way. Problems are set when the manifest is broken; the routes are then what could be read.
	// A commit that is not there is [release.ErrNotFound].
	Routes(ctx context.Context, application release.Application, commit string) (Routes, error)
}

// Routes is what intake needs of a manifest.
type Routes struct {
	// Branches maps a branch to its environments.
	Branches map[string][]string
	// Concurrency is by environment.
	Concurrency map[string]release.Concurrency
	Problems    release.Problems
}

// route decides what an event means, and submits it. An error means that something it needs is away.
func (r *Router) route(ctx context.Context, event Event) (Outcome, error) {
	m, err := read(event)
	switch {
	case err != nil:
		return Outcome{Kind: Refused, Message: err.Error()}, nil //nolint:nilerr // trying again would not make it readable
	case m.alarm != nil:
		return r.routeAlarm(ctx, event.Source, *m.alarm)
	case m.change != nil:
		return r.routeChange(ctx, event, *m.change)
	}
	return r.routeFurther(ctx, event, m)
}

// routeChange submits what a change of a ref is released to.
func (r *Router) routeChange(ctx context.Context, event Event, p change) (Outcome, error) {
	branch, ok := p.branch()
	if !ok {
		return Outcome{Kind: Ignored, Message: p.Ref + " is not a branch"}, nil
	}
	if p.gone() {
		return Outcome{Kind: Ignored, Message: "branch " + branch + " was deleted"}, nil
	}
	application, err := r.applications.ApplicationByRepository(ctx, p.Repository, p.CloneURL)
	if errors.Is(err, release.ErrNotFound) {
		return r.unknownRepository(ctx, p.Repository)
	}
	if err != nil {
		return settled(fmt.Errorf("find the application of %s: %w", p.Repository, err))
	}
	routes, err := r.manifests.Routes(ctx, application, p.After)
	if errors.Is(err, release.ErrNotFound) {
		return Outcome{Kind: Refused, Message: fmt.Sprintf("%s has no commit %s any more", p.Repository, p.After)}, nil
	}
	if err != nil {
		return Outcome{}, fmt.Errorf("read the manifest of %s: %w", p.After, err)
	}
	requester, err := r.requester(event, p)
	if err != nil {
		return stranger(err, branch, application, routes), nil
	}
	d, err := r.learn(ctx, branch, p, application, routes)
	if err != nil {
		return settled(err)
	}
	if len(d.environments) == 0 && len(d.refused) > 0 {
		return Outcome{Kind: Refused, Message: strings.Join(d.refused, "\n")}, nil
	}
	if len(d.environments) == 0 && len(routes.Problems) > 0 && len(application.Branches) == 0 {
		// Where a first manifest goes is unknown while it is broken. It may be the very thing that is
		// wrong, so it is not taken for a branch that nobody wants released.
		return Outcome{Kind: Refused, Message: d.why}, nil
	}
	if len(d.environments) == 0 {
		return Outcome{Kind: Ignored, Message: d.why}, nil
	}
	return r.submit(ctx, event, p, requester, application, d, routes)
}

// stranger is the outcome of a push by nobody we know. It asks for no release, and teaches us nothing about the
// branches either; a branch that is not released is none of our business whoever pushes it.
func stranger(why error, branch string, application release.Application, routes Routes) Outcome {
	d := destinationOf(branch, application, routes)
	unclear := len(routes.Problems) > 0 && len(application.Branches) == 0
	if len(d.environments)+len(d.refused) == 0 && !unclear {
		return Outcome{Kind: Ignored, Message: d.why}
	}
	return Outcome{Kind: Refused, Message: tidy("not released: "+why.Error(), whyLimit)}
}

// requester is who pushed.
func (r *Router) requester(event Event, p change) (release.Actor, error) {
	if r.people == nil {
		return release.Actor{Name: p.Who, Source: event.Source}, nil
	}
	return r.people.Person(event.Source, p.Who)
}

// settled refuses an event for what is known of its application: a contradiction there is for people
// to mend, and trying again would not. Everything else is tried again.
func settled(err error) (Outcome, error) {
	if errors.Is(err, release.ErrConflict) {
		return Outcome{Kind: Refused, Message: tidy(withoutUsers(err.Error()), whyLimit)}, nil
	}
	return Outcome{}, err
}

// users finds user and password in the addresses that a text holds.
var users = regexp.MustCompile(`://[^/@\s]*@`)

// withoutUsers is a text without them, for whoever sent the event.
func withoutUsers(text string) string { return users.ReplaceAllString(text, "://") }

// learn decides where a push goes, and stores what its manifest changes for those after it.
func (r *Router) learn(ctx context.Context, branch string, p change, application release.Application, routes Routes) (destination, error) {
	d := destinationOf(branch, application, routes)
	if sameBranches(d.branches, application.Branches) {
		return d, nil
	}
	// The pushes of two branches are routed side by side. Neither may undo what the other has changed
	// since this one read the mapping.
	r.learning.Lock()
	defer r.learning.Unlock()
	application, err := r.applications.ApplicationByRepository(ctx, p.Repository, p.CloneURL)
	if err != nil {
		return destination{}, fmt.Errorf("find the application of %s: %w", p.Repository, err)
	}
	d = destinationOf(branch, application, routes)
	if sameBranches(d.branches, application.Branches) {
		return d, nil
	}
	application.Branches = d.branches
	if err := r.applications.SaveApplication(ctx, application); err != nil {
		return destination{}, fmt.Errorf("save application %s/%s: %w", application.Tenant, application.Name, err)
	}
	return d, nil
}

func (r *Router) unknownRepository(ctx context.Context, fullName string) (Outcome, error) {
	known, err := r.applications.Applications(ctx)
	if err != nil {
		return Outcome{}, fmt.Errorf("list applications: %w", err)
	}
	message := "no application is released from " + fullName
	if len(known) == 0 {
		return Outcome{Kind: Refused, Message: message + "; none is known yet"}, nil
	}
	var names []string
	for _, application := range known {
		names = append(names, fmt.Sprintf("%s/%s from %s", application.Tenant, application.Name, withoutUser(application.Repository)))
	}
	return Outcome{Kind: Refused, Message: message + "; there are: " + listed(names)}, nil
}

// withoutUser is a repository without the user and password that its URL may hold.
func withoutUser(repository string) string {
	u, err := url.Parse(repository)
	if err != nil || u.User == nil {
		return repository
	}
	u.User = nil
	return u.String()
}

// listed is names in their order, as many as a message bears.
func listed(names []string) string {
	slices.Sort(names)
	if more := len(names) - namesLimit; more > 0 {
		return fmt.Sprintf("%s, and %d more", strings.Join(names[:namesLimit], ", "), more)
	}
	return strings.Join(names, ", ")
}

// submit asks each environment's lane. Asking again after a failure is answered as a duplicate.
func (r *Router) submit(ctx context.Context, event Event, p change, requester release.Actor, application release.Application, to destination, routes Routes) (Outcome, error) {
	outcome := Outcome{Kind: Duplicate}
	var messages []string
	for _, environment := range to.environments {
		lane := release.Lane{Tenant: application.Tenant, Application: application.Name, Environment: environment}
		if err := lane.Check(); err != nil {
			outcome.Kind = heavier(outcome.Kind, Refused)
			messages = append(messages, fmt.Sprintf("not released to lane %s: %s", lane, err))
			continue
		}
		submission, err := r.submitter.Submit(ctx, release.Request{
			Key:  environment + " " + p.happening(event.Delivery),
			Lane: lane, Repository: application.Repository, Ref: p.Ref, Commit: p.After, Message: p.Message,
			Requester: requester, At: event.ReceivedAt,
			Concurrency: routes.Concurrency[environment], Problems: routes.Problems,
		})
		if err != nil {
			return Outcome{}, fmt.Errorf("ask lane %s for a release: %w", lane, err)
		}
		outcome.Kind = heavier(outcome.Kind, OutcomeKind(submission.Answer))
		outcome.Releases = append(outcome.Releases, submission.Release)
		messages = append(messages, submission.Message)
	}
	if len(outcome.Releases) == 0 && len(routes.Problems) > 0 {
		messages = append(messages, routes.Problems.Error()) // no refused release says them
	}
	if len(to.refused) > 0 {
		outcome.Kind = heavier(outcome.Kind, Refused)
		messages = append(messages, to.refused...)
	}
	outcome.Message = strings.Join(messages, "\n")
	return outcome, nil
}

// heavier is the outcome to report when one event had several.
func heavier(a, b OutcomeKind) OutcomeKind {
	order := []OutcomeKind{Duplicate, Queued, Superseding, Started, Refused}
	if slices.Index(order, b) > slices.Index(order, a) {
		return b
	}
	return a
}
