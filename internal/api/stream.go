package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/skyisland/skyisland/internal/events"
	"github.com/skyisland/skyisland/internal/release"
)

const (
	// streamBeat is the longest silence of the stream of events.
	streamBeat = 15 * time.Second
	// mostStreams bounds how many follow at the same time.
	mostStreams = 250
	// streamPiece is about how much is written at once, in bytes.
	streamPiece = 64 << 10
	// streamRetry is what clients are told to wait before they connect again.
	streamRetry = 2 * time.Second
)

// EventGap is the event of the stream that tells that events are kept no longer which the client has not seen.
const EventGap = "skyisland.stream.gap"

// Gap says which events of the stream are missing.
type Gap struct {
	// After is the last sequence before them, Until their last.
	After   int64  `json:"after"`
	Until   int64  `json:"until"`
	Message string `json:"message"`
}

// Happenings are what happens to all releases. [events.Feed] is one.
type Happenings interface {
	// Last is the sequence of the newest event; 0 before the first.
	Last(ctx context.Context) (int64, error)
	// After are events after a sequence, in order; none when nothing happened since.
	After(ctx context.Context, after int64) (events.Batch, error)
	// Changed is closed once there is more than there is now.
	Changed() <-chan struct{}
}

func (s *Server) showEventSchema(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", mediaJSON)
	_, _ = w.Write(events.Schema())
}

// streamEvents tells all that happens, from a sequence on, each event once and in order.
func (s *Server) streamEvents(w http.ResponseWriter, r *http.Request) {
	filter, at, err := s.streamed(r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	if s.streams.Add(1) > mostStreams {
		s.streams.Add(-1)
		s.fail(w, r, &fault{http.StatusServiceUnavailable, CodeUnavailable,
			fmt.Sprintf("%d follow already, which is as many as this server takes", mostStreams)})
		return
	}
	defer s.streams.Add(-1)
	ctx, cancel := s.streaming(r.Context())
	defer cancel()
	out := follower{eventStream: eventStream{w: w, control: http.NewResponseController(w)}, filter: filter, at: at}
	// The connection may serve another request, which has its own time.
	defer func() { _ = out.control.SetWriteDeadline(time.Time{}) }()
	// The first word names where it begins: a client that loses the connection before anything happens goes on from here.
	if out.write(fmt.Sprintf("retry: %d\nid: %d\n\n", streamRetry.Milliseconds(), at)) != nil {
		return
	}
	beat := time.NewTicker(streamBeat)
	defer beat.Stop()
	for {
		changed := s.events.Changed()
		batch, err := s.events.After(ctx, out.at)
		if err != nil {
			if ctx.Err() == nil {
				// The client connects again, and loses nothing by it.
				s.log.ErrorContext(ctx, "a stream of events is ended", "request", requestName(ctx), "error", err)
			}
			return
		}
		if out.tell(batch) != nil {
			return
		}
		if len(batch.Events) > 0 {
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-beat.C:
			// What the filter left out moves the client's place too.
			if out.write(fmt.Sprintf(": still here\nid: %d\n\n", out.at)) != nil {
				return
			}
		}
	}
}

// streamed reads what of the stream is wanted, and from where.
func (s *Server) streamed(r *http.Request) (filter events.Filter, at int64, err error) {
	values := paramsOf(r.Context())
	if filter, err = eventFilter(values, holderOf(r.Context())); err != nil {
		return filter, 0, err
	}
	last, err := s.events.Last(r.Context())
	if err != nil {
		return filter, 0, fmt.Errorf("follow what happens: %w", err)
	}
	// Who connects again says how far they came, whatever they asked for at first.
	name, text := "Last-Event-ID", r.Header.Get("Last-Event-ID")
	if text == "" {
		name, text = "after", values.text("after")
	}
	if text == "" {
		return filter, last, nil
	}
	at, err = strconv.ParseInt(text, 10, 64)
	if err != nil || at < 0 {
		return filter, 0, badRequest("%s=%q: want the sequence of an event, or 0 for the oldest that is kept", name, text)
	}
	if at > last {
		return filter, 0, badRequest("%s=%d is beyond what has happened, which is %d: begin without it", name, at, last)
	}
	return filter, at, nil
}

// eventFilter is what of the stream is wanted, of what the token may see.
func eventFilter(values params, who holder) (events.Filter, error) {
	list := func(name string) []string {
		if values.text(name) == "" {
			return nil
		}
		return strings.Split(values.text(name), ",")
	}
	out := events.Filter{Types: list("type"), Tenants: list("tenant"), Applications: list("application"), Environments: list("environment")}
	if text := values.text("release"); text != "" {
		id, err := release.ParseID(text)
		if err != nil {
			return out, badRequest("%v", err)
		}
		out.Release = id
	}
	if err := out.Check(); err != nil {
		return out, badRequest("%v", err)
	}
	err := who.keep(&out)
	return out, err
}

// keep leaves of what is wanted what the token may see. What is about no tenant is nobody's.
func (h holder) keep(filter *events.Filter) error {
	if !h.limited() {
		return nil
	}
	filter.Own = true
	if len(filter.Tenants) == 0 {
		filter.Tenants = h.tenants
	}
	for _, tenant := range filter.Tenants {
		if !h.sees(tenant) {
			return missing("there is no tenant %q for this token: it is for %s", tenant, strings.Join(h.tenants, ", "))
		}
	}
	if filter.Release != (release.ID{}) && !h.sees(filter.Release.Lane.Tenant) {
		return missing("there is no release %s", filter.Release)
	}
	return nil
}

// follower writes what one client wants of the stream.
type follower struct {
	eventStream

	filter events.Filter
	// at is the sequence up to which all is told.
	at int64
}

// tell writes a batch, and that something is missing before or behind it.
func (f *follower) tell(batch events.Batch) error {
	var piece bytes.Buffer
	for _, event := range batch.Events {
		if err := f.gap(&piece, event.Sequence-1); err != nil {
			return err
		}
		f.at = event.Sequence
		if f.filter.Matches(event) {
			fmt.Fprintf(&piece, "id: %d\nevent: %s\ndata: %s\n\n", event.Sequence, event.Type, event.JSON)
		}
		if piece.Len() >= streamPiece {
			if err := f.write(piece.String()); err != nil {
				return err
			}
			piece.Reset()
		}
	}
	if err := f.gap(&piece, batch.Reached); err != nil {
		return err
	}
	if piece.Len() == 0 {
		return nil
	}
	return f.write(piece.String())
}

// gap tells that what is between where the client is and a sequence is kept no longer; nothing when nothing is between.
func (f *follower) gap(piece *bytes.Buffer, until int64) error {
	after := f.at
	if until <= after {
		return nil
	}
	f.at = until
	if after == 0 {
		return nil // from the oldest that is kept
	}
	text, err := json.Marshal(Gap{After: after, Until: until, Message: fmt.Sprintf("events %d to %d are kept no longer", after+1, until)})
	if err != nil {
		return err
	}
	fmt.Fprintf(piece, "id: %d\nevent: %s\ndata: %s\n\n", until, EventGap, text)
	return nil
}
