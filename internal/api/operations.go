package api

import (
	"net/http"
	"slices"

	"github.com/skyisland/skyisland/internal/dispatch"
	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/workflows"
)

const (
	get, put, post, del = http.MethodGet, http.MethodPut, http.MethodPost, http.MethodDelete
	v1                  = "/api/v1"
	aRelease            = v1 + "/releases/{tenant}/{application}/{environment}/{number}"
	anApplication       = v1 + "/applications/{tenant}/{application}"
)

// Operations are all that the API does, one entry each. What is not in this list is not served, and what an entry lacks
// keeps the server from being made. Adding one changes docs/openapi.json: see CONTRIBUTING.md.
func Operations() []Operation {
	return slices.Concat(installationOperations(), releaseOperations(), instructionOperations(), recordOperations(), trafficOperations(),
		artifactOperations(), inboxOperations(), happeningOperations())
}

func installationOperations() []Operation {
	const tag = "installation"
	return []Operation{
		{
			Method: get, Path: "/healthz", ID: "health", Tag: tag, Summary: "Says that the server is there.",
			Tenants: TenantPublic, Status: 200, Media: mediaText, serve: (*Server).health,
		},
		{
			Method: get, Path: v1 + "/openapi.json", ID: "showOpenAPI", Tag: tag, Summary: "This document.",
			Tenants: TenantPublic, Status: 200, Answer: map[string]any{}, serve: (*Server).showOpenAPI,
		},
		{
			Method: get, Path: v1 + "/whoami", ID: "whoAmI", Tag: tag, Summary: "Who the installation takes the token's holder for, and what they may.",
			Tenants: TenantNone, Status: 200, Answer: WhoAmI{}, serve: (*Server).whoAmI,
		},
		{
			Method: get, Path: v1 + "/info", ID: "showInfo", Tag: tag, Summary: "What the installation says of itself.",
			Scope: release.ScopeRead, Tenants: TenantNone, Status: 200, Answer: Info{}, serve: (*Server).showInfo,
		},
		{
			Method: get, Path: v1 + "/applications", ID: "listApplications", Tag: "applications", Summary: "The applications that are known, by tenant and name.",
			Scope: release.ScopeRead, Tenants: TenantFilter, Query: paging(mostApplications, mostApplications), Pages: true,
			Status: 200, Answer: Applications{}, serve: (*Server).listApplications,
		},
		{
			Method: put, Path: anApplication, ID: "saveApplication", Tag: "applications", Summary: "Adds an application, or changes where it comes from.",
			Scope: release.ScopeConfigure, Tenants: TenantPath, Body: ApplicationBody{}, Needs: []string{"repository"},
			Status: 200, Answer: release.Application{}, Problems: []string{CodeConflict}, serve: (*Server).saveApplication,
		},
	}
}

func releaseOperations() []Operation {
	const tag = "releases"
	read := release.ScopeRead
	return []Operation{
		{
			Method: get, Path: v1 + "/releases", ID: "listReleases", Tag: tag, Summary: "The releases that match, the newest first.",
			Scope: read, Tenants: TenantFilter, Pages: true, Status: 200, Answer: ReleasePage{}, serve: (*Server).listReleases,
			Query: append(paging(usualLimit, mostLimit),
				text("tenant", "Only of this tenant."), text("application", "Only of this application."), text("environment", "Only in this environment."),
				Param{Name: "phase", Type: "string", Meaning: "Only in this phase.", Values: Phases()}, replaced("before")),
		},
		{
			Method: post, Path: anApplication + "/releases", ID: "startRelease", Tag: tag, Summary: "Asks for a release of a commit, as an event that has one outcome.",
			Scope: release.ScopeRelease, Tenants: TenantPath, Keyed: true, Named: true, Fresh: true, Body: StartBody{}, Status: 202, Answer: Requested{},
			Query:    []Param{{Name: "wait", Type: "duration", Aside: true, Meaning: "How long to wait for the outcome, such as 10s; at most 60s. Without it the answer comes as soon as the event is kept."}},
			Problems: []string{CodeNotImplemented}, serve: (*Server).startRelease,
		},
		{
			Method: get, Path: aRelease, ID: "showRelease", Tag: tag, Summary: "How a release is; live while it is under way.",
			Scope: read, Tenants: TenantPath, Status: 200, Answer: release.Status{}, serve: (*Server).showRelease,
		},
		{
			Method: get, Path: aRelease + "/watch", ID: "watchRelease", Tag: tag, Summary: "The whole status whenever it changed, as Server-Sent Events, until the release has ended.",
			Scope: read, Tenants: TenantPath, Streams: true, Status: 200, Media: mediaEvents, serve: (*Server).watchRelease,
		},
		{
			Method: get, Path: aRelease + "/decisions", ID: "listDecisions", Tag: tag, Summary: "What the rules answered for a release, oldest first.",
			Scope: read, Tenants: TenantPath, Status: 200, Answer: Decisions{}, serve: (*Server).listDecisions,
		},
		{
			Method: get, Path: aRelease + "/logs", ID: "showBuildLog", Tag: tag, Summary: "What a component's command of a release wrote.",
			Scope: read, Tenants: TenantPath, Streams: true, Status: 200, Media: mediaText, serve: (*Server).showBuildLog,
			Query: []Param{
				{Name: "component", Type: "name", Meaning: "Which component.", Required: true},
				{Name: "kind", Type: "string", Meaning: "Which command.", Default: string(BuildLog), Values: []string{string(BuildLog), string(TestLog)}},
			},
		},
		{
			Method: post, Path: aRelease + "/alarms", ID: "raiseAlarm", Tag: tag, Summary: "Tells a release of an alarm, which takes it back.",
			Scope: release.ScopeAlarm, Tenants: TenantPath, Keyed: true, Named: true, Body: AlarmBody{}, Status: 202, Answer: AlarmTold{},
			Problems: []string{CodeFinished}, serve: (*Server).alarm,
		},
		{
			Method: get, Path: v1 + "/lanes/{tenant}/{application}/{environment}", ID: "showLane", Tag: tag, Summary: "What is stable, under way and queued.",
			Scope: read, Tenants: TenantPath, Status: 200, Answer: workflows.LaneState{}, serve: (*Server).showLane,
		},
	}
}

// instructionOperations are what people can tell a release, an operation each.
func instructionOperations() []Operation {
	var out []Operation
	for _, what := range dispatch.Instructions() {
		o := Operation{
			Method: post, Path: aRelease + "/" + string(what), ID: instructionID(what), Tag: "releases", Summary: instructionMeans(what),
			Scope: release.ScopeRelease, Tenants: TenantPath, Keyed: true, Named: true, Body: InstructionBody{}, Status: 200, Answer: workflows.Followed{},
			Problems: []string{CodeRefused, CodeFinished, CodeConflict},
			serve:    func(s *Server, w http.ResponseWriter, r *http.Request) { s.instruct(w, r, what) },
		}
		switch what {
		case dispatch.Approve, dispatch.Reject:
			o.Scope, o.Needs = release.ScopeApprove, []string{"plan_hash"}
		case dispatch.BreakGlass:
			o.Scope = release.ScopeApprove
		}
		out = append(out, o)
	}
	return out
}

func recordOperations() []Operation {
	read, configure := release.ScopeRead, release.ScopeConfigure
	return []Operation{
		{
			Method: get, Path: v1 + "/freezes", ID: "listFreezes", Tag: "freezes", Summary: "What people have frozen and neither has ended nor is lifted, oldest first.",
			Scope: read, Tenants: TenantFilter, Query: paging(mostFreezes, mostFreezes), Pages: true, Status: 200, Answer: FreezeList{}, serve: (*Server).listFreezes,
		},
		{
			Method: post, Path: v1 + "/freezes", ID: "addFreeze", Tag: "freezes", Summary: "Freezes a tenant, an application, an environment of it, or all.",
			Scope: configure, Tenants: TenantOwn, Keyed: true, Named: true, Body: FreezeBody{}, Status: 201, Answer: release.Freeze{},
			Problems: []string{CodeTenant, CodeRefused, CodeConflict}, serve: (*Server).addFreeze,
		},
		{
			Method: del, Path: v1 + "/freezes/{freeze}", ID: "liftFreeze", Tag: "freezes", Summary: "Lifts a freeze.",
			Scope: configure, Tenants: TenantOwn, Status: 200, Answer: release.Freeze{},
			Problems: []string{CodeNotFound, CodeTenant, CodeRefused}, serve: (*Server).liftFreeze,
		},
		{
			Method: get, Path: v1 + "/decisions", ID: "listAllDecisions", Tag: "decisions", Summary: "What the rules answered to all releases, with the questions, oldest first.",
			Scope: read, Tenants: TenantFilter, Pages: true, Status: 200, Answer: DecisionPage{}, serve: (*Server).listAllDecisions,
			Query: append(paging(usualDecisions, mostDecisions),
				Param{Name: "since", Type: "time", Meaning: "From this time on.", Required: true}, replaced("after")),
		},
		{
			Method: get, Path: v1 + "/deliveries", ID: "listDeliveries", Tag: "deliveries", Summary: "What people were told, the newest first, and what became of it.",
			Scope: read, Tenants: TenantFilter, Pages: true, Status: 200, Answer: DeliveryList{}, serve: (*Server).listDeliveries,
			Query: append(paging(usualDeliveries, mostDeliveries), Param{Name: "dead", Type: "boolean", Meaning: "Only what was given up.", Default: false}),
		},
		{
			Method: post, Path: v1 + "/deliveries/{delivery}/retry", ID: "retryDelivery", Tag: "deliveries", Summary: "Sends a message again that was given up.",
			Scope: configure, Tenants: TenantOwn, Keyed: true, Status: 200, Answer: Retried{}, Problems: []string{CodeNotFound}, serve: (*Server).retryDelivery,
		},
	}
}

func trafficOperations() []Operation {
	return []Operation{
		{
			Method: get, Path: v1 + "/traffic", ID: "showTraffic", Tag: "traffic", Summary: "For every route the weight asked for and in force, lease, requests and errors by revision.",
			Scope: release.ScopeRead, Tenants: TenantFilter, Status: 200, Answer: TrafficState{}, serve: (*Server).showTraffic,
			Query: []Param{text("tenant", "Only of this tenant."), text("application", "Only of this application.")},
		},
		{
			Method: get, Path: v1 + "/logs", ID: "showInstanceLogs", Tag: "traffic", Summary: "What instances write, a line at a time. Needs a token for all tenants.",
			Scope: release.ScopeRead, Tenants: TenantAll, Streams: true, Status: 200, Media: mediaText, Problems: []string{CodeNotFound}, serve: (*Server).showInstanceLogs,
			Query: []Param{
				text("component", "Only of this component."), text("revision", "Only of this revision."), text("unit", "Only in this unit."),
				{Name: "tail", Type: "integer", Meaning: "The lines to begin with, of each instance.", Default: usualTail, Min: 1, Max: mostTail},
				{Name: "follow", Type: "boolean", Meaning: "Go on with what comes after.", Default: false},
			},
		},
	}
}

// text is a parameter that chooses by a word.
func text(name, meaning string) Param { return Param{Name: name, Type: "string", Meaning: meaning} }

// paging are the parameters of a list that comes in pages.
func paging(usual, most int) []Param {
	return []Param{
		{Name: "limit", Type: "integer", Meaning: "How many to give at most.", Default: usual, Min: 1, Max: most},
		{Name: "cursor", Type: "string", Meaning: "The next of the page before this one; it says nothing to anybody else."},
	}
}

// replaced is the name that the cursor of a list once had.
func replaced(name string) Param {
	return Param{Name: name, Type: "string", Meaning: "The cursor, as it was once called.", Old: true}
}
