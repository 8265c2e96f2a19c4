package intake

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/skyisland/skyisland/internal/release"
)

// routePreview releases the head of a pull request to the environments whose label it has. Which these are, the branches
// that are released say, and never the pull request: whoever may open one can write anything into its manifest.
func (r *Router) routePreview(ctx context.Context, event Event, p preview) (Outcome, error) {
	application, err := r.applicationOf(ctx, p.Repository, p.CloneURL)
	if err != nil {
		return Outcome{}, err
	}
	var environments, labels []string
	for _, environment := range slices.Sorted(maps.Keys(application.Triggers)) {
		label := application.Triggers[environment].Preview
		if label == "" {
			continue
		}
		labels = append(labels, label+" for "+environment)
		if slices.Contains(p.Labels, label) {
			environments = append(environments, environment)
		}
	}
	switch {
	case len(labels) == 0:
		return Outcome{Kind: Ignored, Message: fmt.Sprintf("pull request %d has no preview: no environment has previews", p.Number)}, nil
	case len(environments) == 0:
		return Outcome{Kind: Ignored, Message: fmt.Sprintf("pull request %d has no label that asks for a preview: there are %s", p.Number, listed(labels))}, nil
	case p.foreign():
		from := p.HeadRepository
		if from == "" {
			from = "a repository that is gone"
		}
		return Outcome{Kind: Refused, Message: fmt.Sprintf("pull request %d has no preview: its commits are from %s, and the code of forks is not run", p.Number, tidy(from, nameLimit))}, nil
	}
	return r.show(ctx, event, p, application, environments)
}

// show asks for a preview, unless the pull request has come to another commit since.
func (r *Router) show(ctx context.Context, event Event, p preview, application release.Application, environments []string) (Outcome, error) {
	ref := "refs/heads/" + p.HeadRef
	refs, err := r.repositories.Refs(ctx, application, ref)
	if err != nil {
		return Outcome{}, fmt.Errorf("ask for %s: %w", ref, err)
	}
	if now := refs[ref]; now != p.HeadSHA {
		if now == "" {
			return Outcome{Kind: Superseded, Message: fmt.Sprintf("branch %s is gone", p.HeadRef)}, nil
		}
		// A host with several servers may tell of a commit before each of them has it.
		if r.mayLag(event) {
			return Outcome{}, fmt.Errorf("%s does not show %s yet", ref, p.HeadSHA)
		}
		return Outcome{Kind: Superseded, Message: fmt.Sprintf("branch %s is at %s now", p.HeadRef, short(now))}, nil
	}
	routes, err := r.routesOf(ctx, application, p.HeadSHA)
	if err != nil {
		return Outcome{}, err
	}
	by, err := r.requester(event, change{Who: p.Who})
	if err != nil {
		return Outcome{}, nobody("not released", err)
	}
	return r.submit(ctx, wanted{
		event:       event,
		application: application, environments: environments, ref: ref, commit: p.HeadSHA, message: fmt.Sprintf("Preview of pull request %d", p.Number),
		// Two labels and a push tell of the same commit: it is shown once.
		happening: strings.Join([]string{p.Repository, ref, p.HeadSHA, fmt.Sprintf("pull=%d", p.Number)}, " "),
		requester: by,
	}, routes)
}
