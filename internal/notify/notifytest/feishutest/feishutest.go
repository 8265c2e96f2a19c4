// Package feishutest is a stand-in for the custom bots of Feishu, with their signatures, codes and limits.
package feishutest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Server answers as open.feishu.cn does for the bots it knows.
type Server struct {
	*httptest.Server
	// Now is the server's clock.
	Now func() time.Time

	mu       sync.Mutex
	secrets  map[string]string
	arrived  map[string][]time.Time
	messages []Message
}

// Message is one that was taken.
type Message struct {
	Token string
	At    time.Time
	// Body is as it came.
	Body []byte
}

// New starts a server with bots by token, each with its secret.
func New(now func() time.Time, secrets map[string]string) *Server {
	s := &Server{Now: now, secrets: secrets, arrived: map[string][]time.Time{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /open-apis/bot/v2/hook/{token}", s.take)
	s.Server = httptest.NewServer(mux)
	return s
}

// Address is that of the bot with this token.
func (s *Server) Address(token string) string { return s.URL + "/open-apis/bot/v2/hook/" + token }

// Messages are those that were taken, in their order.
func (s *Server) Messages() []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Message(nil), s.messages...)
}

func (s *Server) take(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	body, err := io.ReadAll(r.Body)
	code, message := 0, "success"
	if err == nil {
		code, message = s.judge(r.PathValue("token"), body)
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"code": code, "msg": message, "data": map[string]any{}})
}

func (s *Server) judge(token string, body []byte) (code int, message string) {
	secret, known := s.secrets[token]
	if !known {
		return 19001, "param invalid: incoming webhook access token invalid"
	}
	var m struct {
		Timestamp, Sign string
		Type            string `json:"msg_type"`
		Card            struct {
			Header   map[string]any   `json:"header"`
			Elements []map[string]any `json:"elements"`
		} `json:"card"`
	}
	if err := json.Unmarshal(body, &m); err != nil || m.Type != "interactive" || len(m.Card.Elements) == 0 || len(body) > 20<<10 {
		return 9499, "Bad Request"
	}
	now := s.Now()
	if secret != "" && !signed(secret, m.Timestamp, m.Sign, now) {
		return 19021, "sign match fail or timestamp is not within one hour from current time"
	}
	var second, minute int
	for _, at := range s.arrived[token] {
		if now.Sub(at) < time.Second {
			second++
		}
		if now.Sub(at) < time.Minute {
			minute++
		}
	}
	if second >= 5 || minute >= 100 {
		return 11232, "create message service trigger rate limit"
	}
	s.arrived[token] = append(s.arrived[token], now)
	s.messages = append(s.messages, Message{Token: token, At: now, Body: body})
	return 0, "success"
}

func signed(secret, timestamp, sign string, now time.Time) bool {
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil || now.Sub(time.Unix(seconds, 0)).Abs() > time.Hour {
		return false
	}
	mac := hmac.New(sha256.New, fmt.Appendf(nil, "%s\n%s", timestamp, secret))
	return hmac.Equal([]byte(strings.TrimSpace(sign)), []byte(base64.StdEncoding.EncodeToString(mac.Sum(nil))))
}
