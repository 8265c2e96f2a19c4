package api

import (
	"net/http"

	"github.com/skyisland/skyisland/internal/release"
)

// artifactOperations are what is known of what was built.
func artifactOperations() []Operation {
	const tag = "artifacts"
	read := release.ScopeRead
	return []Operation{
		{
			Method: get, Path: aRelease + "/artifacts", ID: "listArtifacts", Tag: tag, Summary: "What a release is made of, a component each.",
			Scope: read, Tenants: TenantPath, Status: 200, Answer: ArtifactList{}, serve: (*Server).listArtifacts,
		},
		{
			Method: get, Path: v1 + "/artifacts/{digest}/provenance", ID: "listStatements", Tag: tag, Summary: "The signed statements about an artifact, the newest first.",
			Scope: read, Tenants: TenantFilter, Status: 200, Answer: StatementList{}, Problems: []string{CodeNotFound}, serve: (*Server).listStatements,
			Query: []Param{atMost(usualStatements, mostStatements)},
		},
		{
			Method: get, Path: v1 + "/provenance/keys", ID: "listKeys", Tag: tag, Summary: "The public keys that the installation trusts.",
			Scope: read, Tenants: TenantNone, Status: 200, Answer: SigningKeyList{}, Problems: []string{CodeNotFound}, serve: (*Server).listKeys,
		},
	}
}

// inboxOperations are what came from outside.
func inboxOperations() []Operation {
	const tag = "inbox"
	read := release.ScopeRead
	return []Operation{
		{
			Method: get, Path: v1 + "/inbox", ID: "listInbox", Tag: tag, Summary: "What came from outside, the newest first, each with its one outcome. Needs a token for all tenants.",
			Scope: read, Tenants: TenantAll, Pages: true, Status: 200, Answer: EventPage{}, serve: (*Server).listEvents,
			Query: append(paging(usualLimit, mostLimit),
				text("source", "Only of this source."), text("kind", "Only of this kind."), text("delivery", "Only the one of this whole name."),
				Param{Name: "outcome", Type: "string", Meaning: "Only with this outcome.", Values: EventOutcomes()},
				Param{Name: "pending", Type: "boolean", Meaning: "Only those that wait for their outcome.", Default: false},
				Param{Name: "since", Type: "time", Meaning: "Received at this time or later."}),
		},
		{
			Method: get, Path: v1 + "/inbox/{event}", ID: "showInboxEvent", Tag: tag, Summary: "All that is known of an event but its body. Needs a token for all tenants.",
			Scope: read, Tenants: TenantAll, Status: 200, Answer: Event{}, Problems: []string{CodeNotFound}, serve: (*Server).showEvent,
		},
		{
			Method: get, Path: v1 + "/inbox/{event}/body", ID: "showInboxBody", Tag: tag, Summary: "What was sent, byte for byte. Needs a token for all tenants.",
			Scope: read, Tenants: TenantAll, Status: 200, Media: mediaBytes, Problems: []string{CodeNotFound, CodeConflict}, serve: (*Server).showEventBody,
		},
		{
			Method: post, Path: v1 + "/inbox/{event}/replay", ID: "replayEvent", Tag: tag, Summary: "Hands an event on once more, as another event. Needs a token for all tenants.",
			Scope: release.ScopeConfigure, Tenants: TenantAll, Keyed: true, Named: true, Fresh: true, Body: ReplayBody{}, Status: 202, Answer: Event{},
			Problems: []string{CodeNotFound, CodeConflict}, serve: (*Server).replayEvent,
		},
	}
}

// happeningOperations are what happens, and who is told.
func happeningOperations() []Operation {
	read, configure := release.ScopeRead, release.ScopeConfigure
	return []Operation{
		stream(v1+"/events/stream", "streamEvents", "What happens to all releases, as CloudEvents in Server-Sent Events, each once and in order; resumable by Last-Event-ID."),
		stream("/api/events", "streamEventsToo", "The same as streamEvents, under a shorter path."),
		{
			Method: get, Path: v1 + "/events/schema", ID: "showEventSchema", Tag: "events", Summary: "The JSON Schema of what events say.",
			Tenants: TenantPublic, Status: 200, Answer: map[string]any{}, serve: func(s *Server, w http.ResponseWriter, r *http.Request) { s.showEventSchema(w, r) },
		},
		{
			Method: get, Path: v1 + "/subscriptions", ID: "listSubscriptions", Tag: "subscriptions", Summary: "Who is sent events, and how that goes. Needs a token for all tenants.",
			Scope: read, Tenants: TenantAll, Status: 200, Answer: SubscriptionList{}, serve: (*Server).listSubscriptions,
		},
		{
			Method: get, Path: v1 + "/subscriptions/{subscription}/deliveries", ID: "listEventDeliveries", Tag: "subscriptions", Summary: "The events to a subscriber, the newest first. Needs a token for all tenants.",
			Scope: read, Tenants: TenantAll, Pages: true, Status: 200, Answer: EventDeliveryList{}, Problems: []string{CodeNotFound}, serve: (*Server).listEventDeliveries,
			Query: append(paging(usualDeliveries, mostDeliveries),
				Param{Name: "state", Type: "string", Meaning: "Only in this state.", Values: []string{"waiting", "sent", "dead"}}),
		},
		{
			Method: post, Path: v1 + "/subscriptions/{subscription}/deliveries/{delivery}/retry", ID: "retryEventDelivery", Tag: "subscriptions", Summary: "Sends an event again that is dead. Needs a token for all tenants.",
			Scope: configure, Tenants: TenantAll, Keyed: true, Status: 200, Answer: Retried{}, Problems: []string{CodeNotFound, CodeConflict}, serve: (*Server).retryEventDelivery,
		},
		{
			Method: get, Path: v1 + "/writeback", ID: "listWritebacks", Tag: "writeback", Summary: "What GitHub was told of releases, the last changed first.",
			Scope: read, Tenants: TenantFilter, Pages: true, Status: 200, Answer: WritebackList{}, serve: (*Server).listWritebacks,
			Query: append(paging(usualWritebacks, mostWritebacks), text("release", "Only of this release."),
				Param{Name: "trouble", Type: "boolean", Meaning: "Only what was refused or fails.", Default: false}),
		},
		{
			Method: post, Path: v1 + "/writeback/retry", ID: "retryWriteback", Tag: "writeback", Summary: "Tells GitHub again what was given up of a release.",
			Scope: configure, Tenants: TenantOwn, Keyed: true, Body: WritebackRetry{}, Needs: []string{"release"}, Status: 200, Answer: ToldAgain{},
			Problems: []string{CodeNotFound}, serve: (*Server).retryWriteback,
		},
	}
}

// stream is the stream of events at one of its paths.
func stream(path, id, summary string) Operation {
	return Operation{
		Method: get, Path: path, ID: id, Tag: "events", Summary: summary, Scope: release.ScopeRead, Tenants: TenantFilter,
		Streams: true, Status: 200, Media: mediaEvents, Problems: []string{CodeNotFound}, serve: (*Server).streamEvents,
		Query: []Param{
			text("after", "The sequence of the last event that is known; 0 is the oldest that is kept. Without it, from now on."),
			text("type", "Only of these types, patterns with commas between."), text("tenant", "Only of these tenants."),
			text("application", "Only of these applications."), text("environment", "Only in these environments."), text("release", "Only of this release."),
		},
	}
}

// atMost is the limit of a list that has no pages.
func atMost(usual, most int) Param {
	return Param{Name: "limit", Type: "integer", Meaning: "How many to give at most.", Default: usual, Min: 1, Max: most}
}
