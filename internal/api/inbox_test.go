package api_test

import (
	"bytes"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/api"
	"github.com/skyisland/skyisland/internal/api/apitest"
	"github.com/skyisland/skyisland/internal/api/client"
)

// received is an installation that has had two events: one refused, and one that waits.
func received(t *testing.T) (*apitest.Installation, string, *client.Client) {
	t.Helper()
	i, server := installation(t)
	i.Receive(api.Event{Source: "github", Delivery: "d-1", Kind: "push", Received: noon}, "{\"a\": \"\xff\"}")
	i.Settle(1, "refused", "nobody knows acme/new", "demo/hello/production/3")
	i.Receive(api.Event{Source: "git", Delivery: "d-2", Kind: "push", Received: noon.Add(time.Minute), Attempts: 2, Postponed: "it is away"}, "")
	c, err := client.New(server, apitest.Operator)
	if err != nil {
		t.Fatal(err)
	}
	return i, server, c
}

func TestEventsAreListedAndShown(t *testing.T) {
	i, server, c := received(t)
	page, err := c.Events(t.Context(), api.EventFilter{Limit: 1})
	if err != nil || len(page.Events) != 1 || page.Events[0].ID != 2 || page.Next == "" {
		t.Fatalf("the first page: %+v, %v", page, err)
	}
	page, err = c.Events(t.Context(), api.EventFilter{Limit: 1, Before: page.Next, Source: "github", Outcome: "refused", Kind: "push", Delivery: "d-1", Since: noon})
	if err != nil || len(page.Events) != 1 || page.Events[0].ID != 1 || page.Next != "" || page.Events[0].Releases[0] != three.String() {
		t.Errorf("the next page: %+v, %v", page, err)
	}
	if page, err := c.Events(t.Context(), api.EventFilter{Pending: true}); err != nil || len(page.Events) != 1 || page.Events[0].Postponed != "it is away" {
		t.Errorf("pending: %+v, %v", page, err)
	}
	if got := ask(t, apitest.Operator, "GET", server+"/api/v1/inbox?source=nobody", ""); got.status != http.StatusOK || !strings.Contains(got.body, `{"events":[]}`) {
		t.Errorf("no event: %d %s", got.status, got.body)
	}
	if event, err := c.Event(t.Context(), 1); err != nil || event.Message != "nobody knows acme/new" || event.BodySize != 10 {
		t.Errorf("event %+v, %v", event, err)
	}
	var body bytes.Buffer
	if err := c.EventBody(t.Context(), 1, &body); err != nil || body.String() != "{\"a\": \"\xff\"}" {
		t.Errorf("body %q, %v", body.String(), err)
	}
	got := ask(t, apitest.Operator, "GET", server+"/api/v1/inbox/1/body", "")
	if got.header.Get("Content-Type") != "application/octet-stream" || got.header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("the body is a %s", got.header.Get("Content-Type"))
	}
	i.Break(errors.New("disk full at /secret/path"))
	if got := ask(t, apitest.Operator, "GET", server+"/api/v1/inbox", ""); got.status != http.StatusInternalServerError || strings.Contains(got.body, "secret") {
		t.Errorf("broken: %d %s", got.status, got.body)
	}
}

func TestAReplayIsAskedForByAPersonAndOnce(t *testing.T) {
	_, server, c := received(t)
	replay, err := c.ReplayEvent(t.Context(), 1, api.ReplayBody{Again: true, Request: "r-1"})
	if err != nil || replay.ID != 3 || replay.ReplayOf != 1 || !replay.Again || replay.AskedBy.Name != "olga" || replay.Outcome != "" {
		t.Fatalf("replay %+v, %v", replay, err)
	}
	if same, err := c.ReplayEvent(t.Context(), 1, api.ReplayBody{Again: true, Request: "r-1"}); err != nil || same.ID != replay.ID {
		t.Errorf("the same request: %+v, %v", same, err)
	}
	if event, err := c.Event(t.Context(), 1); err != nil || len(event.Replays) != 1 || event.Replays[0] != 3 || event.Outcome != "refused" {
		t.Errorf("the first is %+v, %v", event, err)
	}
	if got := ask(t, apitest.Operator, "POST", server+"/api/v1/inbox/1/replay", ""); got.status != http.StatusAccepted {
		t.Errorf("without a body: %d %s", got.status, got.body)
	}
	if got := ask(t, "", "POST", server+"/api/v1/inbox/1/replay", ""); got.status != http.StatusUnauthorized {
		t.Errorf("without a token: %d %s", got.status, got.body)
	}
}

func TestWhatIsWrongWithAQuestionAboutEventsIsSaid(t *testing.T) {
	i, server, _ := received(t)
	i.Receive(api.Event{Source: "github", Delivery: "d-3", Kind: "push", Received: noon}, "{}")
	i.Settle(3, "ignored", "")
	i.ForgetBody(3)
	for _, test := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"GET", "/api/v1/inbox?outcome=lost", "", 400, "there are started, queued, superseding"},
		{"GET", "/api/v1/inbox?outcome=refused&pending=true", "", 400, "has no outcome yet"},
		{"GET", "/api/v1/inbox?pending=perhaps", "", 400, "want true or false"},
		{"GET", "/api/v1/inbox?since=yesterday", "", 400, "want a time such as"},
		{"GET", "/api/v1/inbox?limit=501", "", 400, "from 1 to 500"},
		{"GET", "/api/v1/inbox?cursor=x", "", 400, "cursor"},
		{"GET", "/api/v1/inbox?souce=git", "", 400, "there is no parameter"},
		{"GET", "/api/v1/inbox/x", "", 400, "is not the number of an event"},
		{"GET", "/api/v1/inbox/0/body", "", 400, "is not the number of an event"},
		{"GET", "/api/v1/inbox/99", "", 404, "GET /api/v1/inbox lists"},
		{"GET", "/api/v1/inbox/3/body", "", 409, "no longer kept"},
		{"POST", "/api/v1/inbox/3/replay", "", 409, "no longer kept"},
		{"POST", "/api/v1/inbox/2/replay", "", 409, "waits for its outcome"},
		{"POST", "/api/v1/inbox/99/replay", "", 404, "there is no event 99"},
		{"POST", "/api/v1/inbox/x/replay", "", 400, "is not the number of an event"},
		{"POST", "/api/v1/inbox/1/replay", `{"request":"two words"}`, 400, "want at most 128 printable ASCII characters"},
		{"POST", "/api/v1/inbox/1/replay", `{"once":true}`, 400, "once"},
	} {
		got := ask(t, apitest.Operator, test.method, server+test.path, test.body)
		if got.status != test.status || !strings.Contains(got.body, test.want) {
			t.Errorf("%s %s: %d %s, want %d with %q", test.method, test.path, got.status, got.body, test.status, test.want)
		}
	}
}
