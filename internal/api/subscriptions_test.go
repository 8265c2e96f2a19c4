package api_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/api"
	"github.com/skyisland/skyisland/internal/api/apitest"
	"github.com/skyisland/skyisland/internal/api/client"
)

func TestSubscriptionsAndTheirDeadLettersAreSeenAndSentAgain(t *testing.T) {
	i := apitest.New()
	now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	i.Clock(func() time.Time { return now.Add(time.Hour) })
	server := i.Start(t, api.Info{})
	i.Subscribe(api.Subscription{Name: "ci", URL: "https://ci.example.com", State: api.SubscriptionActive, Waiting: 1, Dead: 1, Failed: &now},
		api.EventDelivery{ID: "d1", Event: "demo/hello/production/1#1", State: "dead", Attempts: 10, Reason: "the subscriber answered 500"},
		api.EventDelivery{ID: "d2", Event: "demo/hello/production/1#2", State: "waiting", Due: &now})
	i.Subscribe(api.Subscription{Name: "gone", State: api.SubscriptionDisabled}, api.EventDelivery{ID: "d3", State: "dead"})
	c, err := client.New(server, apitest.Operator)
	if err != nil {
		t.Fatal(err)
	}
	list, err := c.Subscriptions(t.Context())
	if err != nil || len(list.Subscriptions) != 2 || list.Subscriptions[0].Dead != 1 || !list.Subscriptions[0].Failed.Equal(now) {
		t.Errorf("subscriptions %+v, %v", list, err)
	}
	for state, want := range map[string][]string{"": {"d1", "d2"}, "dead": {"d1"}, "waiting": {"d2"}, "sent": nil} {
		got, err := c.EventDeliveries(t.Context(), "ci", state, 10, "")
		var ids []string
		for _, d := range got.Deliveries {
			ids = append(ids, d.ID)
		}
		if err != nil || !slices.Equal(ids, want) {
			t.Errorf("deliveries that are %q: %v, %v, want %v", state, ids, err, want)
		}
	}
	for _, test := range []struct {
		method, path string
		status       int
		want         string
	}{
		{"GET", "/ci/deliveries?state=lost", 400, "there are waiting, sent, dead"},
		{"GET", "/ci/deliveries?limit=501", 400, "want a number from 1 to 500"},
		{"GET", "/nobody/deliveries", 404, "GET /api/v1/subscriptions lists those there are"},
		{"POST", "/ci/deliveries/d2/retry", 404, "that is dead"},
		{"POST", "/gone/deliveries/d3/retry", 409, "wants no more events: change its configuration first"},
		{"POST", "/ci/deliveries/d1/retry", 200, "d1"},
		{"POST", "/ci/deliveries/d1/retry", 404, "that is dead"},
	} {
		got := ask(t, apitest.Operator, test.method, server+"/api/v1/subscriptions"+test.path, "")
		if got.status != test.status || !strings.Contains(got.body, test.want) {
			t.Errorf("%s %s: %d %s, want %d %s", test.method, test.path, got.status, got.body, test.status, test.want)
		}
	}
	got, err := c.EventDeliveries(t.Context(), "ci", "waiting", 10, "")
	if err != nil || !got.Deliveries[0].Due.Equal(now.Add(time.Hour)) {
		t.Errorf("sent again: %+v, %v; want it due by the server's clock", got, err)
	}
	i.Break(fmt.Errorf("disk full"))
	if got := ask(t, apitest.Operator, "GET", server+"/api/v1/subscriptions", ""); got.status != 500 {
		t.Errorf("broken: %d", got.status)
	}
}
