package apitest

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/skyisland/skyisland/internal/api"
)

// What holds every answer against the document has to find what is not in it.
func TestWhatTheDocumentDoesNotSayIsFound(t *testing.T) {
	c, err := newContract(api.Document())
	if err != nil {
		t.Fatal(err)
	}
	const problem = `{"type":"urn:skyisland:problem:x","title":"t","status":404,"detail":"d"}`
	const who, freezes, v1 = `{"name":"a","source":"api","scopes":["read"]}`, `{"freezes":[]}`, "/api/v1"
	for name, test := range map[string]struct {
		method, path, body string
		status             int
		media, answer      string
		want               string
	}{
		"an answer as described":         {"GET", v1 + "/whoami", "", 200, "application/json", who, ""},
		"a problem as described":         {"GET", v1 + "/releases/a/b/c/1", "", 404, api.ProblemType, problem, ""},
		"a path that is not there":       {"GET", v1 + "/nothing", "", 404, api.ProblemType, problem, ""},
		"text as described":              {"GET", "/healthz", "", 200, "text/plain; charset=utf-8", "ok", ""},
		"a field too many":               {"GET", v1 + "/whoami", "", 200, "application/json", strings.Replace(who, "{", `{"x":1,`, 1), "additional properties 'x' not allowed"},
		"a field too few":                {"GET", v1 + "/whoami", "", 200, "application/json", `{"name":"a","source":"api"}`, "missing property 'scopes'"},
		"a value that is none":           {"GET", v1 + "/whoami", "", 200, "application/json", strings.Replace(who, "read", "write", 1), "value must be one of"},
		"null for a list":                {"GET", v1 + "/freezes", "", 200, "application/json", `{"freezes":null}`, "got null, want array"},
		"a time that is none":            {"GET", v1 + "/freezes", "", 200, "application/json", `{"freezes":[{"id":"a","starts":"today","by":{"name":"a","source":"b"},"reason":"r"}]}`, "'today' is not valid date-time"},
		"a status of nobody":             {"GET", v1 + "/whoami", "", 201, "application/json", who, "status 201 is not documented"},
		"another media type":             {"GET", v1 + "/whoami", "", 200, "text/html", who, "is sent as text/html"},
		"no JSON":                        {"GET", v1 + "/whoami", "", 200, "application/json", "oops", "it is not JSON"},
		"a problem with a field more":    {"GET", v1 + "/nothing", "", 404, api.ProblemType, strings.Replace(problem, "{", `{"x":1,`, 1), "not allowed"},
		"nothing that is there":          {"GET", v1 + "/nothing", "", 200, "application/json", "{}", "what is not there is answered 200"},
		"a parameter of nobody":          {"GET", v1 + "/freezes?x=1", "", 200, "application/json", freezes, "it took the parameter x"},
		"a body of nobody":               {"GET", v1 + "/freezes", "{}", 200, "application/json", freezes, "it took a body"},
		"a request without its body":     {"PUT", v1 + "/applications/a/b", "", 200, "application/json", `{"tenant":"a","name":"b","repository":"r","branches":null}`, "carried out without a body"},
		"a request without its field":    {"PUT", v1 + "/applications/a/b", "{}", 200, "application/json", `{"tenant":"a","name":"b","repository":"r","branches":null}`, "missing property 'repository'"},
		"a request with a field more":    {"POST", v1 + "/releases/a/b/c/1/pause", `{"x":1}`, 200, "application/json", `{"phase":"ramping","message":"m"}`, "additional properties 'x' not allowed"},
		"a refusal may be of a bad one":  {"GET", v1 + "/freezes?x=1", "", 400, api.ProblemType, strings.Replace(problem, "404", "400", 1), ""},
		"an approval without what it is": {"POST", v1 + "/releases/a/b/c/1/approve", `{}`, 200, "application/json", `{"phase":"ramping","message":"m"}`, "missing property 'plan_hash'"},
	} {
		t.Run(name, func(t *testing.T) {
			w := &copied{ResponseWriter: httptest.NewRecorder()}
			w.Header().Set("Content-Type", test.media)
			w.WriteHeader(test.status)
			if _, err := io.WriteString(w, test.answer); err != nil {
				t.Fatal(err)
			}
			err := c.check(httptest.NewRequestWithContext(t.Context(), test.method, "http://x"+test.path, http.NoBody), []byte(test.body), w)
			switch {
			case test.want == "" && err != nil:
				t.Errorf("it is as described, and was found to be wrong: %v", err)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}
