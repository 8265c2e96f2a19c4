// Package policies holds the rules a release is judged by, written in Rego and embedded in the
// programs: a topic a folder under release, its tests beside it. One document joins the topics,
// data.release.decision, and nothing else is ever asked for.
//
// The input of the rules is version 1 of [github.com/skyisland/skyisland/internal/release.Question].
// Both the clock and everything that is known of the release are in it, so a decision can be had
// again from its record. What an installation sets reaches the rules as data, of which all is
// optional, and none may be malformed. docs/policies.md has every key; the oldest are:
//
//	max_step_permyriad: 2500        # a step raises the weight by at most 25 %; 5000 unless set
//	requesters:                     # who may ask for releases; applications no entry covers are open to all
//	  - tenant: fliggy
//	    application: rail-tour      # left out, the entry is for all of the tenant
//	    names: [ada]
//	    groups: [release-managers]
//	    sources: [github, api]      # left out, any source may vouch for the name
//	freeze_windows:                 # when nothing is promoted
//	  - starts: 2026-10-01T00:00:00+08:00
//	    ends: 2026-10-08T00:00:00+08:00
//	    reason: national holidays
//	    environments: [production]  # also tenants and applications; what is left out is not limited
package policies

import "embed"

// FS holds the rules with their tests, below the folder release.
//
//go:embed release
var FS embed.FS
