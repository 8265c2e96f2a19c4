package slacktest

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Payload is what Slack tells of what somebody did, by Socket Mode as JSON in an envelope of its kind and over HTTP as
// a form. It can be changed before it is sent, as Slack never would.
type Payload struct {
	// Kind is that of the envelope: interactive or slash_commands.
	Kind string
	Data map[string]any
}

// Click is a person pressing a button of a message.
func (s *Server) Click(user string, m Message, action string) Payload {
	s.mu.Lock()
	defer s.mu.Unlock()
	pressed := answer{"type": "button", "action_id": action, "action_ts": s.stamp()}
	for _, b := range m.Blocks {
		for _, e := range b.Elements {
			if e.ActionID == action {
				pressed["block_id"], pressed["value"], pressed["text"] = b.ID, e.Value, answer{"type": "plain_text", "text": e.Text}
			}
		}
	}
	return Payload{Kind: "interactive", Data: answer{
		"type": "block_actions", "user": person(user), "team": answer{"id": "T1", "domain": "acme"}, "api_app_id": "A1", "token": "verification",
		"container":    answer{"type": "message", "message_ts": m.Stamp, "channel_id": m.Channel, "is_ephemeral": false},
		"channel":      answer{"id": m.Channel, "name": "releases"},
		"message":      answer{"type": "message", "bot_id": "B1", "ts": m.Stamp, "text": m.Text, "blocks": m.Raw},
		"state":        answer{"values": answer{}},
		"response_url": s.hook(user), "trigger_id": s.trigger(), "actions": []any{pressed},
	}}
}

// Submit is a person sending a form off.
func (s *Server) Submit(user string, v View, comment string) Payload {
	s.mu.Lock()
	defer s.mu.Unlock()
	values := answer{}
	for _, b := range v.Blocks {
		for _, e := range b.Elements {
			var value any
			if comment != "" {
				value = comment // an empty input is null
			}
			values[b.ID] = answer{e.ActionID: answer{"type": e.Type, "value": value}}
		}
	}
	return Payload{Kind: "interactive", Data: answer{
		"type": "view_submission", "user": person(user), "team": answer{"id": "T1", "domain": "acme"}, "api_app_id": "A1", "token": "verification",
		"trigger_id": s.trigger(), "response_urls": []any{},
		"view": answer{
			"id": v.ID, "type": "modal", "callback_id": v.CallbackID, "private_metadata": v.Metadata, "hash": "156772938.1827394",
			"state": answer{"values": values}, "root_view_id": v.ID, "app_id": "A1", "bot_id": "B1",
		},
	}}
}

// Command is a person writing the app's slash command with this text.
func (s *Server) Command(user, text string) Payload {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Payload{Kind: "slash_commands", Data: answer{
		"token": "verification", "team_id": "T1", "team_domain": "acme", "channel_id": s.options.Channels[0], "channel_name": "releases",
		"user_id": user, "user_name": "name-of-" + user, "command": s.options.Command, "text": text, "api_app_id": "A1",
		"is_enterprise_install": "false", "response_url": s.hook(user), "trigger_id": s.trigger(),
	}}
}

func person(user string) answer {
	return answer{"id": user, "username": "name-of-" + user, "name": "name-of-" + user, "team_id": "T1"}
}

// trigger opens one form within three seconds.
func (s *Server) trigger() string {
	id := s.next("trigger.")
	s.triggers[id] = s.options.Now().Add(3 * time.Second)
	return id
}

// hook is a response_url: it takes five answers within half an hour.
func (s *Server) hook(user string) string {
	id := s.next("hook")
	s.hooks[id] = &hook{user: user, until: s.options.Now().Add(30 * time.Minute), left: 5}
	return s.URL + "/respond/" + id
}

// Form is a payload as the body of a request.
func (p Payload) Form() string {
	values := url.Values{}
	if p.Kind == "interactive" {
		text, _ := json.Marshal(p.Data)
		values.Set("payload", string(text))
		return values.Encode()
	}
	for key, value := range p.Data {
		values.Set(key, value.(string))
	}
	return values.Encode()
}

// Request is a payload as Slack sends it over HTTP, signed now.
func (s *Server) Request(ctx context.Context, target string, p Payload) *http.Request {
	return Signed(ctx, target, p.Form(), s.options.SigningSecret, s.options.Now())
}

// Signed is a request with a body that is signed as of a time.
func Signed(ctx context.Context, target, body, secret string, at time.Time) *http.Request {
	stamp := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte("v0:" + stamp + ":" + body))
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader([]byte(body)))
	if err != nil {
		return nil // the caller's address is none
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("X-Slack-Request-Timestamp", stamp)
	r.Header.Set("X-Slack-Signature", "v0="+hex.EncodeToString(mac.Sum(nil)))
	return r
}
