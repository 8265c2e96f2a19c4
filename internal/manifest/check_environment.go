package manifest

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/internal/yamldoc"
)

// The largest weight before the cutover: above it the canary, not stable, would be the larger part
// of the comparison, and the statistics of errors lose what they compare with.
const maxStep release.Weight = 5000

const (
	maxSteps = 20
	maxUnits = 64
	// maxPreview is the longest label, in bytes: GitHub has at most 50 characters.
	maxPreview = 200
	// quantileSample is how many requests a 99th percentile needs: one of them is above it.
	quantileSample = 100
)

func checkEnvironment(doc *yamldoc.Document, at string, e *Environment) {
	if !branches.MatchString(e.Branch) || strings.HasPrefix(e.Branch, "/") || strings.HasPrefix(e.Branch, "-") {
		doc.Report(at+".branch", fmt.Sprintf("%q is not a branch", e.Branch), "write its name, such as main")
	} else if short, found := strings.CutPrefix(e.Branch, "refs/heads/"); found {
		doc.Report(at+".branch", fmt.Sprintf("%q is a ref", e.Branch), "write the branch alone: "+short)
	}
	checkPatterns(doc, at+".tags", e.Tags, "write one such as v*")
	if doc.Has(at+".preview") && (strings.TrimSpace(e.Preview) == "" || len(e.Preview) > maxPreview) {
		doc.Report(at+".preview", fmt.Sprintf("%.80q is not a label", e.Preview), fmt.Sprintf("write a label of 1 to %d bytes, such as preview", maxPreview))
	}
	if doc.Has(at+".units") && len(e.Units) == 0 {
		doc.Report(at+".units", "nothing in the list", "name the units, or remove the field for all there are")
	}
	if len(e.Units) > maxUnits {
		doc.Report(at+".units", fmt.Sprintf("%d units", len(e.Units)), fmt.Sprintf("name at most %d", maxUnits))
	}
	for i, unit := range e.Units {
		checkName(doc, fmt.Sprintf("%s.units[%d]", at, i), unit)
	}
	checkUnique(doc, at+".units", e.Units)
	checkPressure(doc, at+".pressure", e.Pressure)
	checkRamp(doc, at+".ramp", e.Ramp)
	if e.Analysis.BlindBack < e.Analysis.Blind {
		doc.Report(at+".analysis.blind-back", fmt.Sprintf("%s is shorter than blind, %s", e.Analysis.BlindBack, e.Analysis.Blind),
			"write at least "+e.Analysis.Blind.String())
	}
	checkApproval(doc, at+".approval", e.Approval)
}

// checkTrigger reports what releases to an environment and cannot: two things at once, or a promotion from nowhere.
func checkTrigger(doc *yamldoc.Document, at, name string, all map[string]*Environment) {
	e := all[name]
	for _, other := range []struct {
		field string
		set   bool
	}{{".tags", len(e.Tags) > 0}, {".preview", e.Preview != ""}} {
		if other.set && e.After != "" {
			doc.Report(at+other.field, "it has no effect with after: "+e.After, "remove one of them")
		}
	}
	if len(e.Tags) > 0 && e.Preview != "" {
		doc.Report(at+".preview", "an environment is released by tags or by pull requests", "remove tags or preview")
	}
	if e.After == "" {
		return
	}
	from, known := all[e.After]
	switch {
	case !known || from == nil:
		doc.Report(at+".after", fmt.Sprintf("there is no environment %q", e.After), yamldoc.Suggest(e.After, slices.Sorted(maps.Keys(all))))
		return
	case doc.Has(at+".branch") && from.Branch != e.Branch:
		doc.Report(at+".branch", fmt.Sprintf("%s is released from %s, and what is promoted is of that branch", e.After, from.Branch), "remove it")
	}
	for range all {
		if e.After == name {
			doc.Report(at+".after", "the promotion goes in a circle", "begin with an environment that is released from a branch")
			return
		}
		if e = all[e.After]; e == nil || e.After == "" {
			return
		}
	}
}

func checkApproval(doc *yamldoc.Document, at string, a *release.Approval) {
	if a == nil {
		return
	}
	checkPeople(doc, at+".from", a.From)
	sooner := func(field string, d release.Duration) {
		if doc.Sound(at+".within") && doc.Sound(at+field) && d >= a.Within {
			doc.Report(at+field, fmt.Sprintf("%s is not before the question expires, after %s", d, a.Within), "write less than "+a.Within.String())
		}
	}
	sooner(".remind", a.Remind)
	if a.Escalate != nil {
		checkPeople(doc, at+".escalate.to", a.Escalate.To)
		sooner(".escalate.after", a.Escalate.After)
	}
}

func checkPeople(doc *yamldoc.Document, at string, people []string) {
	checkUnique(doc, at, people)
	for i, who := range people {
		if strings.TrimSpace(who) == "" {
			doc.Report(fmt.Sprintf("%s[%d]", at, i), "an empty name", "name a group or a person")
		}
	}
}

func checkPressure(doc *yamldoc.Document, at string, p *release.Pressure) {
	if p == nil || !doc.Sound(at+".rate") || !doc.Sound(at+".for") || p.Rate == 0 {
		return
	}
	if sent := float64(p.Rate) * p.For.Std().Seconds(); sent < quantileSample {
		doc.Report(at+".for", fmt.Sprintf("%s for %s makes %.0f requests, too few to tell a 99th percentile", p.Rate, p.For, sent),
			fmt.Sprintf("raise rate or for, to make at least %d requests", quantileSample))
	}
}

func checkRamp(doc *yamldoc.Document, at string, r release.Ramp) {
	if len(r.Steps) > maxSteps {
		doc.Report(at+".steps", fmt.Sprintf("%d steps", len(r.Steps)), fmt.Sprintf("write at most %d", maxSteps))
	}
	for i, w := range r.Steps {
		where := fmt.Sprintf("%s.steps[%d]", at, i)
		switch {
		case w <= release.NoWeight:
			doc.Report(where, "a step of 0% sends nobody", "begin with a weight such as 1%")
		case w == release.FullWeight:
			doc.Report(where, "100% is the cutover, which follows the last step by itself", "remove it")
		case w > maxStep:
			doc.Report(where, fmt.Sprintf("%s is over %s, the most that canary and stable can be compared at", w, maxStep),
				fmt.Sprintf("end with %s or less; the cutover to 100%% follows by itself", maxStep))
		case i > 0 && w <= r.Steps[i-1]:
			doc.Report(where, fmt.Sprintf("%s does not rise above %s before it", w, r.Steps[i-1]), "write rising weights, such as [1%, 5%, 20%, 50%]")
		}
	}
	if r.Exposure > 0 && r.Exposure < release.LeastExposure {
		doc.Report(at+".exposure", fmt.Sprintf("%d bad answers decide nothing", r.Exposure), fmt.Sprintf("write at least %d, or 0 for no bound", release.LeastExposure))
	}
	if r.Patience < r.Bake {
		doc.Report(at+".patience", fmt.Sprintf("%s is shorter than bake, %s", r.Patience, r.Bake), "write at least "+r.Bake.String())
	}
	if r.UserHeader == "" {
		return
	}
	if !token.MatchString(r.UserHeader) {
		doc.Report(at+".user-header", fmt.Sprintf("%q is not the name of a header", r.UserHeader), "write one such as X-User-Id")
	}
	if r.Sticky != release.StickyUser {
		doc.Report(at+".user-header", fmt.Sprintf("it has no effect with sticky: %s", r.Sticky), "write sticky: user, or remove it")
	}
}
