package intake

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"mime"
	"net/http"
	"regexp"
	"time"
	"unicode/utf8"
)

// The sources of events, as their actors name them. Where a delivery arrives decides which it is, and never what it says
// of itself: a Gitea sends GitHub's headers too.
const (
	SourceGitHub   = "github"
	SourceGitLab   = "gitlab"
	SourceGitea    = "gitea"
	SourceStandard = "standard"
	SourceRegistry = "registry"
	SourceSchedule = "cron"
	SourceAPI      = "api"
)

const (
	// bodyLimit is GitHub's own cap on a payload: 25 MB.
	bodyLimit = 25 << 20
	// smallLimit is for sources whose events are a few fields.
	smallLimit = 1 << 20
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
var errContentType = errors.New("want the content type")

// Webhook takes the deliveries of one source.
type Webhook struct {
	provider
	inbox  Inbox
	router *Router
	log    *slog.Logger
	// patience is bodyPatience, but for tests.
	patience time.Duration
}

// provider is what one source does in its own way.
type provider struct {
	source string
	// limit is how large a body may be, in bytes.
	limit int64
	// prove reads what the headers of a delivery show of who sent it. Its error is for the sender: without a proof, the
	// body is not worth reading.
	prove func(header http.Header, now time.Time) (proof, error)
	// misfit is the sentence for a proof that does not fit the body.
	misfit string
	// event makes an event of a verified delivery: its delivery, kind and body. Headers that are not signed are only
	// believed where a lie gains nothing.
	event func(header http.Header, proof proof, body []byte) (Event, error)
	// ping is the kind of an event that is answered and not stored; empty for none.
	ping string
}

// proof is what a delivery shows of who sent it.
type proof struct {
	// fits is the number of the secret that the body was proved with, from 1; 0 for none of them.
	fits func(body []byte) int
	// delivery is the name of the delivery where the proof covers it; empty where it does not.
	delivery string
}

func newWebhook(p provider, inbox Inbox, router *Router, log *slog.Logger) *Webhook {
	return &Webhook{provider: p, inbox: inbox, router: router, log: log, patience: bodyPatience}
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
func (h *Webhook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	proof, err := h.prove(r.Header, time.Now())
	if err != nil {
		reply(w, http.StatusUnauthorized, Answer{Message: err.Error()})
		return
	}
	body, fault := readBody(w, r, h.limit, h.patience)
	if fault != nil {
		reply(w, fault.status, Answer{Message: fault.message})
		return
	}
	secret := proof.fits(body)
	if secret == 0 {
		reply(w, http.StatusUnauthorized, Answer{Message: h.misfit})
		return
	}
	event, err := h.delivered(r.Header, proof, body)
	if err != nil {
		status := http.StatusBadRequest
		if errors.Is(err, errContentType) {
			status = http.StatusUnsupportedMediaType
		}
		reply(w, status, Answer{Message: tidy(err.Error(), whyLimit)})
		return
	}
	if h.ping != "" && event.Kind == h.ping {
		h.log.InfoContext(r.Context(), "ping answered", "source", h.source, "secret", secret)
		reply(w, http.StatusOK, Answer{Message: "pong"})
		return
	}
	h.accept(w, r, event, secret)
}

// delivered makes an event of a verified delivery that can be stored and will be understood.
func (h *Webhook) delivered(header http.Header, proof proof, body []byte) (Event, error) {
	event, err := h.event(header, proof, body)
	if err != nil {
		return event, err
	}
	event.Source, event.ReceivedAt = h.source, time.Now().UTC()
	if !token.MatchString(event.Kind) {
		return event, fmt.Errorf("the event's kind is %.80q: want 1 to 128 printable ASCII characters", event.Kind)
	}
	if !utf8.Valid(event.Body) {
		return event, errors.New("the body is not UTF-8, as JSON is")
	}
	says, err := read(event)
	// Who reads a change has found the whole body to be JSON: looking again would take as long as all the rest.
	if (err != nil || says.change == nil) && !json.Valid(event.Body) {
		return event, errors.New("the body is not JSON")
	}
	return event, err
}

// accept stores an event and answers.
func (h *Webhook) accept(w http.ResponseWriter, r *http.Request, event Event, secret int) {
	id, duplicate, err := h.inbox.Accept(r.Context(), event)
	if err != nil {
		h.log.ErrorContext(r.Context(), "event not stored", "source", event.Source, "delivery", event.Delivery, "error", err)
		w.Header().Set("Retry-After", "1")
		reply(w, http.StatusServiceUnavailable, Answer{Message: "the event could not be stored; deliver it again"})
		return
	}
	// Which secret was shown says when the second one, which is on its way out, is needed no longer.
	h.log.InfoContext(r.Context(), "event stored", "event", id, "source", event.Source, "delivery", event.Delivery, "kind", event.Kind,
		"duplicate", duplicate, "secret", secret)
	h.router.Wake()
	answer := Answer{Event: id, Duplicate: duplicate, Message: "stored"}
	if duplicate {
		answer.Message = "stored before"
	}
	if outcome, ok := h.wait(r, id); ok {
		answer.Outcome, answer.Message = outcome.Kind, outcome.Message
	}
	reply(w, http.StatusAccepted, answer)
}

// wait waits for the outcome for as long as the sender asks.
func (h *Webhook) wait(r *http.Request, id int64) (Outcome, bool) {
	patience, err := time.ParseDuration(r.URL.Query().Get("wait"))
	if err != nil || patience <= 0 {
		return Outcome{}, false
	}
	ctx, cancel := context.WithTimeout(r.Context(), min(patience, waitLimit))
	defer cancel()
	outcome, ok, err := h.router.Await(ctx, id)
	if err != nil {
		h.log.WarnContext(ctx, "outcome not read", "event", id, "error", err)
	}
	return outcome, ok
}

// bodyFault is why a body was not read, for the answer.
type bodyFault struct {
	status  int
	message string
}

// usualBody is the most bytes that are set aside for a body because its sender announces that many.
const usualBody = 64 << 10

// readBody reads a raw body of at most so many bytes, which has to arrive in time.
func readBody(w http.ResponseWriter, r *http.Request, limit int64, patience time.Duration) ([]byte, *bodyFault) {
	control := http.NewResponseController(w)
	// A writer that knows no deadlines is a test's.
	_ = control.SetReadDeadline(time.Now().Add(patience))
	var body bytes.Buffer
	body.Grow(int(min(max(r.ContentLength, 0), limit, usualBody)) + bytes.MinRead)
	_, err := body.ReadFrom(http.MaxBytesReader(w, r.Body, limit))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, &bodyFault{http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is larger than %d bytes", limit)}
	case err != nil:
		return nil, &bodyFault{http.StatusRequestTimeout, "the body did not arrive whole; deliver it again"}
	}
	// What follows may take longer, and the server listens meanwhile for the sender to go away.
	_ = control.SetReadDeadline(time.Time{})
	return body.Bytes(), nil
}

// nameIn is the first of some headers that is there. It has to be a name.
func nameIn(header http.Header, names ...string) (string, error) {
	for _, name := range names {
		value := header.Get(name)
		if value == "" {
			continue
		}
		if !token.MatchString(value) {
			return "", fmt.Errorf("the %s header is not a name: want 1 to 128 printable ASCII characters", name)
		}
		return value, nil
	}
	return "", fmt.Errorf("the %s header is missing: want 1 to 128 printable ASCII characters", names[0])
}

// wantJSON is an error for a body that does not say it is JSON.
func wantJSON(header http.Header) error {
	kind, err := mediaType(header)
	if err == nil && kind != "application/json" {
		err = fmt.Errorf("the content type is %.80q: %w application/json", kind, errContentType)
	}
	return err
}

func mediaType(header http.Header) (string, error) {
	given := header.Get("Content-Type")
	kind, _, err := mime.ParseMediaType(given)
	if err != nil {
		return "", fmt.Errorf("the content type %.80q cannot be read: %w application/json", given, errContentType)
	}
	return kind, nil
}

func reply(w http.ResponseWriter, status int, answer any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// The sender may have gone; there is nobody left to tell.
	_ = json.NewEncoder(w).Encode(answer)
}
