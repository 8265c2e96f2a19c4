package intake

import (
	"context"
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
	// Triggers are of the environments that pushes of their branch do not release.
	Triggers map[string]release.Trigger
	// Concurrency is by environment.
	Concurrency map[string]release.Concurrency
	Problems    release.Problems
}

// route decides what an event means, and submits it. An error that is no [ended] means that something it needs is away.
func (r *Router) route(ctx context.Context, task task) (Outcome, error) {
	event, m := task.Event, task.says
	switch {
	case task.unreadable != nil:
		return Outcome{}, end(Refused, "%s", task.unreadable) // trying again would not make it readable
	case m.alarm != nil:
		return r.routeAlarm(ctx, event.Source, *m.alarm)
	case m.change != nil:
		return r.routeChange(ctx, event, *m.change)
	case m.completed != nil:
		return r.routeCompleted(ctx, event, *m.completed)
	}
	return r.routeFurther(ctx, event, m)
}

// routeChange releases what a change of a ref is released to.
func (r *Router) routeChange(ctx context.Context, event Event, c change) (Outcome, error) {
	branch, isBranch := c.branch()
	tag, isTag := c.tag()
	if !isBranch && !isTag {
		return Outcome{Kind: Ignored, Message: c.Ref + " is neither a branch nor a tag"}, nil
	}
	application, err := r.applicationOf(ctx, c.Repository, c.CloneURL)
	if err != nil {
		return Outcome{}, err
	}
	if isTag {
		return r.routeTag(ctx, event, c, tag, application)
	}
	if err := r.late(ctx, event, c, branch, application); err != nil {
		return Outcome{}, err
	}
	if c.gone() {
		return Outcome{Kind: Ignored, Message: "branch " + branch + " was deleted"}, r.saw(ctx, application, event, c.Ref, c.After, false)
	}
	routes, err := r.routesOf(ctx, application, c.After)
	if err != nil {
		return Outcome{}, err
	}
	if c, err = r.described(ctx, event, c, application); err != nil {
		return Outcome{}, err
	}
	// However its work ended, the event has told where the branch is.
	outcome, err := outcomeOf(r.routeBranch(ctx, event, c, branch, application, routes))
	if err != nil {
		return Outcome{}, err
	}
	return outcome, r.saw(ctx, application, event, c.Ref, c.After, len(outcome.Releases) > 0)
}

// routeBranch releases a commit that a branch has come to.
func (r *Router) routeBranch(ctx context.Context, event Event, c change, branch string, application release.Application, routes Routes) (Outcome, error) {
	if skipped(c.Message) {
		return Outcome{Kind: Ignored, Message: fmt.Sprintf("not released: the message of %s says %s", short(c.After), skipWord)}, nil
	}
	requester, err := r.requester(event, c)
	if err != nil {
		return Outcome{}, stranger(err, branch, application, routes)
	}
	d, err := r.learn(ctx, branch, c, application, routes)
	if err != nil {
		return Outcome{}, settled(err)
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
	outcome, err := r.submit(ctx, wanted{
		event: event, application: application, environments: d.environments, happening: c.happening(event.named()),
		ref: c.Ref, commit: c.After, message: c.Message, requester: requester,
	}, routes)
	if err != nil {
		return Outcome{}, err
	}
	outcome = outcome.beside(d.refused)
	if c.Forced {
		outcome.Message += fmt.Sprintf("\nbranch %s was forced: %s is no longer in it", branch, short(c.Before))
	}
	return outcome, nil
}

// skipWord in the message of the commit that a branch has come to leaves it unreleased, whatever its case.
const skipWord = "[skip release]"

func skipped(message string) bool { return strings.Contains(strings.ToLower(message), skipWord) }

// stranger ends a push by nobody we know. It asks for no release, and teaches us nothing about the branches either; a
// branch that is not released is none of our business whoever pushes it.
func stranger(why error, branch string, application release.Application, routes Routes) error {
	d := destinationOf(branch, application, routes)
	unclear := len(routes.Problems) > 0 && len(application.Branches) == 0
	if len(d.environments)+len(d.refused) == 0 && !unclear {
		return end(Ignored, "%s", d.why)
	}
	return nobody("not released", why)
}

// requester is who pushed. Of a change that nobody told of only who wrote its commit is known.
func (r *Router) requester(event Event, c change) (release.Actor, error) {
	source := event.Source
	if source == sourceBackfill {
		source = "git"
	}
	if r.people == nil {
		return release.Actor{Name: c.Who, Source: source}, nil
	}
	return r.people.Person(source, c.Who)
}

// described is a change with what its commit says, where the event does not.
func (r *Router) described(ctx context.Context, event Event, c change, application release.Application) (change, error) {
	if event.Source != sourceBackfill {
		return c, nil
	}
	commit, err := r.repositories.Commit(ctx, application, c.After)
	if err != nil {
		return c, fmt.Errorf("read commit %s: %w", c.After, err)
	}
	c.Message, c.Who = tidy(commit.Message, messageLimit), tidy(commit.Email, nameLimit)
	return c, nil
}

// users finds user and password in the addresses that a text holds.
var users = regexp.MustCompile(`://[^/@\s]*@`)

// withoutUsers is a text without them, for whoever sent the event.
func withoutUsers(text string) string { return users.ReplaceAllString(text, "://") }

// learn decides where a push goes, and stores what its manifest changes for those after it.
func (r *Router) learn(ctx context.Context, branch string, p change, application release.Application, routes Routes) (destination, error) {
	d := destinationOf(branch, application, routes)
	if d.learnt(application) {
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
	if d.learnt(application) {
		return d, nil
	}
	application.Branches, application.Triggers = d.branches, d.triggers
	if err := r.applications.SaveApplication(ctx, application); err != nil {
		return destination{}, fmt.Errorf("save application %s/%s: %w", application.Tenant, application.Name, err)
	}
	return d, nil
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

// wanted is a release that is asked for, of one commit to some environments of an application.
type wanted struct {
	// event is what asks.
	event        Event
	application  release.Application
	environments []string
	// happening names what has happened, so that the same asks once; see [change.happening].
	happening string
	ref       string
	commit    string
	message   string
	requester release.Actor
	promotion *release.Promotion
}

// submit asks each environment's lane. Asking again after a failure is answered as a duplicate.
func (r *Router) submit(ctx context.Context, w wanted, routes Routes) (Outcome, error) {
	outcome := Outcome{Kind: Duplicate}
	var messages []string
	for _, environment := range w.environments {
		lane := release.Lane{Tenant: w.application.Tenant, Application: w.application.Name, Environment: environment}
		if err := lane.Check(); err != nil {
			outcome.Kind = heavier(outcome.Kind, Refused)
			messages = append(messages, fmt.Sprintf("not released to lane %s: %s", lane, err))
			continue
		}
		submission, err := r.ask(ctx, w.event, release.Request{
			Key: w.event.key(environment, w.happening), Lane: lane, Repository: w.application.Repository,
			Ref: w.ref, Commit: w.commit, Message: w.message, Requester: w.requester, At: w.event.ReceivedAt,
			Concurrency: routes.Concurrency[environment], Problems: routes.Problems, Promotion: w.promotion,
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
	outcome.Message = strings.Join(messages, "\n")
	return outcome, nil
}

// beside is an outcome with what was refused beside it, a line each.
func (o Outcome) beside(refused []string) Outcome {
	if len(refused) > 0 {
		o.Kind = heavier(o.Kind, Refused)
		o.Message = strings.Join(append([]string{o.Message}, refused...), "\n")
	}
	return o
}

// heavier is the outcome to report when one event had several.
func heavier(a, b OutcomeKind) OutcomeKind {
	order := []OutcomeKind{Duplicate, Queued, Superseding, Started, Refused}
	if slices.Index(order, b) > slices.Index(order, a) {
		return b
	}
	return a
}
