package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/skyisland/skyisland/internal/release"
)

const (
	// lookEvery is how often a release that somebody watches is asked how it is, however many watch.
	lookEvery = 250 * time.Millisecond
	// lookAgain is how long a question that failed is not asked again.
	lookAgain = time.Second
	// heartbeat is the longest silence of a stream.
	heartbeat = 10 * time.Second
	// mostReaders bounds the streams of all releases together.
	mostReaders = 1000
)

// The events of a watch. See docs/api.md.
const (
	EventStatus  = "status"
	EventProblem = "problem"
)

func (s *Server) watchRelease(w http.ResponseWriter, r *http.Request) {
	id, err := idOf(r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	ctx, cancel := s.streaming(r.Context())
	defer cancel()
	watched, leave, err := s.watches.join(ctx, id)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	defer leave()
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	out := eventStream{w: w, control: http.NewResponseController(w)}
	// The connection may serve another request, which has its own time.
	defer func() { _ = out.control.SetWriteDeadline(time.Time{}) }()
	for seen := 0; ; {
		view := watched.look()
		if view.err != nil && !out.begun {
			s.fail(w, r, view.err)
			return
		}
		if view.version > seen {
			seen = view.version
			if out.send(view) != nil || view.last {
				return
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-view.changed:
		case <-beat.C:
			if out.comment() != nil {
				return
			}
		}
	}
}

// eventStream writes Server-Sent Events.
type eventStream struct {
	w       http.ResponseWriter
	control *http.ResponseController
	begun   bool
}

func (e *eventStream) send(v view) error {
	name, data := EventStatus, v.data
	if v.err != nil {
		name = EventProblem
		encoded, err := json.Marshal(problemOf(v.err))
		if err != nil {
			return err
		}
		data = encoded
	}
	return e.write(fmt.Sprintf("event: %s\ndata: %s\n\n", name, data))
}

// comment keeps the connection alive, and finds out when the client is gone. Before the first event
// the answer has not begun, for it may still be a problem.
func (e *eventStream) comment() error {
	if !e.begun {
		return nil
	}
	return e.write(": still here\n\n")
}

func (e *eventStream) write(text string) error {
	if !e.begun {
		e.begun = true
		e.w.Header().Set("Content-Type", mediaEvents)
		// Proxies that gather answers would hold the events back.
		e.w.Header().Set("X-Accel-Buffering", "no")
	}
	_ = e.control.SetWriteDeadline(time.Now().Add(slowReader))
	if _, err := e.w.Write([]byte(text)); err != nil {
		return err
	}
	return e.control.Flush()
}

// watches asks each watched release how it is, once for all who watch it.
type watches struct {
	status func(context.Context, release.ID) (release.Status, error)

	mu      sync.Mutex
	byID    map[release.ID]*watched
	readers int
}

func newWatches(status func(context.Context, release.ID) (release.Status, error)) *watches {
	return &watches{status: status, byID: map[release.ID]*watched{}}
}

// watched is one release that somebody watches.
type watched struct {
	readers int // guarded by the mutex of watches
	cancel  context.CancelFunc

	mu   sync.Mutex
	view view
}

// view is what is known of a release. It is replaced, never changed.
type view struct {
	version int
	// data is the status as JSON, err why there is none at the moment.
	data []byte
	err  error
	// last says that nothing follows.
	last    bool
	changed chan struct{}
}

// join watches a release until leave is called.
func (w *watches) join(ctx context.Context, id release.ID) (one *watched, leave func(), err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.readers >= mostReaders {
		return nil, nil, &fault{http.StatusServiceUnavailable, CodeUnavailable,
			fmt.Sprintf("%d watch already, which is as many as this server takes: ask for the release's status instead", mostReaders)}
	}
	one = w.byID[id]
	if one == nil {
		one = &watched{view: view{changed: make(chan struct{})}}
		// Others may watch longer than the one who came first, and may see other tenants: what is said to all is of the
		// release's own.
		polling, cancel := context.WithCancel(context.WithValue(context.WithoutCancel(ctx), holderKey, holder{tenants: []string{id.Lane.Tenant}}))
		one.cancel = cancel
		w.byID[id] = one
		go w.poll(polling, id, one)
	}
	one.readers++
	w.readers++
	return one, func() { w.leave(id, one) }, nil
}

func (w *watches) leave(id release.ID, one *watched) {
	w.mu.Lock()
	defer w.mu.Unlock()
	one.readers--
	w.readers--
	if one.readers == 0 {
		one.cancel()
		if w.byID[id] == one {
			delete(w.byID, id)
		}
	}
}

// poll asks until the release has ended, or nobody watches it any more.
func (w *watches) poll(ctx context.Context, id release.ID, one *watched) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		next := lookEvery
		status, err := w.status(ctx, id)
		if err != nil {
			next = lookAgain
		}
		if ctx.Err() != nil {
			return
		}
		if one.set(status, err) {
			// Whoever comes later has to ask anew.
			w.mu.Lock()
			if w.byID[id] == one {
				delete(w.byID, id)
			}
			w.mu.Unlock()
			return
		}
		timer.Reset(next)
	}
}

func (w *watched) look() view {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.view
}

// set notes an answer and wakes the readers when it is a new one. It says whether it is the last.
func (w *watched) set(status release.Status, err error) bool {
	next := view{err: err, changed: make(chan struct{})}
	if err == nil {
		next.data, next.err = json.Marshal(status)
		next.last = status.Phase.Ended()
	}
	if next.err != nil {
		next.last = problemOf(next.err).Status < http.StatusInternalServerError
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if same(w.view, next) {
		return next.last
	}
	next.version = w.view.version + 1
	old := w.view.changed
	w.view = next
	close(old)
	return next.last
}

// same says whether a reader would see no difference.
func same(a, b view) bool {
	if a.version == 0 || (a.err == nil) != (b.err == nil) {
		return false
	}
	if a.err != nil {
		return problemOf(a.err) == problemOf(b.err)
	}
	return bytes.Equal(a.data, b.data)
}
