package intake

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"
)

const (
	// bodyLimit is GitHub's own cap on a payload: 25 MB.
	bodyLimit = 25 << 20
	// waitLimit bounds how long an answer may wait for the outcome. GitHub gives up after 10 s.
	waitLimit = 5 * time.Second
	// bodyPatience is how long a body may take to arrive, since anybody may send one that is kept until
	// its signature can be checked. GitHub gave up long before.
	bodyPatience = 30 * time.Second
)

// token is what a delivery and a kind may look like. GitHub's deliveries are 36 of these characters.
// A header may hold other bytes too, but what is not text cannot be stored everywhere, and a delivery
// that can never be stored would be sent again for ever.
var token = regexp.MustCompile(`^[\x21-\x7e]{1,128}$`)

// errContentType is for a delivery in a form nobody here reads.
var errContentType = errors.New("want the content type application/json or application/x-www-form-urlencoded")

// GitHub is the webhook source for GitHub's push events, and for whoever signs as GitHub does.
type GitHub struct {
	secret []byte
	inbox  Inbox
	router *Router
	log    *slog.Logger
	// patience is bodyPatience, but for tests.
	patience time.Duration
}

// NewGitHub is a source with its secret, which must not be blank: without one, everybody could
// release anything.
func NewGitHub(secret string, inbox Inbox, router *Router, log *slog.Logger) (*GitHub, error) {
	if strings.TrimSpace(secret) == "" {
		return nil, errors.New("the GitHub webhook has no secret: set github.secret, or turn the source off")
	}
	return &GitHub{secret: []byte(secret), inbox: inbox, router: router, log: log, patience: bodyPatience}, nil
}

// Answer is the body of the answer to a delivery.
type Answer struct {
	// Event names the stored event; it is missing when nothing was stored.
	Event int64 `json:"event,omitempty"`
	// Duplicate says that the delivery had come before. Outcome is then that of the first.
	Duplicate bool `json:"duplicate,omitempty"`
	// Outcome is missing while the event waits for it.
	Outcome OutcomeKind `json:"outcome,omitempty"`
	Message string      `json:"message"`
}

// ServeHTTP takes a delivery: verify, store once, answer. With ?wait=DURATION the answer waits for
// the outcome, for at most 5 s; a duration that cannot be read is none, because the event matters
// more than its answer.
//
// The status says whether to deliver again. 2xx: stored, whatever becomes of it. 400, 413 and 415:
// this delivery can never be accepted. 401, 408 and 503: it can, once the secret, the connection or
// the store is right.
func (g *GitHub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// A stranger's body is not worth reading when it carries nothing that could be a signature.
	given, err := signature(r.Header.Get("X-Hub-Signature-256"))
	if err != nil {
		reply(w, http.StatusUnauthorized, Answer{Message: err.Error()})
		return
	}
	body, fault := readBody(w, r, bodyLimit, g.patience)
	if fault != nil {
		reply(w, fault.status, Answer{Message: fault.message})
		return
	}
	if !given.fits(g.secret, body) {
		reply(w, http.StatusUnauthorized, Answer{Message: "the signature does not fit the body: check that both sides have the same secret"})
		return
	}
	event, err := delivered(r.Header, body)
	if err != nil {
		status := http.StatusBadRequest
		if errors.Is(err, errContentType) {
			status = http.StatusUnsupportedMediaType
		}
		reply(w, status, Answer{Message: err.Error()})
		return
	}
	if event.Kind == "ping" {
		reply(w, http.StatusOK, Answer{Message: "pong"})
		return
	}
	g.accept(w, r, event)
}

// body reads the raw body, for as long as a sender may take.
// bodyFault is why a body was not read, for the answer.
type bodyFault struct {
	status  int
	message string
}

// readBody reads a body of at most so many bytes, which has to arrive in time.
func readBody(w http.ResponseWriter, r *http.Request, limit int64, patience time.Duration) ([]byte, *bodyFault) {
	control := http.NewResponseController(w)
	// A writer that knows no deadlines is a test's.
	_ = control.SetReadDeadline(time.Now().Add(patience))
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, &bodyFault{http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is larger than %d bytes", limit)}
	case err != nil:
		return nil, &bodyFault{http.StatusRequestTimeout, "the body did not arrive whole; deliver it again"}
	}
	// What follows may take longer, and the server listens meanwhile for the sender to go away.
	_ = control.SetReadDeadline(time.Time{})
	return body, nil
}

func (g *GitHub) accept(w http.ResponseWriter, r *http.Request, event Event) {
	id, duplicate, err := g.inbox.Accept(r.Context(), event)
	if err != nil {
		g.log.ErrorContext(r.Context(), "event not stored", "source", event.Source, "delivery", event.Delivery, "error", err)
		w.Header().Set("Retry-After", "1")
		reply(w, http.StatusServiceUnavailable, Answer{Message: "the event could not be stored; deliver it again"})
		return
	}
	g.router.Wake()
	answer := Answer{Event: id, Duplicate: duplicate, Message: "stored"}
	if duplicate {
		answer.Message = "stored before"
	}
	if outcome, ok := g.wait(r, id); ok {
		answer.Outcome, answer.Message = outcome.Kind, outcome.Message
	}
	reply(w, http.StatusAccepted, answer)
}

// wait waits for the outcome for as long as the sender asks.
func (g *GitHub) wait(r *http.Request, id int64) (Outcome, bool) {
	patience, err := time.ParseDuration(r.URL.Query().Get("wait"))
	if err != nil || patience <= 0 {
		return Outcome{}, false
	}
	ctx, cancel := context.WithTimeout(r.Context(), min(patience, waitLimit))
	defer cancel()
	outcome, ok, err := g.router.Await(ctx, id)
	if err != nil {
		g.log.WarnContext(ctx, "outcome not read", "event", id, "error", err)
	}
	return outcome, ok
}

// delivered makes an event of a verified delivery. Its headers are not signed, so they are only believed
// where a lie gains nothing.
func delivered(header http.Header, body []byte) (Event, error) {
	event := Event{
		Source: "github", Delivery: header.Get("X-GitHub-Delivery"), Kind: header.Get("X-GitHub-Event"),
		ReceivedAt: time.Now().UTC(),
	}
	if !token.MatchString(event.Delivery) {
		return event, errors.New("the X-GitHub-Delivery header is missing or not a name: want 1 to 128 printable ASCII characters")
	}
	if !token.MatchString(event.Kind) {
		return event, errors.New("the X-GitHub-Event header is missing or not a name: want 1 to 128 printable ASCII characters")
	}
	payload, err := payloadOf(header.Get("Content-Type"), body)
	if err != nil {
		return event, err
	}
	event.Body = payload
	_, err = read(event)
	return event, err
}

// payloadOf is the JSON of a body, which may be the field payload of a form.
func payloadOf(contentType string, body []byte) ([]byte, error) {
	kind, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return nil, fmt.Errorf("the content type %.80q cannot be read: %w", contentType, errContentType)
	}
	switch kind {
	case "application/json":
	case "application/x-www-form-urlencoded":
		form, err := url.ParseQuery(string(body))
		if err != nil {
			return nil, fmt.Errorf("the form cannot be read: %w", err)
		}
		if !form.Has("payload") {
			return nil, errors.New("the form has no field payload")
		}
		body = []byte(form.Get("payload"))
	default:
		return nil, fmt.Errorf("the content type is %.80q: %w", kind, errContentType)
	}
	if !json.Valid(body) {
		return nil, errors.New("the body is not JSON")
	}
	return body, nil
}

func reply(w http.ResponseWriter, status int, answer any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// The sender may have gone; there is nobody left to tell.
	_ = json.NewEncoder(w).Encode(answer)
}
