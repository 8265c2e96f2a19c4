package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
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
	// DecisionsSince are those of all releases that match, with their questions, oldest first, and the cursor of the
	// next page; "" when there is none. A cursor that they did not give is [ErrCursor].
	DecisionsSince(ctx context.Context, filter DecisionFilter) ([]Decision, string, error)
	// Applications are those of some tenants, nil for all, by tenant and name.
	Applications(ctx context.Context, tenants []string) ([]release.Application, error)
	// SaveApplication adds an application, or replaces the one of its name.
	SaveApplication(ctx context.Context, application release.Application) error
}

// Options are what a server is made of. All but People, Policies, Artifacts, Writebacks, Intake, Now and Log is required.
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
	// Inbox is what came from outside.
	Inbox Inbox
	// Keys keep the answers to requests that come with an Idempotency-Key.
	Keys Keys
	// Tokens are who may use the API; nobody else may.
	Tokens []Token
	// People knows who holds a token; without it everybody is who their token says.
	People People
	// Policies say which rules are in force; without them the server does not tell.
	Policies Policies
	// Artifacts know what was built; without them the server has no statements.
	Artifacts Artifacts
	// Intake takes what is asked for in; without it nobody can ask for a release here.
	Intake Intake
	Info   Info
	// Now is the clock; nil is the machine's.
	Now func() time.Time
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
	inbox         Inbox
	keys          []key
	people        People
	policies      Policies
	artifacts     Artifacts
	intake        Intake
	idempotency   Keys
	now           func() time.Time
	operations    []Operation
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
	if o.Releases == nil || o.Records == nil || o.Traffic == nil || o.Logs == nil || o.Freezes == nil || o.Notifications == nil || o.Keys == nil {
		return nil, errors.New("api: releases, records, traffic, logs, freezes, notifications and keys are all needed")
	}
	if o.Events == nil || o.Subscriptions == nil || o.Inbox == nil {
		return nil, errors.New("api: events, subscriptions and inbox are all needed")
	}
	operations := Operations()
	if err := checkOperations(operations); err != nil {
		return nil, fmt.Errorf("api: %w", err)
	}
	keys, err := newKeys(o.Tokens)
	if err != nil {
		return nil, err
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Server{
		operations: operations, intake: o.Intake, idempotency: o.Keys, now: o.Now,
		releases: o.Releases, records: o.Records, traffic: o.Traffic, logs: o.Logs, freezes: o.Freezes, notifications: o.Notifications,
		writebacks: o.Writebacks, events: o.Events, subscriptions: o.Subscriptions,
		inbox: o.Inbox, keys: keys, people: o.People, policies: o.Policies, info: o.Info, log: o.Log, closing: make(chan struct{}),
	}
	s.artifacts = o.Artifacts
	s.watches = newWatches(s.status)
	return s, nil
}

// Close ends all streams, so that the HTTP server can shut down. Later streams end at once. Give it to
// [http.Server.RegisterOnShutdown].
func (s *Server) Close() { s.closeOnce.Do(func() { close(s.closing) }) }

// Handler is the whole API, from /healthz and /api/v1 on: what [Operations] list, and nothing else.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	for _, operation := range s.operations {
		mux.Handle(operation.Pattern(), s.operated(operation))
	}
	return s.guarded(s.routed(mux))
}

// operated serves an operation to those who may use it.
func (s *Server) operated(o Operation) http.Handler {
	serve := func(w http.ResponseWriter, r *http.Request) { o.serve(s, w, r) }
	if o.Keyed {
		serve = s.keyed(o, serve)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := r.Context()
		if o.Tenants != TenantPublic {
			who, err := s.identify(w, r, o.Scope == "")
			if err == nil {
				err = o.admit(r, who)
			}
			if err != nil {
				s.fail(w, r, err)
				return
			}
			ctx = context.WithValue(ctx, holderKey, who)
		}
		given, err := readParams(r, o)
		if err == nil && o.Body != nil {
			err = checkMedia(r)
		}
		if err != nil {
			s.fail(w, r, err)
			return
		}
		serve(w, r.WithContext(context.WithValue(ctx, paramsKey, given)))
	})
}

func (s *Server) health(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", mediaText)
	_, _ = w.Write([]byte("ok\n"))
}

// unknownRoute says what there is instead of a path that is not there.
func (s *Server) unknownRoute(r *http.Request) error {
	if parts := strings.Split(strings.TrimPrefix(r.URL.Path, v1+"/releases/"), "/"); r.Method == post && len(parts) == 5 {
		return missing("releases understand no %q: they understand %s", parts[4], words(dispatch.Instructions()))
	}
	return missing("there is no %s %s; docs/api.md and /api/v1/openapi.json list what there is", r.Method, r.URL.Path)
}
