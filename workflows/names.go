package workflows

import (
	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"

	"github.com/skyisland/skyisland/internal/release"
)

// TaskQueue is where the workflows and activities of Sky Island run.
const TaskQueue = "skyisland"

// The workflow types.
const (
	LaneType    = "Lane"
	ReleaseType = "Release"
)

// The names that others address a workflow by. They are part of the histories of running releases:
// renaming one needs a version.
const (
	// UpdateSubmit asks a lane for a release.
	UpdateSubmit = "submit"
	// The updates of a release.
	UpdateApprove  = "approve"
	UpdateReject   = "reject"
	UpdatePause    = "pause"
	UpdateResume   = "resume"
	UpdatePromote  = "promote"
	UpdateAbort    = "abort"
	UpdateRollback = "rollback"
	// UpdateBreakGlass asks for a rule to be broken, and is followed when a second person says so too.
	UpdateBreakGlass = "break-glass"
	// SignalAlarm tells a release of an alarm, SignalSupersede of a newer release.
	SignalAlarm     = "alarm"
	SignalSupersede = "supersede"
	// SignalBuilt tells a release that a build elsewhere of its commit has ended, well or not.
	SignalBuilt = "built"
	// SignalFinished tells a lane how its release ended; SignalPresence asks a release whether it is there.
	SignalFinished = "finished"
	SignalPresence = "presence"
	// QueryStatus answers with a [release.Status] or a [LaneState].
	QueryStatus = "status"
)

// SearchAttributes are the typed attributes that every workflow carries. The server has to know
// them before the first workflow starts.
func SearchAttributes() map[string]enums.IndexedValueType {
	out := map[string]enums.IndexedValueType{}
	for _, name := range []string{attributeTenant, attributeApplication, attributeEnvironment, attributePhase, attributeRevision, attributeVerdict} {
		out[name] = enums.INDEXED_VALUE_TYPE_KEYWORD
	}
	return out
}

const (
	attributeTenant      = "SkyTenant"
	attributeApplication = "SkyApplication"
	attributeEnvironment = "SkyEnvironment"
	attributePhase       = "SkyPhase"
	attributeRevision    = "SkyRevision"
	attributeVerdict     = "SkyVerdict"
)

func keyword(name, value string) temporal.SearchAttributeUpdate {
	return temporal.NewSearchAttributeKeyKeyword(name).ValueSet(value)
}

// LaneAttributes are the search attributes of everything in a lane.
func LaneAttributes(lane release.Lane) temporal.SearchAttributes {
	return temporal.NewSearchAttributes(
		keyword(attributeTenant, lane.Tenant),
		keyword(attributeApplication, lane.Application),
		keyword(attributeEnvironment, lane.Environment),
	)
}
