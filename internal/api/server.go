package api

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/skyisland/skyisland/internal/dispatch"
	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/workflows"
)

// Releases speaks to releases that are under way. [dispatch.Dispatcher] is one.
type Releases interface {
	Instruct(ctx context.Context, id release.ID, what dispatch.Instruction, in release.Instruction) (workflows.Followed, error)
	Status(ctx context.Context, id release.ID) (release.Status, error)
	Lane(ctx context.Context, lane release.Lane) (workflows.LaneState, error)
	Alarm(ctx context.Context, id release.ID, alarm release.Alarm) error
}

// People knows who holds a token.
type People interface {
	// Person is who an account of a source belongs to, with all groups. Its error says why that is nobody, and how to
	// be known.
	Person(source, name string) (release.Actor, error)
}

// Records are what is kept after a release has ended, and what is searched.
type Records interface {
	// Releases are those that match, the newest first, and the cursor of the next page; "" when
	// there is none. A cursor that they did not give is [ErrCursor].
	Releases(ctx context.Context, filter ReleaseFilter) ([]release.Summary, string, error)
	// Release is [release.ErrNotFound] for one that was never recorded.
	Release(ctx context.Context, id release.ID) (release.Summary, error)
	// Entries are what happened to a release, oldest first.
	Entries(ctx context.Context, id release.ID) ([]release.Entry, error)
	// Decisions are what the rules answered for a release, oldest first.
	Decisions(ctx context.Context, id release.ID) ([]Decision, error)
	// DecisionsSince are those of all releases from a time on, with their questions, oldest first, and the cursor of the
	// next page; "" when there is none. A cursor that they did not give is [ErrCursor].
	DecisionsSince(ctx context.Context, since time.Time, after string, most int) ([]Decision, string, error)
	Applications(ctx context.Context) ([]release.Application, error)
	// SaveApplication adds an application, or replaces the one of its name.
	SaveApplication(ctx context.Context, application release.Application) error
}

// Options are what a server is made of. All but People, Policies, Artifacts and Log is required.
type Options struct {
	Releases Releases
	Records  Records
	Traffic  Traffic
	Logs     Logs
	Freezes  Freezes
	// Notifications are what people were told.
	Notifications Notifications
	// Writebacks are what GitHub was told; without them nobody is told there.
	Writebacks Writebacks
	// Events are what happens, Subscriptions who is sent it.
	Events        Happenings
	Subscriptions Subscriptions
	// Tokens are who may use the API; nobody else may.
	Tokens []Token
	// People knows who holds a token; without it everybody is who their token says.
	People People
	// Policies say which rules are in force; without them the server does not tell.
	Policies Policies
	Info     Info
	// Artifacts know what was built; without them the server has no statements.
	Artifacts Artifacts
	// Log takes what operators should see; nil discards it.
	Log *slog.Logger
}

// Server answers the API. It is safe for concurrent use.
type Server struct {
	releases      Releases
	records       Records
	traffic       Traffic
	logs          Logs
	freezes       Freezes
	notifications Notifications
	writebacks    Writebacks
	events        Happenings
	subscriptions Subscriptions
	keys          []key
	people        People
	policies      Policies
	artifacts     Artifacts
	info          Info
	log           *slog.Logger
	watches       *watches
	// streams is how many follow what happens.
	streams atomic.Int64
	// closing ends streams, which would otherwise outlast any shutdown.
	closing   chan struct{}
	closeOnce sync.Once
}

// New is a server; mount its [Server.Handler]. It fails when something is missing or a token is
// there twice.
func New(o Options) (*Server, error) {
	if o.Releases == nil || o.Records == nil || o.Traffic == nil || o.Logs == nil || o.Freezes == nil || o.Notifications == nil {
		return nil, errors.New("api: releases, records, traffic, logs, freezes and notifications are all needed")
	}
	if o.Events == nil || o.Subscriptions == nil {
		return nil, errors.New("api: events and subscriptions are needed too")
	}
	keys, err := newKeys(o.Tokens)
	if err != nil {
		return nil, err
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{
		releases: o.Releases, records: o.Records, traffic: o.Traffic, logs: o.Logs, freezes: o.Freezes, notifications: o.Notifications,
		writebacks: o.Writebacks, events: o.Events, subscriptions: o.Subscriptions,
		keys: keys, people: o.People, policies: o.Policies, info: o.Info, log: o.Log, closing: make(chan struct{}),
	}
	s.artifacts = o.Artifacts
	s.watches = newWatches(s.status)
	return s, nil
}

// Close ends all streams, so that the HTTP server can shut down. Later streams end at once. Give it to
// [http.Server.RegisterOnShutdown].
func (s *Server) Close() { s.closeOnce.Do(func() { close(s.closing) }) }

// Handler is the whole API, from /healthz and /api/v1 on.
func (s *Server) Handler() http.Handler {
	const releases = "/api/v1/releases/{tenant}/{application}/{environment}/{number}"

	v1 := http.NewServeMux()
	v1.HandleFunc("GET /api/v1/info", s.showInfo)
	v1.HandleFunc("GET /api/v1/applications", s.listApplications)
	v1.HandleFunc("PUT /api/v1/applications/{tenant}/{application}", s.saveApplication)
	v1.HandleFunc("GET /api/v1/releases", s.listReleases)
	v1.HandleFunc("GET "+releases, s.showRelease)
	v1.HandleFunc("GET "+releases+"/watch", s.watchRelease)
	v1.HandleFunc("GET "+releases+"/decisions", s.listDecisions)
	v1.HandleFunc("GET "+releases+"/artifacts", s.listArtifacts)
	v1.HandleFunc("GET "+releases+"/logs", s.showBuildLog)
	v1.HandleFunc("POST "+releases+"/alarms", s.alarm)
	v1.HandleFunc("POST "+releases+"/{instruction}", s.instruct)
	v1.HandleFunc("GET /api/v1/lanes/{tenant}/{application}/{environment}", s.showLane)
	v1.HandleFunc("GET /api/v1/freezes", s.listFreezes)
	v1.HandleFunc("POST /api/v1/freezes", s.addFreeze)
	v1.HandleFunc("DELETE /api/v1/freezes/{freeze}", s.liftFreeze)
	v1.HandleFunc("GET /api/v1/decisions", s.listAllDecisions)
	v1.HandleFunc("GET /api/v1/deliveries", s.listDeliveries)
	v1.HandleFunc("POST /api/v1/deliveries/{delivery}/retry", s.retryDelivery)
	v1.HandleFunc("GET /api/v1/writeback", s.listWritebacks)
	v1.HandleFunc("POST /api/v1/writeback/retry", s.retryWriteback)
	v1.HandleFunc("GET /api/v1/artifacts/{digest}/provenance", s.listStatements)
	v1.HandleFunc("GET /api/v1/provenance/keys", s.listKeys)
	v1.HandleFunc("GET /api/v1/events/stream", s.streamEvents)
	v1.HandleFunc("GET /api/events", s.streamEvents)
	v1.HandleFunc("GET /api/v1/subscriptions", s.listSubscriptions)
	v1.HandleFunc("GET /api/v1/subscriptions/{subscription}/deliveries", s.listEventDeliveries)
	v1.HandleFunc("POST /api/v1/subscriptions/{subscription}/deliveries/{delivery}/retry", s.retryEventDelivery)
	v1.HandleFunc("GET /api/v1/traffic", s.showTraffic)
	v1.HandleFunc("GET /api/v1/logs", s.showInstanceLogs)
	v1.HandleFunc("/", s.unknownRoute)

	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", s.health)
	mux.HandleFunc("GET /api/v1/whoami", s.whoAmI)
	mux.HandleFunc("GET /api/v1/events/schema", s.showEventSchema)
	mux.Handle("/", s.authenticated(v1))
	return s.guarded(mux)
}

func (s *Server) health(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("ok\n"))
}

func (s *Server) unknownRoute(w http.ResponseWriter, r *http.Request) {
	s.fail(w, r, missing("there is no %s %s; docs/api.md lists what there is", r.Method, r.URL.Path))
}
