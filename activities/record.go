package activities

import (
	"context"
	"fmt"

	"github.com/skyisland/skyisland/internal/release"
)

// Journal keeps what outlives a workflow.
type Journal interface {
	// SaveProgress stores where a release is and what happened to it, together. Entries are known
	// by their number; one that is stored already stays as it is.
	SaveProgress(ctx context.Context, summary release.Summary, entries []release.Entry) error
	// SaveRoutes stores the routes that a unit's gateways are to have when no release moves them.
	SaveRoutes(ctx context.Context, unit string, routes []release.Route) error
	// SaveStable stores what serves a lane since a release completed.
	SaveStable(ctx context.Context, id release.ID, stable map[string]release.Revision) error
	// Lane is what is recorded of a lane: its newest release, nil when it has none, and what serves it.
	Lane(ctx context.Context, lane release.Lane) (newest *release.Summary, stable map[string]release.Revision, err error)
	// SaveInstruction stores what a person told a release, and what became of it.
	SaveInstruction(ctx context.Context, id release.ID, kind string, instruction release.Instruction, refused string) error
}

// Record holds the activities that write the journal.
type Record struct{ Journal Journal }

// ProgressInput is what happened to a release.
type ProgressInput struct {
	Summary release.Summary
	Entries []release.Entry
}

// RecordResult is empty.
type RecordResult struct{}

// Progress records where a release is.
func (r *Record) Progress(ctx context.Context, in ProgressInput) (RecordResult, error) {
	if err := r.Journal.SaveProgress(ctx, in.Summary, in.Entries); err != nil {
		return RecordResult{}, fmt.Errorf("record release %s: %w", in.Summary.ID, err)
	}
	return RecordResult{}, nil
}

// Routes records the routes a unit is to have from now on.
func (r *Record) Routes(ctx context.Context, in RouteInput) (RecordResult, error) {
	if err := r.Journal.SaveRoutes(ctx, in.Unit, in.Routes); err != nil {
		return RecordResult{}, fmt.Errorf("record routes of unit %s: %w", in.Unit, err)
	}
	return RecordResult{}, nil
}

// StableInput is what a release has made stable.
type StableInput struct {
	Release release.ID
	Stable  map[string]release.Revision
}

// Stable records what serves a lane from now on.
func (r *Record) Stable(ctx context.Context, in StableInput) (RecordResult, error) {
	if err := r.Journal.SaveStable(ctx, in.Release, in.Stable); err != nil {
		return RecordResult{}, fmt.Errorf("record what release %s made stable: %w", in.Release, err)
	}
	return RecordResult{}, nil
}

// RecallInput names a lane.
type RecallInput struct {
	Lane release.Lane
}

// RecallResult is what is recorded of a lane.
type RecallResult struct {
	// Newest is nil when the lane has had no release.
	Newest *release.Summary
	Stable map[string]release.Revision
}

// Recall reads what is recorded of a lane, for one whose workflow begins anew.
func (r *Record) Recall(ctx context.Context, in RecallInput) (RecallResult, error) {
	newest, stable, err := r.Journal.Lane(ctx, in.Lane)
	if err != nil {
		return RecallResult{}, fmt.Errorf("recall lane %s: %w", in.Lane, err)
	}
	return RecallResult{Newest: newest, Stable: stable}, nil
}

// InstructionInput is a person's instruction to a release.
type InstructionInput struct {
	Release     release.ID
	Kind        string
	Instruction release.Instruction
	// Refused is why the instruction was not followed; empty when it was.
	Refused string
}

// Instruction records what a person said.
func (r *Record) Instruction(ctx context.Context, in InstructionInput) (RecordResult, error) {
	if err := r.Journal.SaveInstruction(ctx, in.Release, in.Kind, in.Instruction, in.Refused); err != nil {
		return RecordResult{}, fmt.Errorf("record %s of release %s: %w", in.Kind, in.Release, err)
	}
	return RecordResult{}, nil
}
