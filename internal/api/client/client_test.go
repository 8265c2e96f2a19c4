package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.temporal.io/api/serviceerror"

	"github.com/skyisland/skyisland/internal/api"
	"github.com/skyisland/skyisland/internal/api/apitest"
	"github.com/skyisland/skyisland/internal/api/client"
	"github.com/skyisland/skyisland/internal/dispatch"
	"github.com/skyisland/skyisland/internal/release"
)

var (
	lane  = release.Lane{Tenant: "demo", Application: "hello", Environment: "production"}
	three = release.ID{Lane: lane, Number: 3}
)

func status(phase release.Phase) release.Status {
	return release.Status{ID: three, Phase: phase, Commit: "0123456789ab", Step: -1, PlanHash: "abc", Weight: 500}
}

func connect(t *testing.T, server, token string) *client.Client {
	t.Helper()
	c, err := client.New(server, token)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestEveryCallReachesItsRoute(t *testing.T) {
	i := apitest.New()
	i.Put(status(release.Ramping))
	i.SetDecisions(three, api.Decision{Decision: release.Decision{ID: "d1"}})
	i.SetGateways(api.Gateway{Unit: "a", Routes: []api.Route{{Key: "demo/hello/production/web", Weight: 500}}})
	i.SetLog("web", "listening\n")
	i.SetBuildLog(three, "web", api.TestLog, "ok\n")
	c, ctx := connect(t, i.Start(t, api.Info{Version: "1.2.3"}), apitest.Operator+"\n"), t.Context()
	check := func(what string, err error, good bool) {
		t.Helper()
		if err != nil || !good {
			t.Errorf("%s: %v, as wanted: %t", what, err, good)
		}
	}

	check("health", c.Health(ctx), true)
	info, err := c.Info(ctx)
	check("info", err, info.Version == "1.2.3")
	saved, err := c.SaveApplication(ctx, "demo", "hello", "https://example.com/hello.git")
	check("save an application", err, saved.Name == "hello")
	applications, err := c.Applications(ctx)
	check("applications", err, len(applications) == 1 && applications[0].Repository == saved.Repository)
	page, err := c.Releases(ctx, api.ReleaseFilter{Tenant: "demo", Phase: release.Ramping, Limit: 5})
	check("releases", err, len(page.Releases) == 1 && page.Releases[0].ID == three)
	page, err = c.Releases(ctx, api.ReleaseFilter{Application: "other"})
	check("no releases", err, len(page.Releases) == 0)
	got, err := c.Release(ctx, three)
	check("release", err, got.Weight == 500 && got.Phase == release.Ramping)
	followed, err := c.Instruct(ctx, three, dispatch.Approve, api.InstructionBody{PlanHash: "abc"})
	check("approve", err, followed.Message == "approve followed" && i.Told()[0].Instruction.PlanHash == "abc")
	check("alarm", c.Alarm(ctx, three, release.Alarm{Name: "errors"}), true)
	check("the alarm", nil, len(i.Alarms()) == 1 && i.Alarms()[0].Source == "olga")
	decisions, err := c.Decisions(ctx, three)
	check("decisions", err, len(decisions) == 1 && decisions[0].ID == "d1")
	state, err := c.Lane(ctx, lane)
	check("lane", err, state.Number == 3)
	traffic, err := c.Traffic(ctx, "demo", "hello")
	check("traffic", err, len(traffic.Gateways) == 1 && traffic.Gateways[0].Routes[0].Weight == 500)
	var text strings.Builder
	check("logs", c.Logs(ctx, api.LogQuery{Component: "web", Tail: 10}, &text), true)
	check("build log", c.BuildLog(ctx, three, "web", api.TestLog, &text), true)
	check("the logs", nil, text.String() == "listening\nok\n")
}

// What the API can do, programs in Go can do with a method of this client.
func TestEveryOperationHasACall(t *testing.T) {
	i := apitest.New()
	i.Put(status(release.Completed))
	server, err := i.Server(api.Info{})
	if err != nil {
		t.Fatal(err)
	}
	called := map[string]bool{}
	mux := http.NewServeMux()
	for _, o := range api.Operations() {
		mux.HandleFunc(o.Pattern(), func(w http.ResponseWriter, r *http.Request) {
			called[o.ID] = true
			server.Handler().ServeHTTP(w, r)
		})
	}
	web := httptest.NewServer(mux)
	t.Cleanup(web.Close)
	c, ctx := connect(t, web.URL, apitest.Operator), t.Context()
	// Whether they succeed is for other tests: here it counts where they go. This document is for programs that make one.
	called["showOpenAPI"] = true
	// So is the schema of events, and their stream has one call for its two paths.
	called["showEventSchema"], called["streamEventsToo"] = true, true
	event := i.Receive(api.Event{Source: "git", Delivery: "d", Kind: "push", Outcome: "ignored"}, "{}")
	if err := i.Happen(three, release.Entry{Number: 1, Kind: release.EntryPhase, Phase: release.Ramping, Message: "x"}); err != nil {
		t.Fatal(err)
	}
	errs := []error{c.Health(ctx), c.Alarm(ctx, three, release.Alarm{Name: "x"}), c.RetryDelivery(ctx, "x")}
	note := func(_ any, err error) { errs = append(errs, err) }
	note(c.WhoAmI(ctx))
	note(c.Info(ctx))
	note(c.Applications(ctx))
	note(c.SaveApplication(ctx, "demo", "hello", "https://example.com/x"))
	note(c.Releases(ctx, api.ReleaseFilter{}))
	note(c.Release(ctx, three))
	note(c.Start(ctx, "demo", "hello", api.StartBody{Ref: "main"}))
	note(c.Decisions(ctx, three))
	note(c.Lane(ctx, lane))
	note(c.Freezes(ctx))
	note(c.AddFreeze(ctx, api.FreezeBody{About: "demo", Reason: "x"}))
	note(c.LiftFreeze(ctx, "x"))
	note(c.Deliveries(ctx, false, 10))
	note(c.Traffic(ctx, "", ""))
	errs = append(errs, c.Logs(ctx, api.LogQuery{}, io.Discard), c.BuildLog(ctx, three, "web", api.BuildLog, io.Discard))
	for _, what := range dispatch.Instructions() {
		note(c.Instruct(ctx, three, what, api.InstructionBody{PlanHash: "x"}))
	}
	for _, err := range c.DecisionsSince(ctx, time.Now()) {
		errs = append(errs, err)
	}
	for _, err := range c.Watch(ctx, three) {
		errs = append(errs, err)
	}
	note(c.Artifacts(ctx, three))
	note(c.Statements(ctx, "sha256:aa"))
	note(c.SigningKeys(ctx))
	note(c.Events(ctx, api.EventFilter{}))
	note(c.Event(ctx, event))
	note(c.ReplayEvent(ctx, event, api.ReplayBody{}))
	note(c.Subscriptions(ctx))
	note(c.EventDeliveries(ctx, "x", "", 10, ""))
	note(c.Writebacks(ctx, "", false, 10, ""))
	errs = append(errs, c.EventBody(ctx, event, io.Discard), c.RetryEvent(ctx, "x", "x"), c.RetryWriteback(ctx, three.String()))
	for _, err := range c.Stream(ctx, client.StreamQuery{After: new(int64)}) {
		errs = append(errs, err)
		break
	}
	for _, o := range api.Operations() {
		if !called[o.ID] {
			t.Errorf("the client has no call for %s", o.ID)
		}
	}
	for _, err := range errs {
		var refused *client.Error
		if err != nil && !errors.As(err, &refused) {
			t.Errorf("it went nowhere: %v", err)
		}
	}
}

func TestANameIsAskedForAsItIs(t *testing.T) {
	server := apitest.New().Start(t, api.Info{})
	for _, name := range []string{"a b", "a/b", "50%", "a?b", "ä"} {
		_, err := connect(t, server, apitest.Operator).EventDeliveries(t.Context(), name, "", 1, "")
		if want := fmt.Sprintf("there is no subscription %q", name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	// The server may be under a path of its own.
	asked := make(chan string, 1)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.URL.EscapedPath()
		http.NotFound(w, r)
	}))
	t.Cleanup(web.Close)
	if err := connect(t, web.URL+"/sky/", apitest.Operator).RetryDelivery(t.Context(), "a/b"); err == nil {
		t.Error("what is not there was found")
	}
	if got := <-asked; got != "/sky/api/v1/deliveries/a%2Fb/retry" {
		t.Errorf("it asked for %s", got)
	}
}

func TestErrorsAreSentences(t *testing.T) {
	i := apitest.New()
	good := i.Start(t, api.Info{})
	other := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(other.Close)
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	for name, test := range map[string]struct{ server, token, want string }{
		"a wrong token":        {good, "wrong", "not known here"},
		"another server":       {other.URL, apitest.Reader, "is the address right?"},
		"a server that is off": {gone.URL, apitest.Reader, "no server answers at " + gone.URL},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := connect(t, test.server, test.token).Info(t.Context())
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
	for _, address := range []string{"", "127.0.0.1:7780", "ftp://x"} {
		if _, err := client.New(address, ""); err == nil {
			t.Errorf("%q was taken for an address", address)
		}
	}
}

func TestATokenDoesNotFollowARedirect(t *testing.T) {
	var seen atomic.Bool
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { seen.Store(true) }))
	t.Cleanup(elsewhere.Close)
	web := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusFound))
	t.Cleanup(web.Close)
	if _, err := connect(t, web.URL, apitest.Reader).Info(t.Context()); err == nil || seen.Load() {
		t.Errorf("the redirect was followed: %t, error %v", seen.Load(), err)
	}
}

func TestAWatchComesBackAfterAnInterruption(t *testing.T) {
	i := apitest.New()
	i.Put(status(release.Ramping))
	server, err := i.Server(api.Info{})
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(server.Handler())
	t.Cleanup(web.Close)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var phases []release.Phase
	interruptions := 0
	for got, err := range connect(t, web.URL, apitest.Reader).Watch(ctx, three) {
		var retry *client.RetryError
		switch {
		case errors.As(err, &retry):
			interruptions++
			i.GoAway(nil)
			i.Put(status(release.RolledBack))
			continue
		case err != nil:
			t.Fatal(err)
		}
		phases = append(phases, got.Phase)
		if len(phases) == 1 {
			i.GoAway(serviceerror.NewUnavailable("no connection"))
			web.CloseClientConnections()
		}
	}
	if interruptions == 0 || len(phases) != 2 || phases[1] != release.RolledBack {
		t.Errorf("%d interruptions, phases %v", interruptions, phases)
	}
}

func TestAWatchEndsWithARefusal(t *testing.T) {
	i := apitest.New()
	c := connect(t, i.Start(t, api.Info{}), apitest.Reader)
	seen := 0
	for _, err := range c.Watch(t.Context(), three) {
		seen++
		var refused *client.Error
		if !errors.As(err, &refused) || refused.Problem.Code() != api.CodeNotFound {
			t.Errorf("got %v", err)
		}
	}
	if seen != 1 {
		t.Errorf("%d things were yielded, want the refusal alone", seen)
	}
}

func TestAWatchEndsWithItsContext(t *testing.T) {
	i := apitest.New()
	i.Put(status(release.Ramping))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for _, err := range connect(t, i.Start(t, api.Info{}), apitest.Reader).Watch(ctx, three) {
		if err != nil {
			t.Errorf("the end of the context is told as %v", err)
		}
		cancel()
	}
}
