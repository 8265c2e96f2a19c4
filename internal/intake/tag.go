package intake

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/skyisland/skyisland/internal/glob"
	"github.com/skyisland/skyisland/internal/release"
)

// routeTag releases the commit of a tag to the environments whose pattern it is like. What counts is where the tag is
// now: of an annotated one a push names the tag itself, not its commit, and a late event may name what it no longer marks.
func (r *Router) routeTag(ctx context.Context, event Event, c change, tag string, application release.Application) (Outcome, error) {
	refs, err := r.repositories.Refs(ctx, application)
	if err != nil {
		return Outcome{}, fmt.Errorf("ask for the refs of %s: %w", c.Repository, err)
	}
	gone := c.gone()
	if refs[c.Ref] == "" && !gone && r.mayLag(event) {
		return Outcome{}, fmt.Errorf("%s does not show tag %s yet", c.Repository, tag)
	}
	c.After = refs[c.Ref]
	if c.After == "" {
		message := "tag " + tag + " was deleted"
		if !gone {
			// Who asks for a release of a tag may have mistyped it.
			message = "there is no tag " + tag + ": it was deleted, or never pushed"
		}
		return Outcome{Kind: Ignored, Message: message}, r.saw(ctx, application, event, c.Ref, strings.Repeat("0", 40), false)
	}
	seen, err := r.seenHead(ctx, application, c.Ref)
	if err != nil {
		return Outcome{}, err
	}
	if event.repeats(seen, c.After) {
		return Outcome{}, r.duplicate(ctx, event, seen, fmt.Sprintf("tag %s came to %s", tag, short(c.After)))
	}
	if len(application.Branches) > 0 && len(environmentsOfTag(tag, application.Triggers)) == 0 {
		// Before its commit is asked for: all tags go in one line, and one that nobody wants must not hold the others back.
		return Outcome{Kind: Ignored, Message: "tag " + tag + " is not released anywhere" + patterns(application.Triggers)}, r.saw(ctx, application, event, c.Ref, c.After, false)
	}
	routes, err := r.routesOf(ctx, application, c.After)
	if err != nil {
		return Outcome{}, err
	}
	if c, err = r.described(ctx, event, c, application); err != nil {
		return Outcome{}, err
	}
	outcome, err := outcomeOf(r.releaseTag(ctx, event, c, tag, application, routes, refs))
	if err != nil {
		return Outcome{}, err
	}
	return outcome, r.saw(ctx, application, event, c.Ref, c.After, len(outcome.Releases) > 0)
}

// releaseTag asks the lanes, once it is clear who may be asked.
func (r *Router) releaseTag(ctx context.Context, event Event, c change, tag string, application release.Application, routes Routes, refs map[string]string) (Outcome, error) {
	requester, err := r.requester(event, c)
	if err != nil {
		return Outcome{}, nobody("not released", err)
	}
	triggers, branches := application.Triggers, application.Branches
	if len(branches) == 0 { // the first manifest of an application is trusted whole
		triggers, branches = routes.Triggers, routes.Branches
	}
	wants := environmentsOfTag(tag, triggers)
	if len(wants) == 0 {
		return Outcome{Kind: Ignored, Message: "tag " + tag + " is not released anywhere" + patterns(triggers)}, nil
	}
	w := wanted{
		event: event, application: application, happening: strings.Join([]string{c.Repository, c.Ref, c.After, "tag"}, " "),
		ref: c.Ref, commit: c.After, message: c.Message, requester: requester,
	}
	var refused []string
	for _, environment := range wants {
		why, err := r.refuseTag(ctx, event, c, tag, environment, application, branches, refs)
		if err != nil {
			return Outcome{}, err
		}
		if why != "" {
			refused = append(refused, why)
			continue
		}
		w.environments = append(w.environments, environment)
	}
	if len(w.environments) == 0 {
		return Outcome{Kind: Refused, Message: strings.Join(refused, "\n")}, nil
	}
	outcome, err := r.submit(ctx, w, routes)
	if err != nil {
		return Outcome{}, err
	}
	for _, environment := range w.environments {
		if err := r.saw(ctx, application, event, tagged(environment), c.After, true); err != nil {
			return Outcome{}, err
		}
	}
	return outcome.beside(refused), nil
}

// tagged names, among what was seen, the last tag that was released to an environment. No ref is called that.
func tagged(environment string) string { return "tags of " + environment }

// refuseTag says why a tag may not be released to an environment; "" when it may. Whoever may push a tag can put it on
// any commit, so its commit has to be on the environment's branch. And it has to be newer than what a tag has released
// there before: tags come out of order like everything else.
func (r *Router) refuseTag(ctx context.Context, event Event, c change, tag, environment string, application release.Application, branches map[string][]string, refs map[string]string) (string, error) {
	why, err := r.offBranch(ctx, tag, c.After, environment, application, branches, refs)
	if err != nil || why != "" || event.Again {
		return why, err
	}
	seen, err := r.seenHead(ctx, application, tagged(environment))
	if err != nil || seen.Event == 0 || seen.Commit == c.After {
		return "", err
	}
	older, err := r.contains(ctx, application, seen.Commit, c.After)
	if err != nil || !older {
		return "", err
	}
	return fmt.Sprintf("tag %s is older than %s, which was released to %s by event %d; to go back to it, replay this event with --again",
		tag, short(seen.Commit), environment, seen.Event), nil
}

// offBranch says that a tag's commit is on none of an environment's branches; "" when it is on one.
func (r *Router) offBranch(ctx context.Context, tag, commit, environment string, application release.Application, branches map[string][]string, refs map[string]string) (string, error) {
	owners := branchesOf(environment, branches)
	for _, branch := range owners {
		if on, err := r.contains(ctx, application, refs["refs/heads/"+branch], commit); err != nil || on {
			return "", err
		}
	}
	return fmt.Sprintf("tag %s is not on branch %s, so it is not released to %s", tag, listed(owners), environment), nil
}

// environmentsOfTag are those whose pattern a tag is like, in order.
func environmentsOfTag(tag string, triggers map[string]release.Trigger) []string {
	var out []string
	for _, environment := range slices.Sorted(maps.Keys(triggers)) {
		if glob.New(triggers[environment].Tags...).Match(tag) {
			out = append(out, environment)
		}
	}
	return out
}

// patterns says which tags are released.
func patterns(triggers map[string]release.Trigger) string {
	var out []string
	for _, environment := range slices.Sorted(maps.Keys(triggers)) {
		if tags := triggers[environment].Tags; len(tags) > 0 {
			out = append(out, strings.Join(tags, " and ")+" to "+environment)
		}
	}
	if len(out) == 0 {
		return ": no environment has tags"
	}
	return "; released are " + listed(out)
}
