package app

import (
	"context"
	"fmt"
	"time"

	"github.com/skyisland/skyisland/activities"
	"github.com/skyisland/skyisland/internal/desk"
	"github.com/skyisland/skyisland/internal/dispatch"
	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/internal/store"
	"github.com/skyisland/skyisland/workflows"
)

// newDesk takes what people say in chats and on the approval page.
func (a *App) newDesk() *desk.Desk {
	return desk.New(desk.Options{
		Releases: a.dispatch, People: a.people, Records: deskRecords{a.store}, Freezer: a.freezes(), Now: time.Now, Log: a.log,
	})
}

// policy asks the rules and records what they say.
func (a *App) policy() *activities.Policy {
	return &activities.Policy{Rules: patientRules{a.rules}, Ledger: a.store, Registry: a.store, Origins: a.attestations}
}

// freezes are what people declare and lift, as far as the rules let them.
func (a *App) freezes() desk.Freezes {
	return desk.Freezes{FreezeStore: a.store, Policy: a.policy()}
}

// deskRecords is the store in the words of the desk.
type deskRecords struct{ *store.Store }

// Newest is the release of a lane with the highest number.
func (r deskRecords) Newest(ctx context.Context, lane release.Lane) (release.ID, error) {
	newest, _, err := r.Lane(ctx, lane)
	if err != nil {
		return release.ID{}, err
	}
	if newest == nil {
		return release.ID{}, fmt.Errorf("lane %s has had no release: %w", lane, release.ErrNotFound)
	}
	return newest.ID, nil
}

// audited is the dispatcher for the API: what releases refuse is recorded.
type audited struct {
	*dispatch.Dispatcher

	audit desk.Audit
}

// Instruct tells a release what a person says.
func (a audited) Instruct(ctx context.Context, id release.ID, what dispatch.Instruction, in release.Instruction) (workflows.Followed, error) {
	return a.audit.Instruct(ctx, id, what, in)
}
