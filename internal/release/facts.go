package release

import "time"

// Stage is a part of the way in which something is done that can fail.
type Stage string

// The stages.
const (
	StageBuild    Stage = "build"
	StageTest     Stage = "test"
	StageCases    Stage = "cases"
	StagePressure Stage = "pressure"
)

// Facts are what the installation knew beside the release when the rules were asked. They are stored with the
// question, so that the decision can be had again.
type Facts struct {
	// Ramping are the other releases whose traffic is split, or that were allowed to split it and have not ended. They
	// are told where it matters: at the first weight.
	Ramping []RampingRelease `json:"ramping,omitempty"`
	// Freezes are those that people have declared and not lifted.
	Freezes []Freeze `json:"freezes,omitempty"`
	// Provenance is where the candidates come from, one for each move. It is told at the deployment, and found out at the
	// moment of the question.
	Provenance []Provenance `json:"provenance,omitempty"`
	// Foreseen says that nothing is built yet, and somebody wants to know what the rules would say. No release is asked
	// about so.
	Foreseen bool `json:"foreseen,omitempty"`
}

// Provenance is what a statement says of a candidate, if one holds: a trusted key has signed it and it is about this
// artifact. Of several the one from the plan's own commit is told, else one from its repository.
type Provenance struct {
	Component string `json:"component"`
	Artifact  Digest `json:"artifact"`
	// Verified says that there is one. Without it, Problem says why, and what follows is empty.
	Verified bool   `json:"verified"`
	Problem  string `json:"problem,omitempty"`
	// Builder is who built it, a URI. Repository has no user and no password in it.
	Builder    string `json:"builder,omitempty"`
	Repository string `json:"repository,omitempty"`
	Ref        string `json:"ref,omitempty"`
	Commit     string `json:"commit,omitempty"`
	// Keys are the trusted keys that have signed it.
	Keys []string `json:"keys,omitempty"`
	// Built is when the build ended.
	Built time.Time `json:"built,omitzero"`
}

// RampingRelease is a release with a canary.
type RampingRelease struct {
	Release ID       `json:"release"`
	Units   []string `json:"units"`
}

// Freeze is a span in which nothing is promoted, declared by a person. What it does not name it does not limit.
type Freeze struct {
	ID     string    `json:"id"`
	Starts time.Time `json:"starts"`
	// Ends is when it ends by itself; nil until it is lifted.
	Ends         *time.Time `json:"ends,omitempty"`
	Reason       string     `json:"reason"`
	By           Actor      `json:"by"`
	Tenants      []string   `json:"tenants,omitempty"`
	Applications []string   `json:"applications,omitempty"`
	Environments []string   `json:"environments,omitempty"`
	// Line stops the line: nothing begins either, and no manifest is exempt.
	Line bool `json:"line,omitempty"`
}

// BreakGlass is people's word that a release may go on against a rule. It counts when it has a second person.
type BreakGlass struct {
	By     Actor     `json:"by"`
	Reason string    `json:"reason"`
	At     time.Time `json:"at"`
	Second *Actor    `json:"second,omitempty"`
}
