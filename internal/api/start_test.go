package api_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/skyisland/skyisland/internal/api"
	"github.com/skyisland/skyisland/internal/api/apitest"
	"github.com/skyisland/skyisland/internal/release"
)

const start = "/api/v1/applications/demo/hello/releases"

func TestAReleaseIsAskedForAsAnEvent(t *testing.T) {
	i, server := installation(t)
	commit := strings.Repeat("0123456789", 4)
	got := ask(t, apitest.Operator, "POST", server+start, `{"environment":"production","ref":"main","commit":"`+commit+`","message":"try it"}`)
	if got.status != 202 || got.body != `{"event":1}`+"\n" {
		t.Fatalf("got %d %s", got.status, got.body)
	}
	asked := i.Inbox().Requests()
	if len(asked) != 1 {
		t.Fatalf("asked for %+v", asked)
	}
	one := asked[0]
	if one.Tenant != "demo" || one.Application != "hello" || one.Environment != "production" || one.Ref != "main" || one.Commit != commit ||
		one.Message != "try it" || one.By.String() != "olga (api)" || one.At.IsZero() || len(one.Delivery) != 32 {
		t.Errorf("asked for %+v", one)
	}
	// Without a key each request is another one.
	if got := ask(t, apitest.Operator, "POST", server+start, `{"ref":"main"}`); got.body != `{"event":2}`+"\n" {
		t.Errorf("got %s", got.body)
	}
}

func TestTheOutcomeIsWaitedFor(t *testing.T) {
	i, server := installation(t)
	if got := ask(t, apitest.Operator, "POST", server+start+"?wait=1ms", `{"ref":"main"}`); got.status != 202 || strings.Contains(got.body, "outcome") {
		t.Errorf("before there is one: %d %s", got.status, got.body)
	}
	want := api.EventOutcome{Kind: "started", Message: "release demo/hello/production/4 has started", Releases: []release.ID{{Lane: lane, Number: 4}}}
	i.Inbox().Settle(want)
	got := ask(t, apitest.Operator, "POST", server+start+"?wait=60s", `{"ref":"main"}`)
	var requested api.Requested
	if err := json.Unmarshal([]byte(got.body), &requested); err != nil || requested.Outcome == nil || requested.Outcome.Message != want.Message || requested.Outcome.Releases[0] != want.Releases[0] {
		t.Errorf("got %d %s", got.status, got.body)
	}
}

// Who asks again with the key of before asks what has become of it: the event is the same, the answer is today's.
func TestWhatBecameOfItIsAskedForWithTheSameKey(t *testing.T) {
	i, server := installation(t)
	first := askKeyed(t, apitest.Operator, "k", server+start, `{"ref":"main"}`)
	i.Inbox().Settle(api.EventOutcome{Kind: "ignored", Message: "nothing is released from main"})
	again := askKeyed(t, apitest.Operator, "k", server+start+"?wait=60s", `{"ref":"main"}`)
	if first.body != `{"event":1}`+"\n" || again.status != 202 || again.header.Get("Idempotency-Replayed") != "true" ||
		again.body != `{"event":1,"duplicate":true,"outcome":{"kind":"ignored","message":"nothing is released from main"}}`+"\n" {
		t.Errorf("got %s, then %d %s", first.body, again.status, again.body)
	}
	if got := askKeyed(t, apitest.Operator, "k", server+start, `{"ref":"other"}`); got.status != 422 {
		t.Errorf("with the key of another: %d %s", got.status, got.body)
	}
	if asked := len(i.Inbox().Requests()); asked != 1 {
		t.Errorf("asked for %d", asked)
	}
}

func TestReleasesThatCannotBeAskedFor(t *testing.T) {
	i, server := installation(t)
	for name, test := range map[string]struct {
		path, body string
		status     int
		want       string
	}{
		"of nothing":                {start, `{}`, 400, "ref and commit are both missing"},
		"without a body":            {start, ``, 400, "ref and commit are both missing"},
		"of a short commit":         {start, `{"commit":"0123456"}`, 400, "its 40 or 64 hexadecimal digits"},
		"of an option":              {start, `{"ref":"--upload-pack=x"}`, 400, "is not the name of a branch or a tag"},
		"of a range":                {start, `{"ref":"main..other"}`, 400, "is not the name of a branch or a tag"},
		"of an ancestor":            {start, `{"ref":"main~1"}`, 400, "is not the name of a branch or a tag"},
		"of a ref with an end":      {start, `{"ref":"main\u0000"}`, 400, "is not the name of a branch or a tag"},
		"of a lock":                 {start, `{"ref":"a/b.lock/c"}`, 400, "is not the name of a branch or a tag"},
		"into no environment":       {start, `{"ref":"main","environment":"Prod"}`, 400, "environment"},
		"with a long message":       {start, `{"ref":"main","message":"` + strings.Repeat("x", 5000) + `"}`, 400, "at most 4096"},
		"of an application of none": {"/api/v1/applications/demo/Hello/releases", `{"ref":"main"}`, 400, "application"},
		"of an unknown application": {"/api/v1/applications/demo/unknown/releases", `{"ref":"main"}`, 404, "demo/unknown"},
		"and waited for too long":   {start + "?wait=2m", `{"ref":"main"}`, 400, "want at most 1m0s"},
		"and waited for wrongly":    {start + "?wait=soon", `{"ref":"main"}`, 400, "want a length of time such as 10s"},
	} {
		t.Run(name, func(t *testing.T) {
			got := ask(t, apitest.Operator, "POST", server+test.path, test.body)
			if got.status != test.status || !strings.Contains(got.body, test.want) {
				t.Errorf("got %d %s", got.status, got.body)
			}
		})
	}
	for _, ref := range []string{"main", "refs/heads/feature/x", "refs/tags/v1.2.3", "bücher", "dependabot/go_modules/a@b-1.0"} {
		if got := ask(t, apitest.Operator, "POST", server+start, `{"ref":"`+ref+`"}`); got.status != 202 {
			t.Errorf("%s: %d %s", ref, got.status, got.body)
		}
	}
	if asked := len(i.Inbox().Requests()); asked != 5 {
		t.Errorf("asked for %d", asked)
	}
}

func TestAServerThatTakesNothingInSaysSo(t *testing.T) {
	i := apitest.New()
	i.WithoutInbox()
	server := i.Start(t, api.Info{})
	if got := ask(t, apitest.Operator, "POST", server+start, `{"ref":"main"}`); got.status != 501 || !strings.Contains(got.body, api.CodeNotImplemented) {
		t.Errorf("got %d %s", got.status, got.body)
	}
}
