package intake

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"time"

	"github.com/skyisland/skyisland/internal/release"
)

// kindRelease is the kind of an event of the API that asks for a release.
const kindRelease = "release"

// Asking takes releases that people ask for by name, over the API and its command line.
type Asking struct {
	inbox  Inbox
	router *Router
}

// NewAsking keeps what is asked for in an inbox, for a router.
func NewAsking(inbox Inbox, router *Router) *Asking { return &Asking{inbox: inbox, router: router} }

// BadRequestError says what is wrong with what was asked for. Asking again the same way does not help.
type BadRequestError struct{ Reason error }

// Error is every fault, a line each.
func (e *BadRequestError) Error() string { return e.Reason.Error() }

// Unwrap is the reason.
func (e *BadRequestError) Unwrap() error { return e.Reason }

// Request keeps that somebody wants a release, once for each delivery, and wakes the router. The environment may be empty,
// for those that the ref is released to; the commit too, for the one that the ref has when its turn comes. The ref is a
// branch or a tag, by its full name or a short one, and may be empty beside a commit: that is looked for in the branches that
// are released. Of the message, 500 bytes are kept. The delivery is the caller's name for the request, of 1 to 128 printable
// ASCII characters; an empty one gets a name of its own.
//
// The outcome is had by [Router.Await]. A request that can never be one is a [*BadRequestError], and one of an application
// that nobody knows is [release.ErrNotFound]; neither is stored.
func (a *Asking) Request(ctx context.Context, tenant, application, environment, ref, commit, message string, by release.Actor, delivery string) (id int64, duplicate bool, err error) {
	if delivery == "" {
		delivery = rand.Text()
	}
	if !token.MatchString(delivery) {
		return 0, false, &BadRequestError{fmt.Errorf("the name of the request is %.80q: want 1 to 128 printable ASCII characters", delivery)}
	}
	wish := asked{Tenant: tenant, Application: application, Environment: environment, Ref: ref, Commit: commit, Message: message, By: by}
	if err := wish.check(); err != nil {
		return 0, false, &BadRequestError{err}
	}
	if _, err := a.router.applicationNamed(ctx, tenant, application); err != nil {
		return 0, false, err
	}
	wish.Message = tidy(message, messageLimit)
	body, err := json.Marshal(wish)
	if err != nil {
		return 0, false, &BadRequestError{err}
	}
	id, duplicate, err = a.inbox.Accept(ctx, Event{Source: SourceAPI, Delivery: delivery, Kind: kindRelease, Body: body, ReceivedAt: time.Now().UTC()})
	if err != nil {
		return 0, false, fmt.Errorf("keep what %s asks for: %w", by.Name, err)
	}
	a.router.Wake()
	return id, duplicate, nil
}
