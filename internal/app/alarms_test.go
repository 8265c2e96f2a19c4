package app

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/alarm"
	"github.com/skyisland/skyisland/internal/config"
	"github.com/skyisland/skyisland/internal/gateway"
	"github.com/skyisland/skyisland/internal/release"
)

func TestAnAlarmStopsTheReleaseFirstAndIsTold(t *testing.T) {
	var did []string
	reply := errors.New("no route to host")
	a := &alarms{
		keep: func(_ context.Context, id string, of release.ID, entry release.Entry) error {
			did = append(did, "told "+id+" of "+of.String()+": "+entry.Message)
			return nil
		},
		stop: func(_ context.Context, id release.ID, told release.Alarm) error {
			did = append(did, "stopped "+id.String()+": "+told.Name)
			return reply
		},
		due:  map[release.ID]release.Alarm{},
		warn: slog.New(slog.DiscardHandler).Warn,
	}
	since := time.UnixMilli(7)
	event := alarm.Event{Rule: alarm.Rule{Name: "slow", Stop: true}, Route: "d/h/p/web", Release: "d/h/p/3", Sentence: "it is slow", Firing: true, Since: since}
	a.follow(t.Context(), event)
	reply = release.ErrFinished
	a.stopDue(t.Context())
	a.stopDue(t.Context())
	event.Firing, event.Sentence = false, "it is over"
	a.follow(t.Context(), event)
	want := "stopped d/h/p/3: slow; told alarm/slow/d/h/p/web/7 of d/h/p/3: it is slow; stopped d/h/p/3: slow; told alarm/slow/d/h/p/web/7/over of d/h/p/3: it is over"
	if got := strings.Join(did, "; "); got != want {
		t.Errorf("did %q, want %q", got, want)
	}
}

func TestAlarmsThatCannotBeFollowedStopTheStart(t *testing.T) {
	good := config.Alarm{Name: "slow", Metric: "latency-p99", Above: "500ms", For: "1m"}
	rules, err := alarmRules(config.Config{Alarms: []config.Alarm{good}})
	if err != nil || *rules[0].Above != 0.5 || rules[0].For != time.Minute {
		t.Fatalf("read %+v, %v", rules, err)
	}
	for text, bad := range map[string]config.Alarm{
		`above: "5" is not a latency`: {Name: "a", Metric: "latency-p99", Above: "5", For: "1m"},
		`above: "5" is not a share`:   {Name: "a", Metric: "error-share", Above: "5", For: "1m"},
		`below: "few" is not a rate`:  {Name: "a", Metric: "request-rate", Below: "few", For: "1m"},
		`above: "x" is not a number`:  {Name: "a", Metric: "in-flight", Above: "x", For: "1m"},
		`for: "soon"`:                 {Name: "a", Metric: "in-flight", Above: "1", For: "soon"},
		"write either above or below": {Name: "a", Metric: "in-flight", For: "1m"},
	} {
		if _, err := alarmRules(config.Config{Alarms: []config.Alarm{good, bad}}); err == nil || !strings.Contains(err.Error(), "alarms[1]: "+text) {
			t.Errorf("got %v, want %q", err, text)
		}
	}
}

func TestCountsOfAllGatewaysAreAddedUp(t *testing.T) {
	byKey := map[string]*alarm.Route{}
	for range 2 {
		addRoute(byKey, release.Route{Key: "k", Release: "d/h/p/3", Stable: &release.Target{Revision: "v1"}, Canary: &release.Target{Revision: "v2"}}, 500)
		addCounts(byKey, gateway.RevisionStats{Route: "k", Revision: "v2", Requests: 10, Classes: map[string]uint64{"5xx": 2, "timeout": 1, "4xx": 5}, Latency: map[int]uint64{4: 10}})
		addCounts(byKey, gateway.RevisionStats{Route: "gone", Revision: "v2", Requests: 10})
	}
	route := byKey["k"]
	count := route.Revisions["v2"]
	if len(byKey) != 1 || !route.Splits || route.Canary != "v2" || count.Requests != 20 || count.Failed != 6 || count.Latency[4] != 20 {
		t.Errorf("added up to %+v", route)
	}
}
