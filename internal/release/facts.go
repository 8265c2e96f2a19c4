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
