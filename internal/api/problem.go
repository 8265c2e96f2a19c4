package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"go.temporal.io/api/serviceerror"

	"github.com/skyisland/skyisland/internal/dispatch"
	"github.com/skyisland/skyisland/internal/release"
)

// Problem is why a request was not carried out: a problem document of RFC 9457.
type Problem struct {
	// Type is urn:skyisland:problem: and one of the codes, for programs.
	Type string `json:"type"`
	// Title is the status in words, Status its number.
	Title  string `json:"title"`
	Status int    `json:"status"`
	// Detail is a sentence for people, with what would be right.
	Detail string `json:"detail"`
	// Request names the request in the server's log.
	Request string `json:"request,omitempty"`
}

// ProblemType is the media type of a [Problem].
const ProblemType = "application/problem+json"

// The codes of problems; [Problems] has what they mean.
const (
	CodeBadRequest   = "bad-request"
	CodeUnauthorized = "unauthorized"
	// CodeUnknownPerson is for a token whose holder is nobody in the directory of people.
	CodeUnknownPerson = "unknown-person"
	// CodeScope is for a token that is not for this kind of thing, CodeTenant for one that is not for these tenants.
	CodeScope          = "missing-scope"
	CodeTenant         = "other-tenant"
	CodeNotFound       = "not-found"
	CodeMethod         = "method-not-allowed"
	CodeRefused        = "refused"
	CodeFinished       = "finished"
	CodeConflict       = "conflict"
	CodeInProgress     = "in-progress"
	CodeTooLarge       = "too-large"
	CodeUnsupported    = "unsupported-media-type"
	CodeKeyReused      = "key-reused"
	CodeInternal       = "internal"
	CodeNotImplemented = "not-implemented"
	CodeUnavailable    = "unavailable"
)

// ProblemKind is a problem that the API can answer.
type ProblemKind struct {
	Status        int
	Code, Meaning string
}

// Problems are all that the API can answer, by status. A code may come with more than one.
func Problems() []ProblemKind {
	return []ProblemKind{
		{400, CodeBadRequest, "something in the request is wrong"},
		{401, CodeUnauthorized, "no token, or one that is not known"},
		{403, CodeUnknownPerson, "the token's holder is not in the directory of people; the sentence says how to get there"},
		{403, CodeScope, "the token lacks a scope; the sentence names it"},
		{403, CodeTenant, "it is not of the token's tenants alone"},
		{403, CodeRefused, "the rules do not let the person do this, with their reasons"},
		{404, CodeNotFound, "there is no such thing; the sentence says what there is"},
		{405, CodeMethod, "the path takes other methods: those of the header Allow"},
		{409, CodeRefused, "the release does not follow, with its reason"},
		{409, CodeFinished, "the release has ended"},
		{409, CodeConflict, "it contradicts what is there"},
		{409, CodeInProgress, "the request with this idempotency key is under way; ask again after Retry-After"},
		{413, CodeTooLarge, "the body is larger than 1 MiB"},
		{415, CodeUnsupported, "the body is not sent as JSON"},
		{422, CodeKeyReused, "the idempotency key belongs to another request"},
		{500, CodeInternal, "the server's fault; its log says more"},
		{501, CodeNotImplemented, "this installation does not do that"},
		{503, CodeUnavailable, "something it needs does not answer; try again after Retry-After"},
	}
}

const brokenSentence = "something went wrong on the server; its log says more under this request's name"

const problemPrefix = "urn:skyisland:problem:"

// Code is the problem's code without its prefix.
func (p Problem) Code() string {
	if len(p.Type) < len(problemPrefix) {
		return p.Type
	}
	return p.Type[len(problemPrefix):]
}

// fault is an error that knows its status, its code and its sentence for the caller.
type fault struct {
	status   int
	code     string
	sentence string
}

func (f *fault) Error() string { return f.sentence }

func badRequest(format string, args ...any) error {
	return &fault{http.StatusBadRequest, CodeBadRequest, fmt.Sprintf(format, args...)}
}

func missing(format string, args ...any) error {
	return &fault{http.StatusNotFound, CodeNotFound, fmt.Sprintf(format, args...)}
}

// problemOf turns an error into what the caller is told.
func problemOf(err error) Problem {
	var known *fault
	var refused *dispatch.RefusedError
	var denied *release.DeniedError
	switch {
	case errors.As(err, &denied):
		return newProblem(http.StatusForbidden, CodeRefused, denied.Error())
	case errors.As(err, &known):
		return newProblem(known.status, known.code, known.sentence)
	case errors.As(err, &refused):
		return newProblem(http.StatusConflict, CodeRefused, refused.Error())
	case errors.Is(err, ErrCursor):
		return newProblem(http.StatusBadRequest, CodeBadRequest, "cursor is not the \"next\" of a page of this list: begin without it")
	case errors.Is(err, release.ErrFinished):
		return newProblem(http.StatusConflict, CodeFinished, err.Error())
	case errors.Is(err, release.ErrConflict):
		return newProblem(http.StatusConflict, CodeConflict, err.Error())
	case errors.Is(err, release.ErrNotFound):
		return newProblem(http.StatusNotFound, CodeNotFound, err.Error())
	case temporalAway(err):
		return newProblem(http.StatusServiceUnavailable, CodeUnavailable,
			"Temporal does not answer at the moment, so releases cannot be asked or told anything; try again shortly")
	default:
		// What went wrong may name addresses and files that are nobody's business outside.
		return newProblem(http.StatusInternalServerError, CodeInternal, brokenSentence)
	}
}

func newProblem(status int, code, detail string) Problem {
	return Problem{Type: problemPrefix + code, Title: http.StatusText(status), Status: status, Detail: detail}
}

// temporalAway says whether nothing is wrong but that Temporal cannot answer now.
func temporalAway(err error) bool {
	var unavailable *serviceerror.Unavailable
	var late *serviceerror.DeadlineExceeded
	var busy *serviceerror.ResourceExhausted
	return errors.As(err, &unavailable) || errors.As(err, &late) || errors.As(err, &busy) ||
		errors.Is(err, context.DeadlineExceeded)
}

// fail answers with a problem. What is the server's own fault is logged; what is the caller's is not.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	problem := problemOf(err)
	problem.Request = requestName(r.Context())
	if problem.Status >= http.StatusInternalServerError && r.Context().Err() == nil {
		s.log.ErrorContext(r.Context(), "request failed", "request", problem.Request, "method", r.Method, "path", r.URL.Path,
			"status", problem.Status, "error", err)
	}
	if problem.Status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	if problem.Code() == CodeInProgress {
		w.Header().Set("Retry-After", "1")
	}
	w.Header().Set("Content-Type", ProblemType)
	w.WriteHeader(problem.Status)
	// A client that went away is no concern of ours.
	_ = json.NewEncoder(w).Encode(problem)
}

// reply answers with a value.
func reply(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", mediaJSON)
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(value)
}
