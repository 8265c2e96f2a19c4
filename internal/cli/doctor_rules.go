package cli

import (
	"time"

	"github.com/skyisland/skyisland/internal/api"
)

// checkRules says which rules answer, and what keeps others out. Rules that are kept out stop nobody, so they are a warning;
// data that denies everything stops everybody.
func checkRules(rules api.Rules) []check {
	const name = "policies"
	from := rules.From
	if from == "" {
		from = "the program itself"
	}
	bundle := rules.Bundle
	if rules.Revision != "" {
		bundle += " (" + rules.Revision + ")"
	}
	checks := []check{ok(name, "bundle %s in force since %s, rules of %s", bundle, moment(rules.Since), from)}
	warn := func(message, fix string) { checks = append(checks, check{name, resultWarn, message, fix}) }
	if rules.Broken != "" {
		checks = append(checks, check{name, resultFail, rules.Broken, "mend the data; it counts from the next decision on"})
	}
	if r := rules.Refused; r != nil {
		which := "the rules that are there now"
		if r.Tag != "" {
			which = "the rules with ETag " + r.Tag
		}
		if r.Revision != "" {
			which += " (" + r.Revision + ")"
		}
		warn(which+" are refused since "+moment(r.Since)+": "+r.Why, "mend them where they come from; until then those in force stay")
	}
	if rules.Unreached != "" {
		since := ""
		if rules.UnreachedSince != nil {
			since = " since " + moment(*rules.UnreachedSince)
		}
		warn("the rules cannot be looked at"+since+": "+rules.Unreached, "see whether "+from+" is there, and lets this server in; until then the rules in force stay")
	}
	return checks
}

func moment(at time.Time) string { return at.UTC().Format(time.RFC3339) }
