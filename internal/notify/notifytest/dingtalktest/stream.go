package dingtalktest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// Topics of callbacks.
const (
	TopicCard    = "/v1.0/card/instances/callback"
	TopicMessage = "/v1.0/im/bot/messages/get"
)

// Ack is how a frame was answered.
type Ack struct {
	Code    int               `json:"code"`
	Message string            `json:"message"`
	Headers map[string]string `json:"headers"`
	Data    string            `json:"data"`
}

type link struct {
	conn  *websocket.Conn
	write sync.Mutex
}

func (l *link) send(frame []byte) error {
	l.write.Lock()
	defer l.write.Unlock()
	return l.conn.WriteMessage(websocket.TextMessage, frame)
}

func (s *Server) openConnection(w http.ResponseWriter, r *http.Request) {
	var asked struct {
		ClientID, ClientSecret string
		Subscriptions          []struct{ Type, Topic string }
	}
	if json.NewDecoder(r.Body).Decode(&asked) != nil || asked.ClientID != s.options.ClientID || asked.ClientSecret != s.options.ClientSecret {
		refuse(w, http.StatusUnauthorized, "authFailed")
		return
	}
	for _, topic := range []string{TopicCard, TopicMessage} {
		if !slices.ContainsFunc(asked.Subscriptions, func(one struct{ Type, Topic string }) bool { return one.Type == "CALLBACK" && one.Topic == topic }) {
			refuse(w, http.StatusBadRequest, "subscriptions.missing")
			return
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opened++
	ticket := fmt.Sprintf("ticket-%d", s.opened)
	s.tickets[ticket] = s.options.Now().Add(90 * time.Second)
	write(w, http.StatusOK, map[string]string{"endpoint": "ws" + strings.TrimPrefix(s.URL, "http") + "/connect", "ticket": ticket})
}

func (s *Server) connect(w http.ResponseWriter, r *http.Request) {
	ticket := r.URL.Query().Get("ticket")
	s.mu.Lock()
	until, ok := s.tickets[ticket]
	delete(s.tickets, ticket) // it serves one connection
	s.mu.Unlock()
	if !ok || !s.options.Now().Before(until) {
		refuse(w, http.StatusUnauthorized, "ticket.invalid")
		return
	}
	conn, err := (&websocket.Upgrader{}).Upgrade(w, r, nil)
	if err != nil {
		return
	}
	l := &link{conn: conn}
	s.change(func() { s.links = append(s.links, l) })
	for {
		var ack Ack
		if err := conn.ReadJSON(&ack); err != nil {
			break
		}
		s.mu.Lock()
		if waiting := s.waiting[ack.Headers["messageId"]]; waiting != nil {
			select {
			case waiting <- ack:
			default: // a second acknowledgement of one frame
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

// Connected waits until so many connections have been opened in all, and at least one stands.
func (s *Server) Connected(ctx context.Context, opened int) error {
	for {
		s.mu.Lock()
		done, changed := s.opened >= opened && len(s.links) > 0, s.changed
		s.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("fewer than %d connections: %w", opened, ctx.Err())
		}
	}
}

// Standing is how many connections stand.
func (s *Server) Standing() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.links)
}

// Drop cuts all connections without a word.
func (s *Server) Drop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.links {
		_ = l.conn.Close()
	}
}

// Disconnect tells the oldest connection that it ends. It is closed only later.
func (s *Server) Disconnect() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.links) == 0 {
		return errors.New("no connection")
	}
	return s.links[0].send(frame("SYSTEM", "disconnect", "bye", `{"reason":"persistent connection is expired"}`))
}

// Raw sends bytes that may be no frame over a random connection.
func (s *Server) Raw(data []byte) error {
	l, _, err := s.pick(context.Background())
	if err != nil {
		return err
	}
	return l.send(data)
}

// Ping asks whether a connection lives.
func (s *Server) Ping(ctx context.Context) (Ack, error) {
	return s.push(ctx, "SYSTEM", "ping", `{"opaque":"o1"}`, "")
}

// Push sends a callback over a random connection, and again over another when that one ends before it was answered.
func (s *Server) Push(ctx context.Context, topic, data string) (Ack, error) {
	return s.push(ctx, "CALLBACK", topic, data, "")
}

// Click is a person pressing a button of a card, and the card changing by what is answered.
func (s *Server) Click(ctx context.Context, track, user, action string) (Ack, error) {
	ack, err := s.Push(ctx, TopicCard, s.Callback(track, user, action))
	if err == nil && ack.Code == http.StatusOK {
		s.apply(track, user, ack)
	}
	return ack, err
}

func (s *Server) push(ctx context.Context, kind, topic, data, id string) (Ack, error) {
	answered := make(chan Ack, 1)
	s.mu.Lock()
	if id == "" {
		s.frames++
		id = fmt.Sprintf("message-%d", s.frames)
	}
	s.waiting[id] = answered
	s.mu.Unlock()
	for {
		l, changed, err := s.pick(ctx)
		if err != nil {
			return Ack{}, err
		}
		if l.send(frame(kind, topic, id, data)) != nil {
			continue
		}
		for {
			select {
			case ack := <-answered:
				return ack, nil
			case <-ctx.Done():
				return Ack{}, fmt.Errorf("no acknowledgement of %s: %w", id, ctx.Err())
			case <-changed:
			}
			s.mu.Lock()
			stands := slices.Contains(s.links, l)
			changed = s.changed
			s.mu.Unlock()
			if !stands {
				break // and over another
			}
		}
	}
}

func (s *Server) pick(ctx context.Context) (*link, chan struct{}, error) {
	for {
		s.mu.Lock()
		links, changed := s.links, s.changed
		if len(links) > 0 {
			l := links[rand.IntN(len(links))]
			s.mu.Unlock()
			return l, changed, nil
		}
		s.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, nil, fmt.Errorf("no connection: %w", ctx.Err())
		}
	}
}

func frame(kind, topic, id, data string) []byte {
	encoded, _ := json.Marshal(map[string]any{
		"specVersion": "1.0", "type": kind, "data": data,
		"headers": map[string]string{"topic": topic, "messageId": id, "contentType": "application/json", "time": "1700000000000"},
	})
	return encoded
}
