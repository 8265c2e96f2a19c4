package intake

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"
)

// The bounds of a delivery of alarms.
const (
	alarmBodyLimit = 1 << 20
	mostAlarms     = 1000
	mostLabels     = 64
	labelLimit     = 1 << 10
)

// The sources of alarms, which are in what a release says of why it stopped.
const (
	SourceAlertmanager = "alertmanager"
	SourceCloudEvents  = "cloudevents"
)

// AlarmSource is a webhook that stops releases. Its senders sign nothing, so they show a bearer token.
type AlarmSource struct {
	source string
	tokens tokens
	read   func(*http.Request, []byte) ([]alarmDelivery, error)
	inbox  Inbox
	router *Router
	log    *slog.Logger
}

// alarmDelivery is one alarm and what it is known again by. Without a key the alarm is over, which stops nothing.
type alarmDelivery struct {
	key   string
	alarm alarm
}

// AlarmAnswer is the body of the answer to alarms.
type AlarmAnswer struct {
	// Stored are new, Duplicates had come before, Resolved say that an alarm is over, which stops nothing.
	Stored     int    `json:"stored"`
	Duplicates int    `json:"duplicates"`
	Resolved   int    `json:"resolved"`
	Message    string `json:"message,omitempty"`
}

// NewAlertmanager takes notifications of Prometheus' Alertmanager, version 4. It has one
// bearer token or two, the newest first, none of them blank.
func NewAlertmanager(bearer []string, inbox Inbox, router *Router, log *slog.Logger) (*AlarmSource, error) {
	return newAlarmSource(SourceAlertmanager, bearer, readAlertmanager, inbox, router, log)
}

// NewCloudEvents takes CloudEvents 1.0 over HTTP whose data is an alarm. Its tokens are
// as those of [NewAlertmanager].
func NewCloudEvents(bearer []string, inbox Inbox, router *Router, log *slog.Logger) (*AlarmSource, error) {
	return newAlarmSource(SourceCloudEvents, bearer, readCloudEvent, inbox, router, log)
}

func newAlarmSource(source string, bearer []string, read func(*http.Request, []byte) ([]alarmDelivery, error), inbox Inbox, router *Router, log *slog.Logger) (*AlarmSource, error) {
	secrets, err := checked(source, "token", bearer)
	if err != nil {
		return nil, err
	}
	return &AlarmSource{source: source, tokens: newTokens(secrets), read: read, inbox: inbox, router: router, log: log}, nil
}

// ServeHTTP takes alarms: verify, store each once, answer. 2xx is stored, 4xx can never be accepted, 5xx can be sent again.
func (s *AlarmSource) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	secret := s.tokens.bearer(r.Header)
	if secret == 0 {
		w.Header().Set("WWW-Authenticate", "Bearer")
		reply(w, http.StatusUnauthorized, AlarmAnswer{Message: "the bearer token is missing or wrong"})
		return
	}
	body, fault := readBody(w, r, alarmBodyLimit, bodyPatience)
	if fault != nil {
		reply(w, fault.status, AlarmAnswer{Message: fault.message})
		return
	}
	if !utf8.Valid(body) {
		reply(w, http.StatusBadRequest, AlarmAnswer{Message: "the body is not UTF-8, as JSON is"})
		return
	}
	deliveries, err := s.read(r, body)
	if err == nil {
		err = check(deliveries)
	}
	if err != nil {
		reply(w, http.StatusBadRequest, AlarmAnswer{Message: err.Error()})
		return
	}
	answer, err := s.accept(r.Context(), deliveries)
	if err != nil {
		s.log.ErrorContext(r.Context(), "alarm not stored", "source", s.source, "error", err)
		w.Header().Set("Retry-After", "1")
		reply(w, http.StatusServiceUnavailable, AlarmAnswer{Message: "alarms cannot be stored at the moment: send them again"})
		return
	}
	s.log.InfoContext(r.Context(), "alarms stored", "source", s.source, "new", answer.Stored, "duplicates", answer.Duplicates, "secret", secret)
	reply(w, http.StatusAccepted, answer)
}

// accept stores what is new. What was stored when it fails is a duplicate the next time.
func (s *AlarmSource) accept(ctx context.Context, deliveries []alarmDelivery) (answer AlarmAnswer, err error) {
	defer s.router.Wake()
	for _, d := range deliveries {
		if d.key == "" {
			answer.Resolved++
			continue
		}
		body, err := json.Marshal(d.alarm)
		if err != nil {
			return answer, err
		}
		_, duplicate, err := s.inbox.Accept(ctx, Event{
			Source: s.source, Delivery: d.key, Kind: kindAlarm, Body: body, ReceivedAt: time.Now().UTC(),
		})
		if err != nil {
			return answer, err
		}
		if duplicate {
			answer.Duplicates++
		} else {
			answer.Stored++
		}
	}
	return answer, nil
}

func check(deliveries []alarmDelivery) error {
	if len(deliveries) > mostAlarms {
		return fmt.Errorf("there are %d alarms, more than %d", len(deliveries), mostAlarms)
	}
	for i, d := range deliveries {
		if d.key == "" {
			continue
		}
		switch {
		case d.alarm.Name == "":
			return fmt.Errorf("alarm %d has no name: it says which alarm it is", i)
		case d.alarm.At.Year() < 1970 || d.alarm.At.Year() > 9999:
			return fmt.Errorf("alarm %d has no time at which it began", i)
		case len(d.alarm.Labels) > mostLabels:
			return fmt.Errorf("alarm %d has %d labels, more than %d", i, len(d.alarm.Labels), mostLabels)
		}
		for name, value := range d.alarm.Labels {
			if len(name)+len(value) > labelLimit {
				return fmt.Errorf("alarm %d: label %.40s has more than %d bytes", i, name, labelLimit)
			}
		}
		if len(d.alarm.Name)+len(d.alarm.Summary) > 2*labelLimit {
			return fmt.Errorf("alarm %d: name and summary have more than %d bytes", i, 2*labelLimit)
		}
	}
	return nil
}

// key is the name of a delivery: the hash of what it is known again by.
func key(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\n")))
	return hex.EncodeToString(sum[:16])
}

// readAlertmanager reads a notification. There is no delivery's name in it: the same alarm, begun at the same time, is the
// same, however often its group is repeated or whichever of two Alertmanagers sends it.
func readAlertmanager(_ *http.Request, body []byte) ([]alarmDelivery, error) {
	var n struct {
		Version string `json:"version"`
		Alerts  []struct {
			Status      string            `json:"status"`
			Labels      map[string]string `json:"labels"`
			Annotations map[string]string `json:"annotations"`
			StartsAt    time.Time         `json:"startsAt"`
			Fingerprint string            `json:"fingerprint"`
		} `json:"alerts"`
	}
	if err := json.Unmarshal(body, &n); err != nil {
		return nil, fmt.Errorf("this is no notification of Alertmanager: %w", err)
	}
	if n.Version != "4" || n.Alerts == nil {
		return nil, fmt.Errorf("this is a notification of version %q: want Alertmanager's version 4, with alerts", n.Version)
	}
	out := make([]alarmDelivery, len(n.Alerts))
	for i, a := range n.Alerts {
		if a.Status != "firing" {
			continue
		}
		if a.Fingerprint == "" {
			return nil, fmt.Errorf("alert %d has no fingerprint", i)
		}
		summary := a.Annotations["summary"]
		if summary == "" {
			summary = a.Annotations["description"]
		}
		out[i] = alarmDelivery{
			key(a.Fingerprint, a.StartsAt.UTC().Format(time.RFC3339Nano)),
			alarm{Name: a.Labels["alertname"], Summary: summary, Labels: a.Labels, At: a.StartsAt.UTC()},
		}
	}
	return out, nil
}

// readCloudEvent reads one event in the binary or the structured mode. Its data is an alarm: name, summary, labels, and
// status, which is firing unless it is resolved. It is known again by its source and ID, as CloudEvents say.
func readCloudEvent(r *http.Request, body []byte) ([]alarmDelivery, error) {
	event, err := cloudEventOf(r.Header, body)
	if err != nil {
		return nil, err
	}
	var data struct {
		Name    string            `json:"name"`
		Summary string            `json:"summary"`
		Status  string            `json:"status"`
		Labels  map[string]string `json:"labels"`
		At      time.Time         `json:"at"`
	}
	if err := event.DataAs(&data); err != nil {
		return nil, fmt.Errorf("the event's data is no alarm, which is JSON with name, summary and labels: %w", err)
	}
	switch data.Status {
	case "resolved":
		return []alarmDelivery{{}}, nil
	case "", "firing":
	default:
		return nil, fmt.Errorf("the alarm's status is %.40q: want firing or resolved", data.Status)
	}
	if data.At.IsZero() {
		data.At = event.Time()
	}
	if data.At.IsZero() {
		return nil, errors.New("the event has no time, and its data no at: one of them says when the alarm began")
	}
	return []alarmDelivery{{key(event.Source(), event.ID()), alarm{Name: data.Name, Summary: data.Summary, Labels: data.Labels, At: data.At.UTC()}}}, nil
}
