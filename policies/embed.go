// Package policies holds the rules a release is judged by, written in Rego and embedded in the
// programs: a topic a folder under release, its tests beside it. One document joins the topics,
// data.release.decision, and nothing else is ever asked for.
//
// The input of the rules is version 1 of [github.com/skyisland/skyisland/internal/release.Question].
// What an installation sets, such as its freeze windows, reaches them as data; docs/policies.md
// lists it. Both the clock and everything that is known of the release are in the input, so a
// decision can be had again from its record.
package policies

import "embed"

// FS holds the rules with their tests, below the folder release.
//
//go:embed release
var FS embed.FS
