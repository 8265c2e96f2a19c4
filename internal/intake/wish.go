package intake

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/skyisland/skyisland/internal/release"
)

// absent stands for a commit that is not told.
const absent = "0000000000000000000000000000000000000000"

// asked is a release that somebody asks for by name, and the body of an event of the API. The application is named by itself
// or by its repository.
type asked struct {
	Tenant      string `json:"tenant,omitempty"`
	Application string `json:"application,omitempty"`
	Repository  string `json:"repository,omitempty"`
	CloneURL    string `json:"clone_url,omitempty"`
	// Environment is empty for those that the ref is released to.
	Environment string `json:"environment,omitempty"`
	// Ref is a full one, or the name of a branch, or of a tag for want of one. Commit is empty for the one that the ref has
	// when the event is handed on. Without a ref, the commit is one of a branch that is released.
	Ref     string `json:"ref,omitempty"`
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
	fault(a.Ref != "" && plain(a.Ref, 1024) || a.Ref == "" && a.Commit != "", "ref", a.Ref, "a branch or tag of at most 1024 bytes, or a commit in its place")
	fault(a.Commit == "" || commit.MatchString(a.Commit) && !none(a.Commit), "commit", a.Commit, "a commit of 40 or 64 lower-case hexadecimal digits, or nothing")
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

// routeScheduled releases what a branch has now.
func (r *Router) routeScheduled(ctx context.Context, event Event, s scheduled) (Outcome, error) {
	return r.routeAsked(ctx, event, asked{
		Tenant: s.Tenant, Application: s.Application, Environment: s.Environment, Ref: "refs/heads/" + s.Branch,
		// A schedule is no person, and nobody else than the installation's configuration has written it.
		By: release.Actor{Name: s.Schedule, Source: SourceSchedule},
	})
}

// routeAsked releases what somebody asks for: the ref's commit, or an older one of a branch.
func (r *Router) routeAsked(ctx context.Context, event Event, a asked) (Outcome, error) {
	application, err := r.askedOf(ctx, a)
	if err != nil {
		return Outcome{}, err
	}
	refs, err := r.repositories.Refs(ctx, application)
	if err != nil {
		return Outcome{}, fmt.Errorf("ask for the refs of %s: %w", withoutUser(application.Repository), err)
	}
	if err := r.aim(ctx, &a, application, refs); err != nil {
		return Outcome{}, err
	}
	by := a.By
	if by.Name == "" {
		if by, err = r.requester(event, change{Who: a.Who}); err != nil {
			return Outcome{}, nobody("not released", err)
		}
	}
	routes, err := r.routesOf(ctx, application, a.Commit)
	if err != nil {
		return Outcome{}, err
	}
	environments, why, err := r.destinations(ctx, a, application, routes, refs)
	if err != nil {
		return Outcome{}, err
	}
	if len(environments) == 0 {
		// Nobody pushed by the way: it was asked for, so it is not ignored.
		return Outcome{Kind: Refused, Message: why}, nil
	}
	return r.submit(ctx, wanted{
		event:       event,
		application: application, environments: environments, ref: a.Ref, commit: a.Commit, message: a.Message, requester: by,
		// Whichever commit the ref has by then, it was asked for once.
		happening: "asked " + event.Source + " " + event.named(),
	}, routes)
}

// aim sets the full ref, and the commit where none is asked for. What cannot be had ends the event.
func (r *Router) aim(ctx context.Context, a *asked, application release.Application, refs map[string]string) error {
	if a.Ref == "" {
		return r.find(ctx, a, application, refs)
	}
	for _, ref := range []string{a.Ref, "refs/heads/" + a.Ref, "refs/tags/" + a.Ref} {
		if refs[ref] != "" {
			a.Ref = ref
			break
		}
	}
	head := refs[a.Ref]
	switch {
	case head == "":
		return end(Refused, "%s has no %s", withoutUser(application.Repository), a.Ref)
	case a.Commit == "" || a.Commit == head:
		a.Commit = head
		return nil
	case strings.HasPrefix(a.Ref, "refs/tags/"):
		return end(Refused, "%s is %s, not %s", a.Ref, head, a.Commit)
	}
	in, err := r.contains(ctx, application, head, a.Commit)
	if err == nil && !in {
		return end(Refused, "commit %s is not in %s", a.Commit, a.Ref)
	}
	return err
}

// find looks for the branch of a commit, among those that are released, or released to the environment.
func (r *Router) find(ctx context.Context, a *asked, application release.Application, refs map[string]string) error {
	branches := slices.Sorted(maps.Keys(application.Branches))
	if a.Environment != "" {
		branches = branchesOf(a.Environment, application.Branches)
	}
	for _, branch := range branches {
		ref := "refs/heads/" + branch
		in, err := r.contains(ctx, application, refs[ref], a.Commit)
		if err != nil {
			return err
		}
		if in {
			a.Ref = ref
			return nil
		}
	}
	why := "no branch is released there yet: say which it is of"
	if len(branches) > 0 {
		why = "it is not in " + listed(branches)
	}
	return end(Refused, "commit %s is not released: %s", a.Commit, why)
}

// destinations are the environments that what is asked for goes to; a sentence where there are none.
func (r *Router) destinations(ctx context.Context, a asked, application release.Application, routes Routes, refs map[string]string) ([]string, string, error) {
	if branch, ok := strings.CutPrefix(a.Ref, "refs/heads/"); ok {
		d := destinationOf(branch, application, routes)
		if a.Environment != "" {
			d = d.only(a.Environment, branch, application)
		}
		if d.why != "" {
			return d.environments, d.why, nil
		}
		return d.environments, strings.Join(d.refused, "\n"), nil
	}
	tag, ok := strings.CutPrefix(a.Ref, "refs/tags/")
	if !ok {
		return nil, a.Ref + " is neither a branch nor a tag", nil
	}
	return r.tagDestinations(ctx, a, tag, application, routes, refs)
}

// tagDestinations are the environments whose pattern a tag is like and on whose branch it is. Whoever asks by name may ask
// for an older tag than the last.
func (r *Router) tagDestinations(ctx context.Context, a asked, tag string, application release.Application, routes Routes, refs map[string]string) (out []string, why string, err error) {
	triggers, branches := application.Triggers, application.Branches
	if len(branches) == 0 { // the first manifest of an application is trusted whole
		triggers, branches = routes.Triggers, routes.Branches
	}
	why = "tag " + tag + " is not released anywhere" + patterns(triggers)
	for _, environment := range environmentsOfTag(tag, triggers) {
		if a.Environment != "" && a.Environment != environment {
			why = "tag " + tag + " is not released to " + a.Environment + patterns(triggers)
			continue
		}
		off, err := r.offBranch(ctx, tag, a.Commit, environment, application, branches, refs)
		if err != nil {
			return nil, "", err
		}
		if off != "" {
			why = off
			continue
		}
		out = append(out, environment)
	}
	return out, why, nil
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

// askedOf is the application that is named, by itself or by its repository.
func (r *Router) askedOf(ctx context.Context, a asked) (release.Application, error) {
	if a.Repository != "" {
		return r.applicationOf(ctx, a.Repository, a.CloneURL)
	}
	application, err := r.applicationNamed(ctx, a.Tenant, a.Application)
	if errors.Is(err, release.ErrNotFound) {
		return application, end(Refused, "there is no application %s/%s", a.Tenant, a.Application)
	}
	return application, err
}
