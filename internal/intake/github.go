package intake

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"time"
)

// NewGitHub is the webhook source for GitHub's events, and for whoever signs as GitHub does. Its secrets are the newest
// first, one or two, and not blank: without one, everybody could release anything.
func NewGitHub(secrets []string, inbox Inbox, router *Router, log *slog.Logger) (*Webhook, error) {
	keys, err := checked(SourceGitHub, "secret", secrets)
	if err != nil {
		return nil, err
	}
	return newWebhook(provider{
		source: SourceGitHub, limit: bodyLimit, ping: "ping", event: githubEvent,
		misfit: "the signature does not fit the body: check that both sides have the same secret",
		prove: func(header http.Header, _ time.Time) (proof, error) {
			given, err := signature(header.Get("X-Hub-Signature-256"))
			if err != nil {
				return proof{}, err
			}
			return given.by(keys), nil
		},
	}, inbox, router, log), nil
}

// githubEvent makes an event of a delivery. Its headers are not signed: whoever changes them has a body that says
// something else already, and it is read as that or not at all.
func githubEvent(header http.Header, _ proof, body []byte) (event Event, err error) {
	if event.Delivery, err = nameIn(header, "X-GitHub-Delivery"); err != nil {
		return event, err
	}
	if event.Kind, err = nameIn(header, "X-GitHub-Event"); err != nil {
		return event, err
	}
	event.Body, err = githubPayload(header, body)
	return event, err
}

// githubPayload is the JSON of a body, which may be the field payload of a form.
func githubPayload(header http.Header, body []byte) ([]byte, error) {
	kind, err := mediaType(header)
	if err != nil {
		return nil, fmt.Errorf("%w or application/x-www-form-urlencoded", err)
	}
	switch kind {
	case "application/json":
		return body, nil
	case "application/x-www-form-urlencoded":
		form, err := url.ParseQuery(string(body))
		if err != nil {
			return nil, fmt.Errorf("the form cannot be read: %w", err)
		}
		if !form.Has("payload") {
			return nil, errors.New("the form has no field payload")
		}
		return []byte(form.Get("payload")), nil
	}
	return nil, fmt.Errorf("the content type is %.80q: %w application/json or application/x-www-form-urlencoded", kind, errContentType)
}
