package api_test

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/api"
	"github.com/skyisland/skyisland/internal/api/apitest"
	"github.com/skyisland/skyisland/internal/release"
)

// bodies are what to send to the operations that take something, with %s for whose it is.
func bodies() map[string]string {
	out := map[string]string{
		"saveApplication": `{"repository":"https://example.com/x.git"}`, "startRelease": `{"ref":"main"}`, "raiseAlarm": `{"name":"errors"}`,
		"addFreeze": `{"about":"%s","reason":"launch"}`, "replayEvent": `{}`, "retryWriteback": `{"release":"%s/%sapp/production/3"}`,
	}
	for _, o := range api.Operations() {
		if _, is := o.Body.(api.InstructionBody); is {
			out[o.ID] = `{"plan_hash":"` + hash + `"}`
		}
	}
	return out
}

// try asks for an operation on what a tenant has, and follows no stream. A new operation that takes something has to be
// added to bodies, and one with a new name in its path below: that is how it comes into the tests of who may what.
func try(t *testing.T, token, server string, o api.Operation, tenant, thing string) answer {
	t.Helper()
	names := map[string]string{"tenant": tenant, "application": tenant + "app", "environment": "production", "number": "3", "freeze": thing, "delivery": thing,
		"event": "1", "subscription": "ci", "digest": string(shared)}
	path := o.Path
	for _, name := range o.PathParams() {
		value, known := names[name]
		if !known {
			t.Fatalf("%s: say what to put for {%s}", o.ID, name)
		}
		path = strings.ReplaceAll(path, "{"+name+"}", value)
	}
	body := bodies()[o.ID]
	if o.Body != nil && body == "" {
		t.Fatalf("%s: say what to send", o.ID)
	}
	sep := "?"
	for _, param := range o.Query {
		if !param.Required {
			continue
		}
		value, known := map[string]string{"since": "2026-01-01T00:00:00Z", "component": "web"}[param.Name]
		if !known {
			t.Fatalf("%s: say what to give for %s", o.ID, param.Name)
		}
		path += sep + param.Name + "=" + value
		sep = "&"
	}
	if o.Streams && o.Tag == "events" {
		return listenTo(t, token, server+path+"?after=0")
	}
	return ask(t, token, o.Method, server+path, strings.ReplaceAll(body, "%s", tenant))
}

// shared is an artifact that both tenants have.
const shared = release.Digest("sha256:5555555555555555555555555555555555555555555555555555555555555555")

// statedOf are statements about it: of the other tenant so many that one page holds nothing else.
type statedOf struct{ api.Artifacts }

func (statedOf) Statements(_ context.Context, _ release.Digest, tenants []string, most int) ([]api.Statement, error) {
	var out []api.Statement
	for _, tenant := range append(slices.Repeat([]string{"leak"}, most), "mine") {
		if tenants == nil || slices.Contains(tenants, tenant) {
			out = append(out, api.Statement{Release: release.ID{Lane: release.Lane{Tenant: tenant, Application: tenant + "app", Environment: "production"}, Number: 3}, Component: "web", Envelope: json.RawMessage(`{}`)})
		}
	}
	return out[:min(most, len(out))], nil
}

func (statedOf) Built(context.Context, release.ID) ([]api.Artifact, error) { return nil, nil }
func (statedOf) Keys(context.Context) ([]api.SigningKey, error)            { return nil, nil }

// listenTo follows a stream that does not end until it has told what is the last of twoTenants.
func listenTo(t *testing.T, token, url string) answer {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var body strings.Builder
	for lines := bufio.NewScanner(res.Body); lines.Scan(); {
		body.WriteString(lines.Text() + "\n")
		if strings.Contains(lines.Text(), "the last of mine") {
			break
		}
	}
	return answer{res.StatusCode, res.Header, body.String()}
}

// twoTenants has a release, an application, a freeze, a decision, a message, a log and traffic of each of two tenants.
// Everything of the second has "leak" in it.
func twoTenants(t *testing.T) *apitest.Installation {
	t.Helper()
	i := apitest.New()
	var gateway api.Gateway
	for _, tenant := range []string{"mine", "leak"} {
		id := release.ID{Lane: release.Lane{Tenant: tenant, Application: tenant + "app", Environment: "production"}, Number: 3}
		one := status(id, release.Completed)
		one.Message = "a message of " + tenant
		i.Put(one)
		i.SetDecisions(id, api.Decision{At: noon, Question: json.RawMessage(`{"ramping":["leak/leakapp"]}`), Decision: release.Decision{ID: "decision-" + tenant, Allow: true}})
		i.SetBuildLog(id, "web", api.BuildLog, "built by "+tenant)
		i.Deliver(api.Delivery{ID: tenant + "-delivery", Target: "slack:" + tenant, Release: id.String(), Title: "asked", State: "dead", Created: noon})
		gateway.Routes = append(gateway.Routes, api.Route{Key: tenant + "/" + tenant + "app/production/web"})
		if err := i.SaveApplication(t.Context(), release.Application{Tenant: tenant, Name: tenant + "app", Repository: "https://example.com/" + tenant}); err != nil {
			t.Fatal(err)
		}
		freeze, err := release.NewFreeze(tenant, time.Hour, "a reason of "+tenant, release.Actor{Name: "olga", Source: "api"}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		freeze.ID = tenant + "-freeze"
		if err := i.AddFreeze(t.Context(), freeze); err != nil {
			t.Fatal(err)
		}
	}
	i.KnowArtifacts(statedOf{})
	for _, tenant := range []string{"mine", "leak", "", "mine"} {
		about, kind, what := release.ID{}, release.EntryAlarm, "an alarm of nobody, a leak"
		if tenant != "" {
			about, kind, what = release.ID{Lane: release.Lane{Tenant: tenant, Application: tenant + "app", Environment: "production"}, Number: 3}, release.EntryPhase, "the last of "+tenant
		}
		if err := i.Happen(about, release.Entry{At: noon, Kind: kind, Phase: release.Ramping, Message: what}); err != nil {
			t.Fatal(err)
		}
	}
	event := i.Receive(api.Event{Source: "github", Delivery: "leak-delivery", Kind: "push", Received: noon}, "a leak")
	i.Settle(event, "ignored", "a leak")
	i.Subscribe(api.Subscription{Name: "ci", URL: "https://leak.example", State: api.SubscriptionActive}, api.EventDelivery{ID: "mine-delivery", State: "dead", Created: noon})
	for _, tenant := range []string{"mine", "leak"} {
		i.WriteBack(api.Writeback{Release: tenant + "/" + tenant + "app/production/3", State: "dead", Updated: noon, Objects: []api.WritebackObject{}})
	}
	i.SetLog("web", "logged by leak\n")
	i.SetGateways(gateway)
	i.Deliver(api.Delivery{ID: "of-nobody", Target: "slack:all", Title: "a leak of the installation", State: "dead", Created: noon})
	return i
}

func TestEveryOperationNeedsItsScope(t *testing.T) {
	i := twoTenants(t)
	without, only := map[release.Scope]string{}, map[release.Scope]string{}
	for _, scope := range release.Scopes() {
		without[scope], only[scope] = "without-"+string(scope)+"-0123456789", "only-"+string(scope)+"-0123456789"
		i.AddToken(api.Token{Name: "a", Token: only[scope], Scopes: []release.Scope{scope}})
		i.AddToken(api.Token{Name: "b", Token: without[scope], Scopes: slices.DeleteFunc(release.Scopes(), func(s release.Scope) bool { return s == scope })})
	}
	server := i.Start(t, api.Info{})
	for _, o := range api.Operations() {
		t.Run(o.ID, func(t *testing.T) {
			if got := try(t, "", server, o, "mine", "mine-thing"); (got.status == http.StatusUnauthorized) != (o.Tenants != api.TenantPublic) {
				t.Errorf("without a token: %d %s", got.status, got.body)
			}
			if o.Scope == "" {
				return
			}
			got := try(t, without[o.Scope], server, o, "mine", "mine-thing")
			if got.status != http.StatusForbidden || !strings.Contains(got.body, api.CodeScope) || !strings.Contains(got.body, "with the scope "+string(o.Scope)+"; yours has ") {
				t.Errorf("without the scope %s: %d %s", o.Scope, got.status, got.body)
			}
			if got := try(t, only[o.Scope], server, o, "mine", "mine-thing"); got.status == http.StatusForbidden || got.status >= 500 {
				t.Errorf("with nothing but the scope %s: %d %s", o.Scope, got.status, got.body)
			}
		})
	}
}

// For every operation, whatever it does: who has a token for one tenant learns nothing of another, not even whether it is
// there, and changes nothing of it.
func TestNothingOfOtherTenantsIsSeenOrChanged(t *testing.T) {
	const token, boss = "of-mine-only-0123456789", apitest.Operator
	i := twoTenants(t)
	i.AddToken(api.Token{Name: "mia", Token: token, Tenants: []string{"mine"}})
	server := i.Start(t, api.Info{Units: []api.Unit{{Name: "a"}}})
	state := func() string {
		var all strings.Builder
		for _, path := range []string{"/api/v1/applications", "/api/v1/releases", "/api/v1/freezes", "/api/v1/deliveries", "/api/v1/writeback", "/api/v1/lanes/leak/leakapp/production"} {
			all.WriteString(ask(t, boss, "GET", server+path, "").body)
		}
		return all.String()
	}
	before := state()
	for _, o := range api.Operations() {
		t.Run(o.ID, func(t *testing.T) {
			thing := map[string]string{"freezes": "-freeze", "deliveries": "-delivery", "writeback": "-release"}[o.Tag]
			if o.Tenants == api.TenantOwn && thing == "" {
				t.Fatal("say what another tenant has of it, and put one into twoTenants")
			}
			theirs := try(t, token, server, o, "leak", "leak"+thing)
			nobodys := try(t, token, server, o, "gone", "gone"+thing)
			if theirs.status != nobodys.status || unnamed(theirs.body, "leak") != unnamed(nobodys.body, "gone") {
				t.Errorf("what is theirs is told from what is not there:\n%d %s\n%d %s", theirs.status, theirs.body, nobodys.status, nobodys.body)
			}
			named := o.Tenants == api.TenantPath || o.Tenants == api.TenantOwn
			if named && theirs.status/100 == 2 {
				t.Errorf("it was done: %d %s", theirs.status, theirs.body)
			}
			if !named && o.ID != "showOpenAPI" && strings.Contains(theirs.body, "leak") {
				t.Errorf("it tells of another tenant: %s", theirs.body)
			}
			if o.Tenants == api.TenantFilter && !strings.Contains(theirs.body, "mine") {
				t.Errorf("it does not tell of the token's own tenant: %s", theirs.body)
			}
		})
	}
	if after := state(); after != before {
		t.Errorf("it was\n%s\nand is\n%s", before, after)
	}
	if told, alarms, asked := i.Told(), i.Alarms(), i.Inbox().Requests(); len(told)+len(alarms)+len(asked) > 0 {
		t.Errorf("told %v, alarmed %v, asked %v", told, alarms, asked)
	}
}

// unnamed is an answer without what the question named, and without the name of the request.
func unnamed(body, name string) string {
	var problem api.Problem
	if json.Unmarshal([]byte(body), &problem) == nil && problem.Type != "" {
		body = strings.ReplaceAll(body, problem.Request, "")
	}
	return strings.ReplaceAll(body, name, "…")
}

func TestATokenOfATenantDoesItsWork(t *testing.T) {
	const token = "of-mine-only-0123456789"
	i := twoTenants(t)
	i.AddToken(api.Token{Name: "mia", Token: token, Tenants: []string{"mine"}})
	i.OnInstruct(nil)
	id := release.ID{Lane: release.Lane{Tenant: "mine", Application: "mineapp", Environment: "production"}, Number: 3}
	i.Put(status(id, release.Ramping))
	freeze, err := release.NewFreeze("all", 0, "all hands", release.Actor{Name: "olga"}, noon)
	if err != nil {
		t.Fatal(err)
	}
	freeze.ID = "everybodys"
	if err := i.AddFreeze(t.Context(), freeze); err != nil {
		t.Fatal(err)
	}
	server := i.Start(t, api.Info{})
	for name, test := range map[string]struct {
		method, path, body string
		status             int
		want               string
	}{
		"its release rolls back":             {"POST", "/api/v1/releases/mine/mineapp/production/3/rollback", "", 200, "rollback followed"},
		"it freezes itself":                  {"POST", "/api/v1/freezes", `{"about":"mine/mineapp","reason":"x"}`, 201, `"tenants":["mine"]`},
		"it does not freeze all":             {"POST", "/api/v1/freezes", `{"about":"all","reason":"x"}`, 403, "this token is for mine"},
		"it sees what holds everybody":       {"GET", "/api/v1/freezes", "", 200, "all hands"},
		"and does not lift it":               {"DELETE", "/api/v1/freezes/everybodys", "", 403, "the freeze holds others too"},
		"it lifts its own":                   {"DELETE", "/api/v1/freezes/mine-freeze", "", 200, "a reason of mine"},
		"it sends its own messages again":    {"POST", "/api/v1/deliveries/mine-delivery/retry", "", 200, "mine-delivery"},
		"decisions come without questions":   {"GET", "/api/v1/decisions?since=2026-01-01T00:00:00Z", "", 200, `"id":"decision-mine","gate":"","allow":true,"bundle":""}]`},
		"it is told whose it is":             {"GET", "/api/v1/whoami", "", 200, `"tenants":["mine"]`},
		"hints are of its own":               {"GET", "/api/v1/releases/mine/nothing/production/1", "", 404, "tenant mine has no application nothing: it has mineapp"},
		"logs of all are not for it":         {"GET", "/api/v1/logs", "", 403, "this is of all tenants together"},
		"whose a repository is, is not said": {"PUT", "/api/v1/applications/mine/other", `{"repository":"https://example.com/conflict"}`, 409, "the repository is that of another application"},
	} {
		t.Run(name, func(t *testing.T) {
			got := ask(t, token, test.method, server+test.path, test.body)
			if got.status != test.status || !strings.Contains(got.body, test.want) {
				t.Errorf("got %d %s, want %d with %s", got.status, got.body, test.status, test.want)
			}
		})
	}
}
