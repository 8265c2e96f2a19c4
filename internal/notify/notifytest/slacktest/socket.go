package slacktest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/gorilla/websocket"
)

// Ack is how an envelope was acknowledged.
type Ack struct {
	EnvelopeID string          `json:"envelope_id"`
	Payload    json.RawMessage `json:"payload"`
}

type link struct {
	conn  *websocket.Conn
	write sync.Mutex
}

func (l *link) send(frame any) error {
	l.write.Lock()
	defer l.write.Unlock()
	return l.conn.WriteJSON(frame)
}

func (s *Server) openConnection(*http.Request) answer {
	ticket := s.next("ticket")
	s.tickets[ticket] = true
	return answer{"ok": true, "url": "ws" + strings.TrimPrefix(s.URL, "http") + "/link?ticket=" + ticket}
}

func (s *Server) connect(w http.ResponseWriter, r *http.Request) {
	ticket := r.URL.Query().Get("ticket")
	s.mu.Lock()
	known := s.tickets[ticket]
	delete(s.tickets, ticket) // it serves one connection
	s.mu.Unlock()
	if !known {
		http.Error(w, "no such ticket", http.StatusForbidden)
		return
	}
	conn, err := (&websocket.Upgrader{}).Upgrade(w, r, nil)
	if err != nil {
		return
	}
	l := &link{conn: conn}
	if l.send(answer{"type": "hello", "num_connections": 1, "connection_info": answer{"app_id": "A1"}, "debug_info": answer{"host": "fake"}}) != nil {
		return
	}
	s.change(func() { s.opened++; s.links = append(s.links, l) })
	for {
		var ack Ack
		if err := conn.ReadJSON(&ack); err != nil {
			break
		}
		s.mu.Lock()
		if waiting := s.waiting[ack.EnvelopeID]; waiting != nil {
			select {
			case waiting <- ack:
			default: // a second acknowledgement of one envelope
			}
		}
		s.mu.Unlock()
	}
	_ = conn.Close()
	s.change(func() { s.links = slices.DeleteFunc(s.links, func(one *link) bool { return one == l }) })
}

func (s *Server) change(do func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	do()
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *Server) until(ctx context.Context, what string, done func() bool) error {
	for {
		s.mu.Lock()
		is, changed := done(), s.changed
		s.mu.Unlock()
		if is {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", what, ctx.Err())
		}
	}
}

// Connected waits until so many connections have been opened in all, and at least one stands.
func (s *Server) Connected(ctx context.Context, opened int) error {
	return s.until(ctx, fmt.Sprintf("fewer than %d connections", opened), func() bool { return s.opened >= opened && len(s.links) > 0 })
}

// Standing waits until exactly so many connections stand.
func (s *Server) Standing(ctx context.Context, links int) error {
	return s.until(ctx, fmt.Sprintf("not %d connections", links), func() bool { return len(s.links) == links })
}

// Drop cuts all connections without a word.
func (s *Server) Drop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.links {
		_ = l.conn.Close()
	}
}

// Disconnect tells the oldest connection that it ends. It stands until the client closes it.
func (s *Server) Disconnect() error {
	return s.Raw(answer{"type": "disconnect", "reason": "warning", "debug_info": answer{"host": "fake"}})
}

// Raw sends a frame that may be none over the oldest connection.
func (s *Server) Raw(frame any) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.links) == 0 {
		return errors.New("no connection")
	}
	return s.links[0].send(frame)
}

// Envelope is a name for an envelope.
func (s *Server) Envelope() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.next("envelope")
}

// Push sends a payload in an envelope over the newest connection and waits for its acknowledgement. When the
// connection ends before, the envelope is sent again over another, as Slack does. The same envelope can be pushed again.
func (s *Server) Push(ctx context.Context, envelope string, p Payload) (Ack, error) {
	acked := make(chan Ack, 1)
	s.mu.Lock()
	s.waiting[envelope] = acked
	s.mu.Unlock()
	for attempt := 0; ; attempt++ {
		if err := s.until(ctx, "no connection", func() bool { return len(s.links) > 0 }); err != nil {
			return Ack{}, err
		}
		s.mu.Lock()
		var l *link
		if len(s.links) > 0 {
			l = s.links[len(s.links)-1]
		}
		s.mu.Unlock()
		if l == nil || l.send(answer{"type": p.Kind, "envelope_id": envelope, "payload": p.Data, "accepts_response_payload": true, "retry_attempt": attempt, "retry_reason": ""}) != nil {
			continue
		}
		ack, ended, err := s.acknowledged(ctx, l, envelope, acked)
		if err != nil || !ended {
			return ack, err
		}
	}
}

// acknowledged waits for an acknowledgement, or for the end of the connection.
func (s *Server) acknowledged(ctx context.Context, l *link, envelope string, acked chan Ack) (ack Ack, ended bool, err error) {
	for {
		s.mu.Lock()
		changed, stands := s.changed, slices.Contains(s.links, l)
		s.mu.Unlock()
		select {
		case ack := <-acked:
			return ack, false, nil
		case <-ctx.Done():
			return Ack{}, false, fmt.Errorf("no acknowledgement of %s: %w", envelope, ctx.Err())
		default:
		}
		if !stands {
			return Ack{}, true, nil
		}
		select {
		case ack := <-acked:
			return ack, false, nil
		case <-ctx.Done():
			return Ack{}, false, fmt.Errorf("no acknowledgement of %s: %w", envelope, ctx.Err())
		case <-changed:
		}
	}
}
