package intake

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/skyisland/skyisland/internal/release"
)

// The types of events of Standard Webhooks that mean something here.
const (
	typeRequested = "release.requested"
	typeUpdated   = "ref.updated"
)

// NewStandard is the webhook source for whoever signs as Standard Webhooks say. Its secrets, whsec_ and base64, are the
// newest first, one or two.
func NewStandard(secrets []string, inbox Inbox, router *Router, log *slog.Logger) (*Webhook, error) {
	if _, err := checked(SourceStandard, "secret", secrets); err != nil {
		return nil, err
	}
	var keys [][]byte
	for i, secret := range secrets {
		key, err := StandardKey(secret)
		if err != nil {
			return nil, fmt.Errorf("the webhook of standard: secret %d: %w", i+1, err)
		}
		keys = append(keys, key)
	}
	return newWebhook(provider{
		source: SourceStandard, limit: smallLimit, event: standardEvent,
		misfit: "the signature does not fit the id, the timestamp and the body: check that both sides have the same secret",
		prove: func(header http.Header, now time.Time) (proof, error) {
			return standardProof(header, keys, now)
		},
	}, inbox, router, log), nil
}

// standardEvent makes an event of a delivery: all that is used of it is signed.
func standardEvent(header http.Header, proof proof, body []byte) (Event, error) {
	event := Event{Delivery: proof.delivery, Body: body}
	if err := wantJSON(header); err != nil {
		return event, err
	}
	var of struct {
		Type string `json:"type"`
	}
	if err := json.Unmarshal(body, &of); err != nil {
		return event, fmt.Errorf("the body is not JSON with type, timestamp and data: %w", err)
	}
	if of.Type == "" {
		return event, errors.New("the body has no type, which says what the event is")
	}
	event.Kind = of.Type
	return event, nil
}

// standardData is the data of either event. Repository is a full name, or where to clone from.
type standardData struct {
	Repository  string `json:"repository"`
	Ref         string `json:"ref"`
	Before      string `json:"before"`
	Commit      string `json:"commit"`
	After       string `json:"after"`
	Forced      bool   `json:"forced"`
	Message     string `json:"message"`
	Requester   string `json:"requester"`
	Environment string `json:"environment"`
}

// readStandard is what an event says: that a release is asked for, or that a ref has changed.
func readStandard(event Event) (meaning, error) {
	if event.Kind != typeRequested && event.Kind != typeUpdated {
		return meaning{nothing: fmt.Sprintf("an event of the type %s starts nothing: want %s or %s", event.Kind, typeRequested, typeUpdated)}, nil
	}
	var body struct {
		Data *standardData `json:"data"`
	}
	if err := json.Unmarshal(event.Body, &body); err != nil {
		return meaning{}, unreadable(event.Kind, err)
	}
	if body.Data == nil {
		return meaning{}, fmt.Errorf("the %s event has no data", event.Kind)
	}
	d := *body.Data
	c := change{
		Ref: d.Ref, Before: d.Before, After: d.After, Forced: d.Forced,
		Message: tidy(d.Message, messageLimit), Who: tidy(d.Requester, nameLimit),
	}
	c.Repository, c.CloneURL = repositoryNamed(d.Repository)
	names := named{event.Kind + " event", "data.ref", "data.before", "data.after", "data.repository", "data.repository"}
	if event.Kind == typeRequested {
		c.After, names.after = d.Commit, "data.commit"
		if c.Before == "" {
			c.Before = strings.Repeat("0", 40)
		}
	}
	if err := c.check(names); err != nil {
		return meaning{}, err
	}
	if event.Kind == typeUpdated || d.Environment == "" {
		return meaning{change: &c}, nil
	}
	if err := release.CheckName(d.Environment); err != nil {
		return meaning{}, fmt.Errorf("the %s event's data.environment: %w", event.Kind, err)
	}
	return meaning{asked: &asked{Repository: c.Repository, CloneURL: c.CloneURL, Environment: d.Environment, Ref: c.Ref, Commit: c.After, Message: c.Message, Who: c.Who}}, nil
}

// repositoryNamed is a repository by its full name, such as acme/checkout, and where to clone it from, of a text that is
// either.
func repositoryNamed(text string) (fullName, cloneURL string) {
	var path string
	if u, err := url.Parse(text); err == nil && u.Scheme != "" && u.Host != "" {
		path = u.Path
	} else if before, after, found := strings.Cut(text, ":"); found && !strings.Contains(before, "/") {
		path = after // git's user@host:path
	} else {
		return text, ""
	}
	return strings.TrimSuffix(strings.Trim(path, "/"), ".git"), text
}
