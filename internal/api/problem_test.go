package api_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/skyisland/skyisland/internal/api"
	"github.com/skyisland/skyisland/internal/api/apitest"
	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/workflows"
)

func TestEverythingThatIsNotDoneIsAProblem(t *testing.T) {
	_, server := installation(t)
	for name, test := range map[string]struct {
		method, path, body, media string
		status                    int
		want, allow               string
	}{
		"nothing there":              {"GET", "/", "", "", 404, "docs/api.md and /api/v1/openapi.json list what there is", ""},
		"another version":            {"GET", "/api/v2/info", "", "", 404, "there is no GET /api/v2/info", ""},
		"a method that none is":      {"BREW", "/api/v1/releases", "", "", 405, "takes no BREW: it takes GET, HEAD", "GET, HEAD"},
		"a list that is posted to":   {"POST", "/api/v1/releases", "{}", "", 405, "it takes GET, HEAD", "GET, HEAD"},
		"one of two":                 {"DELETE", "/api/v1/freezes", "", "", 405, "it takes GET, HEAD, POST", "GET, HEAD, POST"},
		"an instruction got":         {"GET", releases + "3/pause", "", "", 405, "it takes POST", "POST"},
		"a form":                     {"POST", releases + "3/pause", "comment=x", "application/x-www-form-urlencoded", 415, "send JSON, with the header \"Content-Type: application/json\"", ""},
		"a media type that is none":  {"POST", releases + "3/pause", "{}", ";", 415, "send JSON", ""},
		"a parameter where are none": {"GET", "/api/v1/info?x=1", "", "", 400, "there is no parameter \"x\" here: there are none", ""},
		"a cursor of another list":   {"GET", "/api/v1/deliveries?cursor=bGlzdFJlbGVhc2VzCjE", "", "", 400, "begin without it", ""},
		"a cursor that is none":      {"GET", "/api/v1/freezes?cursor=!", "", "", 400, "begin without it", ""},
		"a cursor without an end":    {"GET", "/api/v1/releases?cursor=" + strings.Repeat("A", 2000), "", "", 400, "begin without it", ""},
		"a limit of none":            {"GET", "/api/v1/applications?limit=0", "", "", 400, "want a number from 1 to 1000", ""},
	} {
		t.Run(name, func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), test.method, server+test.path, strings.NewReader(test.body))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Authorization", "Bearer "+apitest.Operator)
			if test.media != "" {
				req.Header.Set("Content-Type", test.media)
			}
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			var problem api.Problem
			if err := json.NewDecoder(res.Body).Decode(&problem); err != nil || res.Header.Get("Content-Type") != api.ProblemType {
				t.Fatalf("no problem: %v, as %s", err, res.Header.Get("Content-Type"))
			}
			if res.StatusCode != test.status || !strings.Contains(problem.Detail, test.want) || res.Header.Get("Allow") != test.allow {
				t.Errorf("got %d %q, Allow %q", res.StatusCode, problem.Detail, res.Header.Get("Allow"))
			}
		})
	}
	if got := ask(t, apitest.Operator, "POST", server+releases+"3/pause", ""); got.status != 200 {
		t.Errorf("without a body, and so without its type: %d %s", got.status, got.body)
	}
}

func TestAPanicIsAProblemWithoutInternals(t *testing.T) {
	var logged bytes.Buffer
	i := apitest.New()
	i.LogTo(slog.New(slog.NewTextHandler(&logged, nil)))
	i.Put(status(three, release.Ramping))
	i.OnInstruct(func(apitest.Told) (workflows.Followed, error) { panic("a secret of the inside") })
	server := i.Start(t, api.Info{})
	// Twice with the same key: it has come to nothing, so it is tried again.
	for range 2 {
		got := askKeyed(t, apitest.Operator, "k", server+releases+"3/pause", "")
		var problem api.Problem
		if err := json.Unmarshal([]byte(got.body), &problem); err != nil || got.status != 500 || problem.Code() != api.CodeInternal || strings.Contains(got.body, "secret") {
			t.Errorf("got %d %s", got.status, got.body)
		}
		if text := logged.String(); !strings.Contains(text, problem.Request) || !strings.Contains(text, "a secret of the inside") || !strings.Contains(text, "instruct.go") {
			t.Errorf("logged %s", text)
		}
	}
}
