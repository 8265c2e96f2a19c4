package intake

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/skyisland/skyisland/internal/release"
)

// destination is where a push goes, and what its manifest changes for the pushes after it.
type destination struct {
	// environments are those it is released to, in the manifest's order.
	environments []string
	// refused is a sentence for each environment that its manifest asks for and that is not its
	// branch's to have; why says why it goes nowhere at all.
	refused []string
	why     string
	// branches is the application's mapping from now on, triggers what else releases to its environments.
	branches map[string][]string
	triggers map[string]release.Trigger
}

// learnt says whether the application is known as the destination has it.
func (d destination) learnt(application release.Application) bool {
	return sameBranches(d.branches, application.Branches) && reflect.DeepEqual(d.triggers, application.Triggers)
}

// destinationOf decides where a push of a branch goes. Whoever may push any branch can write any
// manifest there, so what a manifest says of branches counts for those environments only that are the
// pushed branch's already. The mapping that earlier pushes left says which these are:
//
//   - the first manifest of an application is trusted whole;
//   - an environment that has a branch moves to another, or ends, by a push of that branch alone;
//   - an environment that nobody has is free for every branch that is released somewhere.
//
// A manifest that is broken is refused in the place where the last good one would have gone, or, for
// an application that never had one, where the default goes: a refusal that nobody sees would be a
// push that was lost.
func destinationOf(branch string, application release.Application, routes Routes) destination {
	d := destination{branches: application.Branches, triggers: application.Triggers}
	var others []string
	pushed := func(environment string, triggers map[string]release.Trigger) {
		if triggers[environment].Push() {
			d.environments = append(d.environments, environment)
		} else {
			others = append(others, environment+" "+released(triggers[environment]))
		}
	}
	if len(routes.Problems) > 0 {
		for _, environment := range brokenTo(branch, application, routes) {
			pushed(environment, application.Triggers)
		}
	} else {
		owns := ownership(branch, application.Branches)
		for _, environment := range routes.Branches[branch] {
			if owns(environment) {
				pushed(environment, routes.Triggers)
				continue
			}
			d.refused = append(d.refused, foreign(branch, environment, application))
		}
		// A branch that goes nowhere does not say for a new application where the others go.
		if len(application.Branches) > 0 || len(d.environments)+len(others) > 0 {
			d.branches = remapped(application.Branches, routes.Branches, owns)
			d.triggers = retriggered(application.Triggers, routes.Triggers, owns)
		}
	}
	if len(d.environments)+len(d.refused) == 0 {
		d.why = nowhere(branch, application, routes, d.branches)
		if len(others) > 0 {
			d.why = fmt.Sprintf("branch %s is not released by its pushes: %s", branch, listed(others))
		}
	}
	return d
}

// ownership says which environments a push of the branch may decide about.
func ownership(branch string, stored map[string][]string) func(environment string) bool {
	return func(environment string) bool {
		if len(stored) == 0 || slices.Contains(stored[branch], environment) {
			return true
		}
		return len(stored[branch]) > 0 && len(branchesOf(environment, stored)) == 0
	}
}

// branchesOf are the branches that are released to an environment, in order.
func branchesOf(environment string, stored map[string][]string) []string {
	var out []string
	for branch, environments := range stored {
		if slices.Contains(environments, environment) {
			out = append(out, branch)
		}
	}
	slices.Sort(out)
	return out
}

// remapped is the stored mapping, but for the environments that the pushed manifest may decide about.
func remapped(stored, pushed map[string][]string, owns func(environment string) bool) map[string][]string {
	out := map[string][]string{}
	keep := func(from map[string][]string, ours bool) {
		for branch, environments := range from {
			for _, environment := range environments {
				if owns(environment) == ours {
					out[branch] = append(out[branch], environment)
				}
			}
		}
	}
	keep(stored, false)
	keep(pushed, true)
	for _, environments := range out {
		slices.Sort(environments)
	}
	return out
}

// retriggered are the stored triggers, but for the environments that the pushed manifest may decide about.
func retriggered(stored, pushed map[string]release.Trigger, owns func(environment string) bool) map[string]release.Trigger {
	var out map[string]release.Trigger
	keep := func(from map[string]release.Trigger, ours bool) {
		for environment, trigger := range from {
			if owns(environment) == ours && !trigger.Push() {
				if out == nil {
					out = map[string]release.Trigger{}
				}
				out[environment] = trigger
			}
		}
	}
	keep(stored, false)
	keep(pushed, true)
	return out
}

// released says what releases to an environment instead of a push.
func released(t release.Trigger) string {
	switch {
	case t.After != "":
		return "is promoted from " + t.After
	case t.Preview != "":
		return "has pull requests labelled " + t.Preview
	}
	return "has tags " + strings.Join(t.Tags, " and ")
}

// brokenTo is where a broken manifest is refused.
func brokenTo(branch string, application release.Application, routes Routes) []string {
	switch {
	case len(application.Branches) > 0:
		return application.Branches[branch]
	case len(routes.Branches) > 0:
		return routes.Branches[branch]
	case branch == "main":
		return []string{"production"}
	}
	return nil
}

// foreign says why a branch may not be released to an environment, and what would change that.
func foreign(branch, environment string, application release.Application) string {
	if owners := branchesOf(environment, application.Branches); len(owners) > 0 {
		return fmt.Sprintf("branch %s may not be released to %s: %s/%s releases %s; to change that, push the changed manifest to %s",
			branch, environment, application.Tenant, application.Name, mapping(application.Branches), listed(owners))
	}
	return fmt.Sprintf("branch %s may not be released to %s: %s/%s releases %s; to add an environment, push the manifest to one of these branches",
		branch, environment, application.Tenant, application.Name, mapping(application.Branches))
}

// nowhere says why a branch goes nowhere, and which do.
func nowhere(branch string, application release.Application, routes Routes, branches map[string][]string) string {
	why := "branch " + branch + " is not released anywhere"
	if len(routes.Problems) > 0 && len(application.Branches) == 0 {
		return why + ", and the manifest is broken\n" + routes.Problems.Error()
	}
	if len(routes.Problems) > 0 {
		return fmt.Sprintf("%s; besides, the manifest has %d problems", why, len(routes.Problems))
	}
	who := application.Tenant + "/" + application.Name
	if len(branches) == 0 {
		who, branches = "the manifest", routes.Branches
	}
	if len(branches) == 0 {
		return why + ", and neither is any other"
	}
	return fmt.Sprintf("%s; %s releases %s", why, who, mapping(branches))
}

// mapping is branches and their environments, as a sentence has them.
func mapping(branches map[string][]string) string {
	var out []string
	for branch, environments := range branches {
		out = append(out, branch+" to "+strings.Join(environments, " and "))
	}
	return listed(out)
}

// sameBranches says whether two mappings are the same, whatever the order of the environments.
func sameBranches(a, b map[string][]string) bool {
	return maps.EqualFunc(a, b, func(a, b []string) bool {
		return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
	})
}
