package intake

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/release"
)

const alarmToken = "s3cret"

var (
	alarmLane  = release.Lane{Tenant: "acme", Application: "checkout", Environment: "production"}
	alarmBegan = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
)

// alarmed are the releases of a lane, and what they were told.
type alarmed struct {
	statuses []release.Status
	told     map[release.ID][]release.Alarm
	err      error
}

func (a *alarmed) UnderWay(_ context.Context, lane release.Lane) ([]release.Status, error) {
	var out []release.Status
	for _, s := range a.statuses {
		if s.ID.Lane == lane {
			out = append(out, s)
		}
	}
	return out, a.err
}

func (a *alarmed) Alarm(_ context.Context, id release.ID, alarm release.Alarm) error {
	if a.told == nil {
		a.told = map[release.ID][]release.Alarm{}
	}
	a.told[id] = append(a.told[id], alarm)
	return nil
}

// ramping is release 7 of the lane: web goes from web-1 to web-2, in units a and b.
func ramping(edit ...func(*release.Status)) release.Status {
	s := release.Status{
		ID: release.ID{Lane: alarmLane, Number: 7}, Phase: release.Ramping, Requested: alarmBegan.Add(-time.Minute), Units: []string{"a", "b"},
		Moves: []release.Move{{Component: "web", Stable: &release.Revision{ID: "web-1"}, Candidate: release.Revision{ID: "web-2"}}},
	}
	for _, e := range edit {
		e(&s)
	}
	return s
}

// alarmFixture is a webhook of Alertmanager before a router that works on nothing by itself.
func alarmFixture(t *testing.T, releases *alarmed, read func([]string, Inbox, *Router, *slog.Logger) (*AlarmSource, error)) (*fixture, *AlarmSource) {
	t.Helper()
	f := newFixture(t)
	f.releases = releases
	source, err := read([]string{alarmToken}, f.inbox, f.Router, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return f, source
}

func send(source http.Handler, body string, edit ...func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "/webhooks/alertmanager", strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+alarmToken)
	r.Header.Set("Content-Type", "application/json")
	for _, e := range edit {
		e(r)
	}
	w := httptest.NewRecorder()
	source.ServeHTTP(w, r)
	return w
}

// notification is one of Alertmanager 0.25, with an alert of these labels.
func notification(status string, labels map[string]string) string {
	labels["alertname"] = "HighErrorRate"
	encoded, _ := json.Marshal(labels)
	return fmt.Sprintf(`{"receiver":"hook","status":%q,"alerts":[{"status":%q,"labels":%s,"annotations":{"summary":"5xx over 1%%"},"startsAt":%q,"endsAt":"0001-01-01T00:00:00Z","generatorURL":"http://prom/graph","fingerprint":"2236e37a0cf4e10b"}],"groupLabels":{},"commonLabels":{},"commonAnnotations":{},"externalURL":"http://am:9093","version":"4","groupKey":"{}:{}","truncatedAlerts":0}`,
		status, status, encoded, alarmBegan.Format(time.RFC3339Nano))
}

func answerOf(t *testing.T, w *httptest.ResponseRecorder) (a AlarmAnswer) {
	t.Helper()
	if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil {
		t.Fatalf("%d %s: %v", w.Code, w.Body, err)
	}
	return a
}

func TestAnAlarmStopsOnlyTheReleaseThatItNames(t *testing.T) {
	lane := map[string]string{"tenant": "acme", "application": "checkout", "environment": "production"}
	with := func(more ...string) map[string]string {
		out := map[string]string{}
		for k, v := range lane {
			out[k] = v
		}
		for i := 0; i < len(more); i += 2 {
			out[more[i]] = more[i+1]
		}
		return out
	}
	phase := func(p release.Phase) func(*release.Status) { return func(s *release.Status) { s.Phase = p } }
	late := func(s *release.Status) { s.Requested = alarmBegan.Add(time.Second) }
	for _, c := range []struct {
		name   string
		labels map[string]string
		edit   func(*release.Status)
		why    string // "" is that it stops
	}{
		{"of its lane", lane, phase(release.Ramping), ""},
		{"of its route", map[string]string{"route": "acme/checkout/production/web"}, phase(release.Ramping), ""},
		{"of its candidate", with("revision", "web-2"), phase(release.Ramping), ""},
		{"of its candidate, while people are asked", with("revision", "web-2"), phase(release.Approving), ""},
		{"of its candidate, which the alarm saw before", with("revision", "web-2"), late, ""},
		{"of its unit", with("unit", "b"), phase(release.Watching), ""},
		{"by its number", map[string]string{"release": "acme/checkout/production/7"}, phase(release.Approving), ""},
		{"of the gateway's own metrics", map[string]string{"route": "acme/checkout/production/web", "revision": "web-2", "gateway": "gw-1", "unit": "a"}, phase(release.Watching), ""},
		{"of stable", with("revision", "web-1"), phase(release.Ramping), "web-1 is no candidate of release 7"},
		{"of another component", with("component", "api"), phase(release.Ramping), "does not change api"},
		{"of another component's candidate", with("component", "api", "revision", "web-2"), phase(release.Ramping), "no candidate"},
		{"of another unit", with("unit", "c"), phase(release.Ramping), "does not go to unit c"},
		{"of another lane", with("environment", "staging"), phase(release.Ramping), "no release of acme/checkout/staging"},
		{"of another number", map[string]string{"release": "acme/checkout/production/6"}, phase(release.Ramping), "not the one it names"},
		{"before it has traffic", lane, phase(release.Approving), "has no traffic"},
		{"that began before it", lane, late, "it began before release 7"},
		{"that names no lane", map[string]string{"service": "checkout"}, phase(release.Ramping), "it names no lane"},
		{"that contradicts itself", with("route", "acme/search/production/web"), phase(release.Ramping), "name the lanes"},
		{"whose route is none", map[string]string{"route": "checkout"}, phase(release.Ramping), `its label route is "checkout"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			releases := &alarmed{statuses: []release.Status{ramping(c.edit)}}
			f, source := alarmFixture(t, releases, NewAlertmanager)
			w := send(source, notification("firing", c.labels))
			if a := answerOf(t, w); w.Code != http.StatusAccepted || a.Stored != 1 {
				t.Fatalf("answered %d %+v", w.Code, a)
			}
			outcome, err := f.route(t.Context(), taskOf(f.inbox.events[1]))
			if err != nil {
				t.Fatal(err)
			}
			told := releases.told[release.ID{Lane: alarmLane, Number: 7}]
			if c.why != "" {
				if outcome.Kind != Ignored || !strings.Contains(outcome.Message, c.why) || len(told) != 0 {
					t.Errorf("outcome %+v, told %v; want that nothing stops because %q", outcome, told, c.why)
				}
				return
			}
			if outcome.Kind != Stopped || len(outcome.Releases) != 1 || len(told) != 1 {
				t.Fatalf("outcome %+v, told %v; want release 7 stopped", outcome, told)
			}
			if a := told[0]; a.Name != "HighErrorRate" || a.Source != SourceAlertmanager || a.Summary != "5xx over 1%" || !a.At.Equal(alarmBegan) {
				t.Errorf("told %+v", a)
			}
		})
	}
}

func TestAnAlarmIsStoredOnceHoweverOftenItIsSent(t *testing.T) {
	f, source := alarmFixture(t, &alarmed{}, NewAlertmanager)
	labels := map[string]string{"route": "acme/checkout/production/web"}
	for i := range 5 {
		a := answerOf(t, send(source, notification("firing", labels)))
		if want := min(i, 1); a.Duplicates != want || a.Stored != 1-want {
			t.Errorf("answer %d is %+v", i, a)
		}
	}
	if a := answerOf(t, send(source, notification("resolved", labels))); a.Resolved != 1 || a.Stored != 0 {
		t.Errorf("one that is over is answered %+v", a)
	}
	again := strings.Replace(notification("firing", labels), "12:00:00", "13:00:00", 1)
	if a := answerOf(t, send(source, again)); a.Stored != 1 {
		t.Errorf("the next one of the same name is answered %+v", a)
	}
	if len(f.inbox.events) != 2 {
		t.Errorf("%d events are stored, want 2", len(f.inbox.events))
	}
}

func TestAnAlarmWaitsUntilTheReleasesCanBeAsked(t *testing.T) {
	releases := &alarmed{statuses: []release.Status{ramping()}, err: errAway}
	f, source := alarmFixture(t, releases, NewAlertmanager)
	send(source, notification("firing", map[string]string{"route": "acme/checkout/production/web"}))
	if _, err := f.route(t.Context(), taskOf(f.inbox.events[1])); !errors.Is(err, errAway) {
		t.Errorf("got %v, want that it is tried again", err)
	}
	releases.err = nil
	if outcome, err := f.route(t.Context(), taskOf(f.inbox.events[1])); err != nil || outcome.Kind != Stopped {
		t.Errorf("got %+v, %v", outcome, err)
	}
}

func TestWhatIsNoAlarmIsRefused(t *testing.T) {
	f, source := alarmFixture(t, &alarmed{}, NewAlertmanager)
	good := notification("firing", map[string]string{"route": "acme/checkout/production/web"})
	for name, c := range map[string]struct {
		body   string
		edit   func(*http.Request)
		status int
		want   string
	}{
		"no token":         {good, func(r *http.Request) { r.Header.Del("Authorization") }, 401, "bearer token"},
		"a wrong token":    {good, func(r *http.Request) { r.Header.Set("Authorization", "Bearer s3cre") }, 401, "bearer token"},
		"a bare token":     {good, func(r *http.Request) { r.Header.Set("Authorization", alarmToken) }, 401, "bearer token"},
		"nothing":          {"", nil, 400, "no notification"},
		"no UTF-8":         {strings.Replace(good, "5xx", "\xff", 1), nil, 400, "not UTF-8"},
		"no JSON":          {"{", nil, 400, "no notification"},
		"a wrong type":     {`{"version":4}`, nil, 400, "no notification"},
		"another version":  {strings.Replace(good, `"version":"4"`, `"version":"5"`, 1), nil, 400, `version "5"`},
		"no alerts":        {`{"version":"4"}`, nil, 400, "with alerts"},
		"no fingerprint":   {strings.Replace(good, "2236e37a0cf4e10b", "", 1), nil, 400, "no fingerprint"},
		"no name":          {strings.Replace(good, "HighErrorRate", "", 1), nil, 400, "no name"},
		"no time":          {strings.Replace(good, "2026-11-27", "0001-01-01", 1), nil, 400, "no time"},
		"too long a label": {strings.Replace(good, "HighErrorRate", strings.Repeat("x", 4000), 1), nil, 400, "more than"},
		"too much":         {good + strings.Repeat(" ", alarmBodyLimit), nil, 413, "larger than"},
	} {
		var edits []func(*http.Request)
		if c.edit != nil {
			edits = append(edits, c.edit)
		}
		w := send(source, c.body, edits...)
		if a := answerOf(t, w); w.Code != c.status || !strings.Contains(a.Message, c.want) {
			t.Errorf("%s: answered %d %q, want %d with %q", name, w.Code, a.Message, c.status, c.want)
		}
	}
	f.inbox.fail = func(string, int64) error { return errAway }
	if w := send(source, good); w.Code != http.StatusServiceUnavailable || strings.Contains(w.Body.String(), errAway.Error()) {
		t.Errorf("without a store it is answered %d %s, want 503 and no inner word", w.Code, w.Body)
	}
	if _, err := NewAlertmanager([]string{" "}, f.inbox, f.Router, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "alertmanager.token") {
		t.Errorf("a blank token: %v", err)
	}
}

func TestCloudEventsAreAlarms(t *testing.T) {
	const data = `{"name":"disk full","summary":"98 %","labels":{"route":"acme/checkout/production/web","revision":"web-2"}}`
	binary := func(r *http.Request) {
		for name, value := range map[string]string{
			"Ce-Specversion": "1.0", "Ce-Id": "1", "Ce-Source": "//monitor", "Ce-Type": "com.example.alarm", "Ce-Time": "2026-11-27T12:00:00Z",
		} {
			r.Header.Set(name, value)
		}
	}
	structured := func(r *http.Request) { r.Header.Set("Content-Type", "application/cloudevents+json") }
	envelope := func(id, data string) string {
		return fmt.Sprintf(`{"specversion":"1.0","id":%q,"source":"//monitor","type":"com.example.alarm","time":"2026-11-27T12:00:00Z","datacontenttype":"application/json","data":%s}`, id, data)
	}
	releases := &alarmed{statuses: []release.Status{ramping()}}
	f, source := alarmFixture(t, releases, NewCloudEvents)
	for i, w := range []*httptest.ResponseRecorder{
		send(source, data, binary), send(source, envelope("1", data), structured), send(source, envelope("2", data), structured),
	} {
		if a := answerOf(t, w); w.Code != http.StatusAccepted || a.Duplicates != map[int]int{1: 1}[i] {
			t.Errorf("delivery %d was answered %d %+v: the same source and ID are the same event, in either mode", i, w.Code, a)
		}
	}
	if outcome, err := f.route(t.Context(), taskOf(f.inbox.events[1])); err != nil || outcome.Kind != Stopped || releases.told[ramping().ID][0].Source != SourceCloudEvents {
		t.Errorf("outcome %+v, %v, told %+v", outcome, err, releases.told)
	}
	if a := answerOf(t, send(source, envelope("3", `{"name":"disk full","status":"resolved"}`), structured)); a.Resolved != 1 {
		t.Errorf("one that is over is answered %+v", a)
	}
	for name, c := range map[string]struct {
		body string
		edit func(*http.Request)
		want string
	}{
		"no event":         {data, func(*http.Request) {}, "no CloudEvent"},
		"half an event":    {`{"specversion":"1.0"}`, structured, "no CloudEvent"},
		"other data":       {envelope("4", `"hello"`), structured, "no alarm"},
		"no name":          {envelope("5", `{}`), structured, "no name"},
		"another status":   {envelope("6", `{"name":"x","status":"odd"}`), structured, `"odd"`},
		"no time anywhere": {strings.Replace(envelope("7", data), `"time":"2026-11-27T12:00:00Z",`, "", 1), structured, "no time"},
	} {
		w := send(source, c.body, c.edit)
		if a := answerOf(t, w); w.Code != http.StatusBadRequest || !strings.Contains(a.Message, c.want) {
			t.Errorf("%s: answered %d %q, want 400 with %q", name, w.Code, a.Message, c.want)
		}
	}
}

func FuzzAlarms(f *testing.F) {
	f.Add([]byte(notification("firing", map[string]string{"route": "acme/checkout/production/web"})))
	f.Add([]byte(`{"specversion":"1.0","id":"1","source":"s","type":"t","data":{"name":"x"}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(body))
		r.Header.Set("Content-Type", "application/cloudevents+json")
		for _, read := range []func(*http.Request, []byte) ([]alarmDelivery, error){readAlertmanager, readCloudEvent} {
			deliveries, err := read(r, body)
			if err == nil && check(deliveries) == nil {
				for _, d := range deliveries {
					_, _ = d.alarm.target()
				}
			}
		}
	})
}
