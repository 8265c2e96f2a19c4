package gitremote

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// maxAnswer is how much of a webhook's answer is read.
const maxAnswer = 64 << 10

// ErrRefused means that a delivery was understood and will never be accepted. It is not tried again.
var ErrRefused = errors.New("event refused")

// Delivery is one event on its way.
type Delivery struct {
	// ID is a UUID. It is the same each time this event is delivered, and of no other event.
	ID string
	// Event is "push".
	Event string
	// Repository and Ref say what was pushed.
	Repository Name
	Ref        string
	// Body is the event as JSON.
	Body []byte
}

// Answer is what the receiver of an event has to say to whoever pushed.
type Answer struct {
	// Message is shown on the pusher's terminal, a line each. Empty shows that the event was received.
	Message string
}

// Deliver hands an event over. It is called until it returns nil, which says that the event is stored, or [ErrRefused];
// any other error means later, again. Events of one ref come in order, and the same event can come twice.
type Deliver func(ctx context.Context, d Delivery) (Answer, error)

// Sign is the value of X-Hub-Signature-256 for a body.
func Sign(secret, body []byte) string {
	mac := hmac.New(sha256.New, secret)
	mac.Write(body)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

// webhook delivers by a POST signed as GitHub signs.
type webhook struct {
	url    string
	secret []byte
	client *http.Client
}

func newWebhook(target string, secret []byte) (*webhook, error) {
	u, err := url.Parse(target)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, errors.New("git remote: WebhookURL must be an http or https URL")
	}
	if len(secret) == 0 {
		return nil, errors.New("git remote: Secret is empty: a webhook without one accepts an event from anybody")
	}
	return &webhook{url: target, secret: bytes.Clone(secret), client: &http.Client{
		// A signed event must not follow wherever it is sent.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

func (h *webhook) deliver(ctx context.Context, d Delivery) (Answer, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url, bytes.NewReader(d.Body))
	if err != nil {
		return Answer{}, fmt.Errorf("post event: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "SkyIsland-Git-Remote")
	req.Header.Set("X-GitHub-Event", d.Event)
	req.Header.Set("X-GitHub-Delivery", d.ID)
	req.Header.Set("X-Hub-Signature-256", Sign(h.secret, d.Body))
	resp, err := h.client.Do(req)
	if err != nil {
		return Answer{}, fmt.Errorf("post event: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if resp.StatusCode >= 200 && resp.StatusCode < 300 {
		// The event is stored, whatever became of the answer's body.
		return Answer{Message: said(raw)}, nil
	}
	if err != nil {
		return Answer{}, fmt.Errorf("post event: status %d: %w", resp.StatusCode, err)
	}
	return Answer{}, statusError(resp.StatusCode, said(raw))
}

// statusError sorts answers: those that say this very body is wrong end it. A wrong secret or path (401, 403, 404) is
// a mistake in the set-up, which somebody will correct, and then the event must still be there.
func statusError(status int, message string) error {
	message = strings.TrimSuffix(fmt.Sprintf("status %d: %s", status, printable(message, 300)), ": ")
	switch status {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType,
		http.StatusUnprocessableEntity:
		return fmt.Errorf("post event: %w: %s", ErrRefused, message)
	}
	return fmt.Errorf("post event: %s", message)
}

// said is the message, or the error, in a JSON answer. Other answers say nothing.
func said(raw []byte) string {
	var body struct {
		Message string `json:"message"`
		Error   any    `json:"error"`
	}
	if err := json.Unmarshal(raw, &body); err != nil {
		return ""
	}
	if text, ok := body.Error.(string); ok && body.Message == "" {
		return text
	}
	return body.Message
}
