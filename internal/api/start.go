package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/skyisland/skyisland/internal/release"
)

// Intake takes what people and programs ask for through the API into the inbox, where every event has one outcome.
type Intake interface {
	// Request keeps the request as an event of the source api and the kind release, once for its Delivery, and returns
	// the event's number, and whether it was there already. It does not wait for what becomes of it. An application that
	// nobody knows is [release.ErrNotFound], and what can never be released is [ErrRequest].
	Request(ctx context.Context, request ReleaseRequest) (event int64, duplicate bool, err error)
	// Await is what became of an event. It waits until there is an outcome or ctx ends, and says false then.
	Await(ctx context.Context, event int64) (EventOutcome, bool, error)
}

// ErrRequest is of a request that can never be one, whose error says why.
var ErrRequest = errors.New("this cannot be released")

// ReleaseRequest asks for a release of a commit.
type ReleaseRequest struct {
	// Delivery names the request: the same one twice is one event.
	Delivery            string
	Tenant, Application string
	// Environment is where to; empty is wherever the manifest sends what is asked for.
	Environment string
	// Ref is a branch or a tag, Commit a whole commit; with both, the commit is of that ref. One of them is there.
	Ref, Commit string
	// Message is why, for people.
	Message string
	By      release.Actor
	At      time.Time
}

// EventOutcome is what became of an event.
type EventOutcome struct {
	// Kind is started, queued, superseding, duplicate, ignored or refused.
	Kind string `json:"kind"`
	// Message is a sentence for who asked.
	Message string `json:"message"`
	// Releases are those that it led to.
	Releases []release.ID `json:"releases,omitempty"`
}

// StartBody asks for a release of a commit. Who asks is known from the token.
type StartBody struct {
	// Environment is where to; empty is wherever the manifest sends the ref.
	Environment string `json:"environment,omitempty"`
	// Ref is a branch or a tag, such as main or refs/tags/v1.2.3. Give it or Commit, or both.
	Ref string `json:"ref,omitempty"`
	// Commit is a whole commit, as 40 or 64 hexadecimal digits.
	Commit string `json:"commit,omitempty"`
	// Message is why; it is kept with the release.
	Message string `json:"message,omitempty"`
}

// Requested is an event that was kept, and what became of it as far as that is known.
type Requested struct {
	// Event is its number in the inbox.
	Event int64 `json:"event"`
	// Duplicate says that it was there already.
	Duplicate bool `json:"duplicate,omitempty"`
	// Outcome is nil while there is none, and where nobody waited for it.
	Outcome *EventOutcome `json:"outcome,omitempty"`
}

const (
	// longestWait bounds how long an answer waits for an outcome.
	longestWait = time.Minute
	// refLimit bounds the name of a ref, in bytes.
	refLimit = 255
)

func (s *Server) startRelease(w http.ResponseWriter, r *http.Request) {
	request, wait, err := s.startOf(w, r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	event, duplicate, err := s.intake.Request(r.Context(), request)
	if errors.Is(err, ErrRequest) {
		err = badRequest("%s", err)
	}
	if err != nil {
		s.fail(w, r, fmt.Errorf("ask for a release of %s/%s: %w", request.Tenant, request.Application, err))
		return
	}
	s.log.InfoContext(r.Context(), "release asked for", "event", event, "duplicate", duplicate,
		"tenant", request.Tenant, "application", request.Application, "actor", request.By.Name)
	out := Requested{Event: event, Duplicate: duplicate}
	if wait > 0 {
		// The server's end is the end of waiting: what became of it can be asked for again.
		ctx, stop := s.streaming(r.Context())
		ctx, cancel := context.WithTimeout(ctx, wait)
		defer func() { cancel(); stop() }()
		outcome, done, err := s.intake.Await(ctx, event)
		if err != nil && ctx.Err() == nil {
			s.fail(w, r, fmt.Errorf("wait for event %d: %w", event, err))
			return
		}
		if done {
			out.Outcome = &outcome
		}
	}
	reply(w, http.StatusAccepted, out)
}

// startOf reads what is asked for, and how long to wait for its outcome.
func (s *Server) startOf(w http.ResponseWriter, r *http.Request) (ReleaseRequest, time.Duration, error) {
	if s.intake == nil {
		return ReleaseRequest{}, 0, &fault{http.StatusNotImplemented, CodeNotImplemented, "nobody can ask for a release here: push, or have the source deliver its events"}
	}
	wait := paramsOf(r.Context()).length("wait")
	if wait > longestWait {
		return ReleaseRequest{}, 0, badRequest("wait=%s: want at most %s; ask again for what became of it", wait, longestWait)
	}
	request := ReleaseRequest{Tenant: r.PathValue("tenant"), Application: r.PathValue("application"), By: actor(r.Context()), At: s.now().UTC()}
	var body StartBody
	if err := decode(w, r, &body); err != nil {
		return request, 0, err
	}
	if err := body.check(request); err != nil {
		return request, 0, err
	}
	request.Environment, request.Ref, request.Commit, request.Message = body.Environment, body.Ref, body.Commit, body.Message
	request.Delivery = identityOf(r.Context())
	return request, wait, nil
}

func (b StartBody) check(of ReleaseRequest) error {
	if err := release.CheckName(of.Tenant); err != nil {
		return badRequest("tenant %v", err)
	}
	if err := release.CheckName(of.Application); err != nil {
		return badRequest("application %v", err)
	}
	if err := release.CheckName(b.Environment); b.Environment != "" && err != nil {
		return badRequest("environment %v", err)
	}
	if b.Ref == "" && b.Commit == "" {
		return badRequest("ref and commit are both missing: say what to release, such as {\"ref\": \"main\"}")
	}
	if b.Ref != "" && !isRef(b.Ref) {
		return badRequest("ref %q is not the name of a branch or a tag: want one such as main or refs/tags/v1.2.3", clip(b.Ref))
	}
	if b.Commit != "" && !commits.MatchString(b.Commit) {
		return badRequest("commit %q is not a whole commit: want its 40 or 64 hexadecimal digits", clip(b.Commit))
	}
	if len(b.Message) > textLimit {
		return badRequest("message has %d bytes: at most %d are kept", len(b.Message), textLimit)
	}
	return nil
}

// clip is the beginning of a text, as far as it helps to recognise it.
func clip(text string) string { return text[:min(len(text), refLimit)] }
