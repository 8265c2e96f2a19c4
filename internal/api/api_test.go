package api_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.temporal.io/api/serviceerror"

	"github.com/skyisland/skyisland/internal/api"
	"github.com/skyisland/skyisland/internal/api/apitest"
	"github.com/skyisland/skyisland/internal/dispatch"
	"github.com/skyisland/skyisland/internal/identity"
	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/workflows"
)

var (
	lane  = release.Lane{Tenant: "demo", Application: "hello", Environment: "production"}
	three = release.ID{Lane: lane, Number: 3}
	noon  = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	hash  = strings.Repeat("ab12cd34", 8)
)

func status(id release.ID, phase release.Phase) release.Status {
	return release.Status{
		ID: id, Phase: phase, Since: noon, Commit: "0123456789abcdef0123456789abcdef01234567", Message: "Say hello",
		Requester: release.Actor{Name: "ana", Source: "github"}, Requested: noon.Add(time.Duration(id.Number) * time.Minute),
		PlanHash: hash, Step: -1, Timeline: []release.Entry{{Number: 1, At: noon, Phase: phase, Message: "it is " + string(phase)}},
	}
}

// installation has release 3 of demo/hello ramping, and release 2 in the records only.
func installation(t *testing.T) (*apitest.Installation, string) {
	t.Helper()
	i := apitest.New()
	if err := i.SaveApplication(t.Context(), release.Application{
		Tenant: "demo", Name: "hello", Repository: "https://example.com/demo/hello.git", Branches: map[string][]string{"main": {"production"}},
		Triggers: map[string]release.Trigger{"later": {After: "production"}},
	}); err != nil {
		t.Fatal(err)
	}
	i.Put(status(release.ID{Lane: lane, Number: 2}, release.Completed))
	i.Forget(release.ID{Lane: lane, Number: 2})
	i.Put(status(three, release.Ramping))
	server := i.Start(t, api.Info{Version: "1.2.3", Units: []api.Unit{{Name: "a", Entry: "http://127.0.0.1:8080"}}})
	return i, server
}

type answer struct {
	status int
	header http.Header
	body   string
}

func ask(t *testing.T, token, method, url, body string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
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
	data, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header, string(data)}
}

const releases = "/api/v1/releases/demo/hello/production/"

func TestRoutesAnswer(t *testing.T) {
	i, server := installation(t)
	i.SetDecisions(three, api.Decision{
		At: noon, Question: []byte(`{"version":1}`), Decision: release.Decision{ID: "d1", Gate: release.GateAdmit, Allow: true, Bundle: "b"},
	})
	i.SetBuildLog(three, "web", api.BuildLog, "compiling\ndone\n")
	i.SetLog("web", "listening\n")
	i.SetGateways(api.Gateway{Unit: "a", Name: "a-1", Address: "http://127.0.0.1:1", Digest: "d", Routes: []api.Route{
		{Key: "demo/hello/production/web", Weight: 500, InForce: 0, Lapsed: true},
		{Key: "demo/other/production/web"},
		{Key: "demos/hello/production/web"},
	}})
	for name, test := range map[string]struct {
		method, path, body string
		status             int
		want               []string
		lacks              string
	}{
		"health":              {method: "GET", path: "/healthz", status: 200, want: []string{"ok"}},
		"who one is":          {method: "GET", path: "/api/v1/whoami", status: 200, want: []string{`{"name":"olga","source":"api","groups":["release-managers"],"scopes":["read","release","approve","alarm","configure"],"unlimited":true}`}},
		"info":                {method: "GET", path: "/api/v1/info", status: 200, want: []string{`"version":"1.2.3"`, `"entry":"http://127.0.0.1:8080"`}},
		"applications":        {method: "GET", path: "/api/v1/applications", status: 200, want: []string{`"repository":"https://example.com/demo/hello.git"`}},
		"a new application":   {method: "PUT", path: "/api/v1/applications/demo/new", body: `{"repository":"git@example.com:demo/new.git"}`, status: 200, want: []string{`"name":"new"`}},
		"one that is there":   {method: "PUT", path: "/api/v1/applications/demo/hello", body: `{"repository":"https://example.com/demo/hello.git"}`, status: 200, want: []string{`"branches":{"main":["production"]}`, `"triggers":{"later":{"after":"production"}}`}},
		"releases":            {method: "GET", path: "/api/v1/releases", status: 200, want: []string{`"number":3`, `"number":2`}},
		"releases by phase":   {method: "GET", path: "/api/v1/releases?phase=ramping&tenant=demo", status: 200, want: []string{`"number":3`}, lacks: `"number":2`},
		"a page of releases":  {method: "GET", path: "/api/v1/releases?limit=1", status: 200, want: []string{`"number":3`, `"next":"bGlzdFJlbGVhc2VzCjE"`}, lacks: `"number":2`},
		"the next page":       {method: "GET", path: "/api/v1/releases?limit=1&cursor=bGlzdFJlbGVhc2VzCjE", status: 200, want: []string{`"number":2`}, lacks: `"next"`},
		"and as of old":       {method: "GET", path: "/api/v1/releases?limit=1&before=bGlzdFJlbGVhc2VzCjE", status: 200, want: []string{`"number":2`}, lacks: `"next"`},
		"no releases":         {method: "GET", path: "/api/v1/releases?tenant=nobody", status: 200, want: []string{`"releases":[]`}},
		"a live release":      {method: "GET", path: releases + "3", status: 200, want: []string{`"phase":"ramping"`, `"plan_hash":"` + hash}},
		"a recorded release":  {method: "GET", path: releases + "2", status: 200, want: []string{`"phase":"completed"`, `it is completed`}},
		"an instruction":      {method: "POST", path: releases + "3/pause", body: `{"comment":"lunch"}`, status: 200, want: []string{`"message":"pause followed"`}},
		"one without a body":  {method: "POST", path: releases + "3/resume", status: 200, want: []string{`"message":"resume followed"`}},
		"an alarm":            {method: "POST", path: releases + "3/alarms", body: `{"name":"errors"}`, status: 202, want: []string{`"source":"olga"`}},
		"decisions":           {method: "GET", path: releases + "3/decisions", status: 200, want: []string{`"gate":"admit"`, `"at":"2026-03-01T12:00:00Z"`}},
		"no decisions":        {method: "GET", path: releases + "2/decisions", status: 200, want: []string{`"decisions":[]`}},
		"all decisions":       {method: "GET", path: "/api/v1/decisions?since=2026-03-01T12:00:00Z", status: 200, want: []string{`"gate":"admit"`, `"question":{"version":1}`}},
		"decisions of later":  {method: "GET", path: "/api/v1/decisions?since=2026-03-01T12:00:01Z&limit=200", status: 200, want: []string{`"decisions":[]`}},
		"a lane":              {method: "GET", path: "/api/v1/lanes/demo/hello/production", status: 200, want: []string{`"number":3`}},
		"traffic":             {method: "GET", path: "/api/v1/traffic?tenant=demo&application=hello", status: 200, want: []string{`"weight":"5%"`, `"in_force":"0%"`, `"lapsed":true`}, lacks: "other"},
		"traffic of a tenant": {method: "GET", path: "/api/v1/traffic?tenant=demo", status: 200, want: []string{"other"}, lacks: "demos"},
		"logs":                {method: "GET", path: "/api/v1/logs?component=web&tail=5", status: 200, want: []string{"listening\n"}},
		"a build log":         {method: "GET", path: releases + "3/logs?component=web", status: 200, want: []string{"compiling\ndone\n"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := ask(t, apitest.Operator, test.method, server+test.path, test.body)
			if got.status != test.status {
				t.Fatalf("status %d, want %d: %s", got.status, test.status, got.body)
			}
			for _, want := range test.want {
				if !strings.Contains(got.body, want) {
					t.Errorf("the answer lacks %q: %s", want, got.body)
				}
			}
			if test.lacks != "" && strings.Contains(got.body, test.lacks) {
				t.Errorf("the answer has %q: %s", test.lacks, got.body)
			}
		})
	}
}

func TestRefusalsSayWhatWouldBeRight(t *testing.T) {
	_, server := installation(t)
	for name, test := range map[string]struct {
		method, path, body string
		status             int
		code               string
		want               string
	}{
		"an unknown path":                 {"GET", "/api/v1/nothing", "", 404, api.CodeNotFound, "there is no GET /api/v1/nothing"},
		"a wrong method":                  {"DELETE", releases + "3", "", 405, api.CodeMethod, "takes no DELETE: it takes GET, HEAD"},
		"an unknown number":               {"GET", releases + "9", "", 404, api.CodeNotFound, "the last one there is number 3"},
		"an unknown application":          {"GET", "/api/v1/releases/demo/helo/production/1", "", 404, api.CodeNotFound, "it has hello"},
		"an unknown tenant":               {"GET", "/api/v1/releases/dem/hello/production/1", "", 404, api.CodeNotFound, "demo/hello"},
		"an environment never released":   {"GET", "/api/v1/releases/demo/hello/staging/1", "", 404, api.CodeNotFound, "its environments are production"},
		"a lane never released":           {"GET", "/api/v1/lanes/demo/hello/staging", "", 404, api.CodeNotFound, "has had no release yet"},
		"a number that is none":           {"GET", releases + "three", "", 400, api.CodeBadRequest, `"three" is not the number of a release`},
		"a name that is none":             {"GET", "/api/v1/releases/Demo/hello/production/1", "", 400, api.CodeBadRequest, "tenant"},
		"an unknown instruction":          {"POST", releases + "3/explode", "", 404, api.CodeNotFound, "approve, reject, pause, resume, promote, abort, rollback"},
		"an instruction to nobody":        {"POST", releases + "9/pause", "", 404, api.CodeNotFound, "the last one there is number 3"},
		"an instruction long after":       {"POST", releases + "2/pause", "", 409, api.CodeFinished, "is completed"},
		"an approval of nothing":          {"POST", releases + "3/approve", "{}", 400, api.CodeBadRequest, "plan_hash is missing"},
		"a body that is not JSON":         {"POST", releases + "3/pause", "{", 400, api.CodeBadRequest, "cannot be read"},
		"a body of the wrong kind":        {"POST", releases + "3/pause", `{"comment":1}`, 400, api.CodeBadRequest, `"comment" cannot be a number`},
		"two bodies":                      {"POST", releases + "3/pause", `{} {}`, 400, api.CodeBadRequest, "more than one"},
		"an unknown field":                {"POST", releases + "3/pause", `{"by":{"name":"boss"}}`, 400, api.CodeBadRequest, `unknown field "by"`},
		"a big body":                      {"POST", releases + "3/pause", `{"comment":"` + strings.Repeat("x", 2<<20) + `"}`, 413, api.CodeTooLarge, "1 MiB"},
		"a long comment":                  {"POST", releases + "3/pause", `{"comment":"` + strings.Repeat("x", 5000) + `"}`, 400, api.CodeBadRequest, "at most 4096"},
		"an alarm without a name":         {"POST", releases + "3/alarms", `{}`, 400, api.CodeBadRequest, "name is missing"},
		"an alarm for nobody":             {"POST", releases + "9/alarms", `{"name":"x"}`, 404, api.CodeNotFound, "number 3"},
		"decisions of no time":            {"GET", "/api/v1/decisions", "", 400, api.CodeBadRequest, "want a time such as 2026-11-20T00:00:00Z"},
		"too many decisions":              {"GET", "/api/v1/decisions?since=2026-03-01T12:00:00Z&limit=201", "", 400, api.CodeBadRequest, "limit"},
		"decisions after nobody's":        {"GET", "/api/v1/decisions?since=2026-03-01T12:00:00Z&after=x", "", 400, api.CodeBadRequest, "begin without it"},
		"a mistyped filter":               {"GET", "/api/v1/releases?tenat=demo", "", 400, api.CodeBadRequest, "tenant, application"},
		"a filter given twice":            {"GET", "/api/v1/releases?tenant=a&tenant=b", "", 400, api.CodeBadRequest, "give it once"},
		"an unknown phase":                {"GET", "/api/v1/releases?phase=flying", "", 400, api.CodeBadRequest, "ramping"},
		"a cursor of nobody":              {"GET", "/api/v1/releases?before=x", "", 400, api.CodeBadRequest, "begin without it"},
		"a limit too large":               {"GET", "/api/v1/releases?limit=501", "", 400, api.CodeBadRequest, "from 1 to 500"},
		"a log of an unknown kind":        {"GET", releases + "3/logs?component=web&kind=deploy", "", 400, api.CodeBadRequest, "there are build, test"},
		"a log of no component":           {"GET", releases + "3/logs", "", 400, api.CodeBadRequest, "component"},
		"a log that is not there":         {"GET", releases + "3/logs?component=web", "", 404, api.CodeNotFound, "no build log"},
		"logs of an unknown component":    {"GET", "/api/v1/logs?component=nobody", "", 404, api.CodeNotFound, `"nobody"`},
		"follow that is neither":          {"GET", "/api/v1/logs?component=web&follow=maybe", "", 400, api.CodeBadRequest, "true or false"},
		"an application without a source": {"PUT", "/api/v1/applications/demo/x", "{}", 400, api.CodeBadRequest, "repository is missing"},
		"a repository that is an option":  {"PUT", "/api/v1/applications/demo/x", `{"repository":"--upload-pack=touch"}`, 400, api.CodeBadRequest, "git can clone"},
		"a repository run by a helper":    {"PUT", "/api/v1/applications/demo/x", `{"repository":"ext::sh -c id"}`, 400, api.CodeBadRequest, "git can clone"},
		"a repository with a token":       {"PUT", "/api/v1/applications/demo/x", `{"repository":"https://ghp_x@example.com/x"}`, 400, api.CodeBadRequest, "a token in it"},
		"a repository with a password":    {"PUT", "/api/v1/applications/demo/x", `{"repository":"https://u:p@example.com/x"}`, 400, api.CodeBadRequest, "password"},
		"watching nobody":                 {"GET", releases + "9/watch", "", 404, api.CodeNotFound, "number 3"},
	} {
		t.Run(name, func(t *testing.T) {
			got := ask(t, apitest.Operator, test.method, server+test.path, test.body)
			var problem api.Problem
			if err := json.Unmarshal([]byte(got.body), &problem); err != nil {
				t.Fatalf("not a problem: %s", got.body)
			}
			if got.status != test.status || problem.Status != test.status || problem.Code() != test.code || !strings.Contains(problem.Detail, test.want) {
				t.Errorf("got %d %+v, want %d %s with %q", got.status, problem, test.status, test.code, test.want)
			}
			if media := got.header.Get("Content-Type"); media != api.ProblemType {
				t.Errorf("the problem is sent as %s", media)
			}
			if problem.Request == "" || problem.Request != got.header.Get("X-Request-Id") {
				t.Errorf("the problem's request %q is not the header's %q", problem.Request, got.header.Get("X-Request-Id"))
			}
		})
	}
}

func TestOnlyHoldersOfATokenGetIn(t *testing.T) {
	_, server := installation(t)
	for name, test := range map[string]struct{ header, want string }{
		"no token":        {"", "needs a token"},
		"another scheme":  {"Basic b2xnYTp4", "Bearer TOKEN"},
		"an unknown one":  {"Bearer nobody-knows-this-token", "not known here"},
		"a part of one":   {"Bearer " + apitest.Operator[:10], "not known here"},
		"an empty bearer": {"Bearer ", "not known here"},
	} {
		t.Run(name, func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server+"/api/v1/info", nil)
			if err != nil {
				t.Fatal(err)
			}
			if test.header != "" {
				req.Header.Set("Authorization", test.header)
			}
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			body, _ := io.ReadAll(res.Body)
			if res.StatusCode != http.StatusUnauthorized || !strings.Contains(string(body), test.want) {
				t.Errorf("got %d %s", res.StatusCode, body)
			}
			if res.Header.Get("WWW-Authenticate") == "" {
				t.Error("the refusal does not say how to authenticate")
			}
		})
	}
}

func TestTheActorIsTheTokensHolder(t *testing.T) {
	i, server := installation(t)
	ask(t, apitest.Operator, "POST", server+releases+"3/approve", `{"plan_hash":"`+hash+`","comment":"fine"}`)
	ask(t, apitest.Reader, "POST", server+releases+"3/pause", "")
	told := i.Told()
	if len(told) != 2 {
		t.Fatalf("%d instructions arrived, want 2", len(told))
	}
	first, second := told[0].Instruction, told[1].Instruction
	if first.By.String() != "olga (api)" || len(first.By.Groups) != 1 || first.PlanHash != hash || first.Comment != "fine" || first.At.IsZero() {
		t.Errorf("the first instruction is %+v", first)
	}
	if second.By.String() != "rita (api)" || len(second.By.Groups) != 0 {
		t.Errorf("the second instruction is by %+v", second.By)
	}
}

func TestTheHolderIsAPersonOfTheDirectory(t *testing.T) {
	file := filepath.Join(t.TempDir(), "people.yaml")
	if err := os.WriteFile(file, []byte("people: [{name: olga.ivanova, groups: [leads], api: [olga]}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	people, err := identity.New(identity.Options{File: file, Tokens: map[string][]string{"olga": {"release-managers"}}})
	if err != nil {
		t.Fatal(err)
	}
	i := apitest.New()
	i.KnowPeople(people)
	i.Put(release.Status{ID: three, Phase: release.Approving, PlanHash: hash})
	server := i.Start(t, api.Info{})

	ask(t, apitest.Operator, "POST", server+releases+"3/approve", `{"plan_hash":"`+hash+`"}`)
	told := i.Told()
	if len(told) != 1 || told[0].Instruction.By.Person != "olga.ivanova" || !slices.Equal(told[0].Instruction.By.Groups, []string{"leads", "release-managers"}) {
		t.Errorf("told %+v", told)
	}
	for _, path := range []string{"/api/v1/info", "/api/v1/releases", releases + "3"} {
		got := ask(t, apitest.Reader, "GET", server+path, "")
		if got.status != http.StatusForbidden || !strings.Contains(got.body, api.CodeUnknownPerson) || !strings.Contains(got.body, "add \\\"api: [rita]\\\"") {
			t.Errorf("%s for one who is nobody: got %d %s", path, got.status, got.body)
		}
	}
	for token, want := range map[string]string{
		apitest.Operator:   `{"name":"olga","source":"api","person":"olga.ivanova","groups":["leads","release-managers"],"scopes"`,
		apitest.Reader:     `"problem":"the token named`,
		"no-token-of-ours": "urn:skyisland:problem:unauthorized",
	} {
		if got := ask(t, token, "GET", server+"/api/v1/whoami", ""); !strings.Contains(got.body, want) {
			t.Errorf("got %s, want %s", got.body, want)
		}
	}
}

func TestErrorsHaveTheirStatus(t *testing.T) {
	i, server := installation(t)
	for name, test := range map[string]struct {
		err    error
		status int
		code   string
		detail string
	}{
		"refused by the release": {&dispatch.RefusedError{Message: "cannot pause: it is paused already"}, 409, api.CodeRefused, "cannot pause: it is paused already"},
		"ended":                  {fmt.Errorf("pause: %w", release.ErrFinished), 409, api.CodeFinished, "release has ended"},
		"in conflict":            {fmt.Errorf("pause: %w", release.ErrConflict), 409, api.CodeConflict, "conflict"},
		"Temporal away":          {fmt.Errorf("pause: %w", serviceerror.NewUnavailable("no connection")), 503, api.CodeUnavailable, "Temporal does not answer"},
		"too late":               {fmt.Errorf("pause: %w", context.DeadlineExceeded), 503, api.CodeUnavailable, "Temporal does not answer"},
		"anything else":          {errors.New("dial postgres://secret@db"), 500, api.CodeInternal, "something went wrong on the server"},
	} {
		t.Run(name, func(t *testing.T) {
			i.OnInstruct(func(apitest.Told) (workflows.Followed, error) { return workflows.Followed{}, test.err })
			got := ask(t, apitest.Operator, "POST", server+releases+"3/pause", "")
			if got.status != test.status || !strings.Contains(got.body, "problem:"+test.code) || !strings.Contains(got.body, test.detail) {
				t.Errorf("got %d %s", got.status, got.body)
			}
			if strings.Contains(got.body, "secret") {
				t.Errorf("the answer shows what is nobody's business: %s", got.body)
			}
		})
	}
}

func TestAnEndedReleaseIsShownWhileTemporalIsAway(t *testing.T) {
	i, server := installation(t)
	i.GoAway(serviceerror.NewUnavailable("no connection"))
	if got := ask(t, apitest.Operator, "GET", server+releases+"2", ""); got.status != 200 || !strings.Contains(got.body, "it is completed") {
		t.Errorf("the ended release: %d %s", got.status, got.body)
	}
	if got := ask(t, apitest.Operator, "GET", server+releases+"3", ""); got.status != 503 || got.header.Get("Retry-After") == "" {
		t.Errorf("the release under way: %d %s", got.status, got.body)
	}
}

func TestServersThatCannotBe(t *testing.T) {
	i := apitest.New()
	for name, tokens := range map[string][]api.Token{
		"no token":              nil,
		"a token without name":  {{Token: "0123456789abcdef"}},
		"one token for two":     {{Name: "a", Token: "0123456789abcdef"}, {Name: "b", Token: "0123456789abcdef"}},
		"a name without secret": {{Name: "a"}},
		"a scope that is none":  {{Name: "a", Token: "0123456789abcdef", Scopes: []release.Scope{"write"}}},
		"a tenant that is none": {{Name: "a", Token: "0123456789abcdef", Tenants: []string{"a/b"}}},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := api.New(api.Options{Releases: i, Records: i, Traffic: i, Logs: i, Freezes: i, Notifications: i, Events: i, Subscriptions: i, Inbox: i, Keys: i.Keys(), Tokens: tokens}); err == nil {
				t.Error("it was made")
			}
		})
	}
	if text := fmt.Sprintf("%v %+v %#v", api.Token{Name: "a", Token: "secret"}, []api.Token{{Token: "secret"}}, api.Token{Token: "secret"}); strings.Contains(text, "secret") {
		t.Errorf("a token is printed: %s", text)
	}
}

// event reads the next event of a stream, comments left out.
func event(t *testing.T, lines *bufio.Scanner) (name, data string) {
	t.Helper()
	for lines.Scan() {
		switch text := lines.Text(); {
		case text == "" && name != "":
			return name, data
		case strings.HasPrefix(text, "event: "):
			name = text[len("event: "):]
		case strings.HasPrefix(text, "data: "):
			data = text[len("data: "):]
		}
	}
	t.Fatalf("the stream ended: %v", lines.Err())
	return "", ""
}

func open(t *testing.T, url string) *http.Response {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+apitest.Reader)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { res.Body.Close() })
	return res
}

func TestAWatchTellsEveryChangeAndEndsWithTheRelease(t *testing.T) {
	i, server := installation(t)
	first, second := open(t, server+releases+"3/watch"), open(t, server+releases+"3/watch")
	if media := first.Header.Get("Content-Type"); media != "text/event-stream" {
		t.Errorf("the stream is sent as %s", media)
	}
	for _, phase := range []release.Phase{release.Ramping, release.RollingBack, release.RolledBack} {
		i.Put(status(three, phase))
		for _, res := range []*http.Response{first, second} {
			lines := bufio.NewScanner(res.Body)
			name, data := event(t, lines)
			var got release.Status
			if err := json.Unmarshal([]byte(data), &got); err != nil || name != api.EventStatus || got.Phase != phase {
				t.Fatalf("got %s %s (%v), want %s", name, data, err, phase)
			}
		}
	}
	for _, res := range []*http.Response{first, second} {
		if rest, err := io.ReadAll(res.Body); err != nil || len(rest) != 0 {
			t.Errorf("after the end came %q, %v", rest, err)
		}
	}
}

func TestAWatchSaysThatTemporalIsAwayAndGoesOn(t *testing.T) {
	i, server := installation(t)
	lines := bufio.NewScanner(open(t, server+releases+"3/watch").Body)
	if name, _ := event(t, lines); name != api.EventStatus {
		t.Fatalf("the first event is %s", name)
	}
	i.GoAway(serviceerror.NewUnavailable("no connection"))
	if name, data := event(t, lines); name != api.EventProblem || !strings.Contains(data, api.CodeUnavailable) {
		t.Fatalf("then came %s %s", name, data)
	}
	i.GoAway(nil)
	if name, _ := event(t, lines); name != api.EventStatus {
		t.Fatalf("then came %s", name)
	}
}

func TestAFollowedLogComesLineByLine(t *testing.T) {
	i, server := installation(t)
	i.SetLog("web", "old\n")
	lines := bufio.NewScanner(open(t, server+"/api/v1/logs?component=web&follow=true").Body)
	if !lines.Scan() || lines.Text() != "old" {
		t.Fatalf("got %q, %v", lines.Text(), lines.Err())
	}
	for _, line := range []string{"one", "two"} {
		if err := i.Follow(t.Context(), line); err != nil {
			t.Fatal(err)
		}
		if !lines.Scan() || lines.Text() != line {
			t.Fatalf("got %q, %v; want %s", lines.Text(), lines.Err(), line)
		}
	}
}

func TestAFollowedLogThatSaysNothingIsAnsweredAllTheSame(t *testing.T) {
	i, server := installation(t)
	i.SetLog("quiet", "")
	res := open(t, server+"/api/v1/logs?component=quiet&follow=true")
	if res.StatusCode != http.StatusOK {
		t.Fatalf("status %s", res.Status)
	}
	if err := i.Follow(t.Context(), "at last"); err != nil {
		t.Fatal(err)
	}
	if lines := bufio.NewScanner(res.Body); !lines.Scan() || lines.Text() != "at last" {
		t.Errorf("got %q, %v", lines.Text(), lines.Err())
	}
}

func TestALogThatCannotBeReadOnSaysSo(t *testing.T) {
	i, server := installation(t)
	i.SetLog("web", "one\n")
	i.Break(errors.New("disk gone at /secret"))
	got := ask(t, apitest.Operator, "GET", server+"/api/v1/logs?component=web", "")
	if got.status != 200 || !strings.HasPrefix(got.body, "one\n[the log ends here") || strings.Contains(got.body, "secret") {
		t.Errorf("got %d %q", got.status, got.body)
	}
}

func TestClosingEndsStreams(t *testing.T) {
	i := apitest.New()
	i.Put(status(three, release.Ramping))
	i.SetLog("web", "old\n")
	server, err := i.Server(api.Info{})
	if err != nil {
		t.Fatal(err)
	}
	web := newWeb(t, server)
	watch, logs := open(t, web+releases+"3/watch"), open(t, web+"/api/v1/logs?component=web&follow=true")
	server.Close()
	for _, res := range []*http.Response{watch, logs} {
		if _, err := io.ReadAll(res.Body); err != nil {
			t.Errorf("the stream did not end well: %v", err)
		}
	}
}
