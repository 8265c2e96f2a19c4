package intake

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/skyisland/skyisland/internal/release"
)

// noCommit stands for no commit.
const noCommit = "0000000000000000000000000000000000000000"

// asked is a release that somebody asks for by name, and the body of an event of the API. The application is named by itself
// or by its repository.
type asked struct {
	Tenant      string `json:"tenant,omitempty"`
	Application string `json:"application,omitempty"`
	Repository  string `json:"repository,omitempty"`
	CloneURL    string `json:"clone_url,omitempty"`
	// Environment is empty for those that the ref is released to.
	Environment string `json:"environment,omitempty"`
	// Ref is a full one. Commit is empty for the one that the ref has when the event is handed on.
	Ref     string `json:"ref"`
	Commit  string `json:"commit,omitempty"`
	Message string `json:"message,omitempty"`
	// By is who asks where the source knows them itself; Who is their account otherwise.
	By  release.Actor `json:"by"`
	Who string        `json:"who,omitempty"`
}

// scheduled is a release that a schedule asks for, and the body of its event.
type scheduled struct {
	Schedule    string `json:"schedule"`
	Tenant      string `json:"tenant"`
	Application string `json:"application"`
	Environment string `json:"environment,omitempty"`
	Branch      string `json:"branch"`
}

// readAsked reads an event of the API.
func readAsked(event Event) (meaning, error) {
	if event.Kind != kindRelease {
		return meaning{nothing: fmt.Sprintf("a %s event of the API starts nothing", event.Kind)}, nil
	}
	var a asked
	if err := json.Unmarshal(event.Body, &a); err != nil {
		return meaning{}, unreadable("release", err)
	}
	return meaning{asked: &a}, a.check()
}

// check says everything that is wrong with what is asked for, by the names that the API has for it.
func (a asked) check() error {
	var wrong []error
	fault := func(ok bool, name, value, want string) {
		if !ok {
			wrong = append(wrong, fmt.Errorf("%s is %.80q: want %s", name, value, want))
		}
	}
	for _, part := range []struct{ name, value string }{{"tenant", a.Tenant}, {"application", a.Application}} {
		if err := release.CheckName(part.value); err != nil {
			wrong = append(wrong, fmt.Errorf("%s: %w", part.name, err))
		}
	}
	if a.Environment != "" {
		if err := release.CheckName(a.Environment); err != nil {
			wrong = append(wrong, fmt.Errorf("environment: %w", err))
		}
	}
	fault(strings.HasPrefix(a.Ref, "refs/") && plain(a.Ref, 1024), "ref", a.Ref, "a name of at most 1024 bytes that begins with refs/")
	fault(a.Commit == "" || commit.MatchString(a.Commit) && !none(a.Commit), "commit", a.Commit, "a commit of 40 or 64 lower-case hexadecimal digits, or nothing")
	fault(len(a.Message) <= messageLimit, "message", a.Message, fmt.Sprintf("at most %d bytes", messageLimit))
	fault(a.By.Name != "", "by.name", a.By.Name, "who asks")
	return errors.Join(wrong...)
}

func readScheduled(event Event) (meaning, error) {
	var s scheduled
	if err := json.Unmarshal(event.Body, &s); err != nil {
		return meaning{}, unreadable("schedule", err)
	}
	return meaning{scheduled: &s}, nil
}

// routeTagged releases a tag that was published. Which commit it has is not told, and is asked of the repository.
func (r *Router) routeTagged(ctx context.Context, event Event, t tagged) (Outcome, error) {
	application, err := r.applications.ApplicationByRepository(ctx, t.Repository, t.CloneURL)
	if errors.Is(err, release.ErrNotFound) {
		return r.unknownRepository(ctx, t.Repository)
	}
	if err != nil {
		return settled(fmt.Errorf("find the application of %s: %w", t.Repository, err))
	}
	ref := "refs/tags/" + t.Tag
	found, outcome, err := r.resolve(ctx, application, ref)
	if outcome != nil || err != nil {
		return deref(outcome), err
	}
	return r.routeChange(ctx, event, change{
		Repository: t.Repository, CloneURL: t.CloneURL, Ref: ref, Before: noCommit, After: found,
		Message: t.Message, Who: t.Who, Stamp: "tag",
	})
}

// routeScheduled releases what a branch has now.
func (r *Router) routeScheduled(ctx context.Context, event Event, s scheduled) (Outcome, error) {
	return r.routeAsked(ctx, event, asked{
		Tenant: s.Tenant, Application: s.Application, Environment: s.Environment, Ref: "refs/heads/" + s.Branch,
		// A schedule is no person, and nobody else than the installation's configuration has written it.
		By: release.Actor{Name: s.Schedule, Source: SourceSchedule},
	})
}

// routeAsked releases what somebody asks for: the ref's commit, or an older one that is in it.
func (r *Router) routeAsked(ctx context.Context, event Event, a asked) (Outcome, error) {
	application, outcome, err := r.applicationOf(ctx, a)
	if outcome != nil || err != nil {
		return deref(outcome), err
	}
	if a.Commit == "" {
		a.Commit, outcome, err = r.resolve(ctx, application, a.Ref)
	} else {
		outcome, err = r.contained(ctx, application, a)
	}
	if outcome != nil || err != nil {
		return deref(outcome), err
	}
	place := withoutUser(application.Repository)
	c := change{
		Repository: place, CloneURL: application.Repository, Ref: a.Ref, Before: noCommit, After: a.Commit, Message: a.Message, Who: a.Who,
		Name: "asked " + event.Source + " " + event.Delivery,
	}
	by := a.By
	if by.Name == "" {
		if by, err = r.requester(event, c); err != nil {
			return Outcome{Kind: Refused, Message: tidy("not released: "+err.Error(), whyLimit)}, nil
		}
	} else {
		c.Who = by.Name
	}
	branch, ok := c.branch()
	if !ok {
		if a.Environment != "" {
			return Outcome{Kind: Refused, Message: fmt.Sprintf("%s is not a branch: ask for it without an environment, its manifest says where tags go", a.Ref)}, nil
		}
		return r.routeChange(ctx, event, c)
	}
	return r.grant(ctx, event, c, branch, a.Environment, application, by)
}

// grant submits a commit of a branch to the environments that the branch is released to, or to one of them.
func (r *Router) grant(ctx context.Context, event Event, c change, branch, environment string, application release.Application, by release.Actor) (Outcome, error) {
	routes, err := r.manifests.Routes(ctx, application, c.After)
	if errors.Is(err, release.ErrNotFound) {
		return Outcome{Kind: Refused, Message: fmt.Sprintf("%s has no commit %s any more", c.Repository, c.After)}, nil
	}
	if err != nil {
		return Outcome{}, fmt.Errorf("read the manifest of %s: %w", c.After, err)
	}
	d := destinationOf(branch, application, routes)
	if environment != "" {
		d = d.only(environment, branch, application)
	}
	if len(d.environments) == 0 {
		// Nobody pushed by the way: it was asked for, so it is not ignored.
		why := d.refused
		if len(why) == 0 {
			why = []string{d.why}
		}
		return Outcome{Kind: Refused, Message: strings.Join(why, "\n")}, nil
	}
	return r.submit(ctx, event, c, by, application, d, routes)
}

// only is the part of a destination that is one environment.
func (d destination) only(environment, branch string, application release.Application) destination {
	if slices.Contains(d.environments, environment) {
		return destination{environments: []string{environment}, branches: d.branches}
	}
	out := destination{branches: d.branches}
	switch {
	case len(application.Branches) > 0:
		out.why = foreign(branch, environment, application)
	case len(d.environments) > 0:
		out.why = fmt.Sprintf("branch %s is not released to %s: its manifest releases it to %s", branch, environment, listed(slices.Clone(d.environments)))
	default:
		out.why = d.why
	}
	return out
}

// applicationOf is the application that is named; an outcome where there is none.
func (r *Router) applicationOf(ctx context.Context, a asked) (release.Application, *Outcome, error) {
	if a.Repository != "" {
		application, err := r.applications.ApplicationByRepository(ctx, a.Repository, a.CloneURL)
		if errors.Is(err, release.ErrNotFound) {
			outcome, err := r.unknownRepository(ctx, a.Repository)
			return application, &outcome, err
		}
		if err != nil {
			outcome, err := settled(fmt.Errorf("find the application of %s: %w", a.Repository, err))
			return application, &outcome, err
		}
		return application, nil, nil
	}
	known, err := r.applications.Applications(ctx)
	if err != nil {
		return release.Application{}, nil, fmt.Errorf("list applications: %w", err)
	}
	for _, application := range known {
		if application.Tenant == a.Tenant && application.Name == a.Application {
			return application, nil, nil
		}
	}
	return release.Application{}, &Outcome{Kind: Refused, Message: fmt.Sprintf("there is no application %s/%s", a.Tenant, a.Application)}, nil
}

// resolve is the commit that a ref has; an outcome where it has none, or nobody can say.
func (r *Router) resolve(ctx context.Context, application release.Application, ref string) (string, *Outcome, error) {
	if r.parts.Heads == nil {
		return "", &Outcome{Kind: Ignored, Message: "nobody here can say which commit " + ref + " has"}, nil
	}
	found, err := r.parts.Heads.Resolve(ctx, application, ref)
	if errors.Is(err, release.ErrNotFound) {
		return "", &Outcome{Kind: Refused, Message: fmt.Sprintf("%s has no %s", withoutUser(application.Repository), ref)}, nil
	}
	if err != nil {
		return "", nil, fmt.Errorf("find the commit of %s in %s: %w", ref, withoutUser(application.Repository), err)
	}
	return found, nil, nil
}

// contained is an outcome for a commit that is not in its ref, nil for one that is.
func (r *Router) contained(ctx context.Context, application release.Application, a asked) (*Outcome, error) {
	if r.parts.Heads == nil {
		return &Outcome{Kind: Ignored, Message: fmt.Sprintf("nobody here can say whether commit %s is in %s", a.Commit, a.Ref)}, nil
	}
	in, err := r.parts.Heads.Contains(ctx, application, a.Ref, a.Commit)
	switch {
	case errors.Is(err, release.ErrNotFound):
		return &Outcome{Kind: Refused, Message: fmt.Sprintf("%s has no %s with commit %s", withoutUser(application.Repository), a.Ref, a.Commit)}, nil
	case err != nil:
		return nil, fmt.Errorf("look for %s in %s of %s: %w", a.Commit, a.Ref, withoutUser(application.Repository), err)
	case !in:
		return &Outcome{Kind: Refused, Message: fmt.Sprintf("commit %s is not in %s", a.Commit, a.Ref)}, nil
	}
	return nil, nil
}

// deref is an outcome, or the zero value where there is none.
func deref(outcome *Outcome) Outcome {
	if outcome == nil {
		return Outcome{}
	}
	return *outcome
}
