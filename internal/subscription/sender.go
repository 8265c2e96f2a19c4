package subscription

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/skyisland/skyisland/internal/events"
)

const (
	// claim is longer than an attempt can take, so that nobody else sends meanwhile.
	claim = 2 * mostPatience
	// atOnce is how many events a subscriber is sent at the same time, of different releases.
	atOnce = 4
)

// sender sends one subscriber what it subscribed to.
type sender struct {
	*Subscribers

	to     Subscriber
	keys   [][]byte
	client *http.Client
	kicked chan struct{}
	// at is how far deliveries have been made, as far as this program knows.
	at      int64
	busy    atomic.Int64
	sending sync.WaitGroup
}

func (s *sender) kick() {
	select {
	case s.kicked <- struct{}{}:
	default:
	}
}

// work makes deliveries of what happened, and begins to send what is due.
func (s *sender) work(ctx context.Context) (more bool, err error) {
	more, err = s.announce(ctx)
	return more, errors.Join(err, s.send(ctx))
}

// announce makes deliveries of what happened since the last time.
func (s *sender) announce(ctx context.Context) (more bool, err error) {
	batch, err := s.Feed.After(ctx, s.at)
	if err != nil || batch.Reached <= s.at {
		return false, err
	}
	// Another server may have made them already.
	done, err := s.Store.Subscribed(ctx, s.to.Name)
	if err != nil {
		return false, err
	}
	now := s.Now()
	var out []events.Delivery
	for _, event := range batch.Events {
		if event.Sequence <= done || !s.to.Filter.Matches(event) {
			continue
		}
		sum := sha256.Sum256([]byte(event.ID + "\n" + s.to.Name))
		out = append(out, events.Delivery{
			ID: hex.EncodeToString(sum[:12]), Subscription: s.to.Name, Sequence: event.Sequence, Event: event.ID, Type: event.Type,
			Subject: event.Subject(), Body: event.JSON, Created: now, Due: now, Expires: now.Add(Lifetime()),
		})
	}
	if batch.Reached > done {
		if missing := batch.Reached - s.at - int64(len(batch.Events)); missing > 0 {
			s.Log.WarnContext(ctx, "events were kept no longer when they could be sent", "subscriber", s.to.Name, "after", s.at, "missing", missing)
		}
		if err := s.Store.Announce(ctx, s.to.Name, batch.Reached, out); err != nil {
			return false, err
		}
	}
	s.at = batch.Reached
	return true, nil
}

// send begins to send what is due and has a place.
func (s *sender) send(ctx context.Context) error {
	free := atOnce - int(s.busy.Load())
	if free <= 0 {
		return nil // who ends gives a kick
	}
	now := s.Now()
	// Looking first keeps a subscriber that has nothing to hear from writing to the database every second.
	next, err := s.Store.NextEvent(ctx, s.to.Name)
	if err != nil || next.IsZero() || next.After(now) {
		return err
	}
	claimed, err := s.Store.ClaimEvents(ctx, s.to.Name, now, now.Add(claim), free)
	for _, delivery := range claimed {
		s.busy.Add(1)
		s.sending.Go(func() {
			defer s.kick()
			defer s.busy.Add(-1)
			// What was begun is ended and stored also when the program stops meanwhile.
			if err := s.deliver(context.WithoutCancel(ctx), delivery); err != nil {
				s.Log.ErrorContext(ctx, "what became of an event is not stored, so it is sent again", "subscriber", s.to.Name, "event", delivery.Event, "error", err)
			}
		})
	}
	return err
}

// deliver tries to send an event, and stores what became of it. Its error is that it could not.
func (s *sender) deliver(ctx context.Context, d events.Delivery) error {
	later, err := s.post(ctx, d)
	now := s.Now()
	if err == nil {
		return s.Store.EventSent(ctx, d, now)
	}
	if errors.Is(err, errGone) {
		s.Log.WarnContext(ctx, "a subscriber wants no more events", "subscriber", s.to.Name, "event", d.Event)
		return s.Store.Unsubscribe(ctx, s.to.Name, err.Error(), now)
	}
	d.Reason = err.Error()
	wait, planned := pause(d.Attempts)
	d.Due = now.Add(wait)
	if d.Due.Before(later) {
		d.Due = later
	}
	if !planned || d.Due.After(d.Expires) {
		d.State = events.Dead
		s.Log.WarnContext(ctx, "event given up", "subscriber", s.to.Name, "event", d.Event, "attempts", d.Attempts, "error", err)
	}
	return s.Store.EventFailed(ctx, d, later, now)
}

// errGone is 410: the subscriber wants no more.
var errGone = errors.New("the subscriber answered 410 Gone: it is sent nothing more until its configuration changes")

// post sends an event once. later is until when the subscriber wants to be left alone.
func (s *sender) post(ctx context.Context, d events.Delivery) (later time.Time, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.Patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.to.URL, bytes.NewReader(d.Body))
	if err != nil {
		return later, errors.New("the address cannot be asked")
	}
	for name, value := range s.to.Headers {
		request.Header.Set(name, value)
	}
	request.Header.Set("Content-Type", events.ContentType)
	request.Header.Set("User-Agent", "SkyIsland")
	sign(request.Header, s.keys, d.Event, s.Now(), d.Body)
	response, err := s.client.Do(request)
	if err != nil {
		return later, s.blame(err)
	}
	defer response.Body.Close()
	// A connection is used again when its answer was read; one that has more to say is closed.
	_, _ = io.CopyN(io.Discard, response.Body, mostAnswer)
	switch status := response.StatusCode; {
	case status/100 == 2:
		return later, nil
	case status == http.StatusGone:
		return later, errGone
	case status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable:
		return retryAfter(response.Header, s.Now()), fmt.Errorf("the subscriber answered %d %s", status, http.StatusText(status))
	case status/100 == 3:
		return later, fmt.Errorf("the subscriber answered %d %s: events are not sent to where it points", status, http.StatusText(status))
	default:
		return later, fmt.Errorf("the subscriber answered %d %s", status, http.StatusText(status))
	}
}

// blame says what kept an attempt from being answered, without the whole address, which may be secret.
func (s *sender) blame(err error) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		if wrapped.Timeout() {
			return fmt.Errorf("%s did not answer within %s", s.to.Address(), s.Patience)
		}
		err = wrapped.Err
	}
	return fmt.Errorf("ask %s: %s", s.to.Address(), brief(err.Error()))
}

// mostReason is the most bytes that are kept of why an attempt failed: what a subscriber answers may be quoted in it.
const mostReason = 500

func brief(text string) string {
	if len(text) <= mostReason {
		return text
	}
	return strings.ToValidUTF8(text[:mostReason], "") + "…"
}
