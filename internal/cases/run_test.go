package cases

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

// serve starts an instance and gives its endpoint.
func serve(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

func read(t *testing.T, text string) []Case {
	t.Helper()
	out, err := Read("c.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestEveryCaseIsRunAgainstEveryInstance(t *testing.T) {
	type hit struct{ instance, method, uri, host, language, body string }
	var hits []hit
	trace := regexp.MustCompile(`^00-[0-9a-f]{32}-[0-9a-f]{16}-01$`)
	instance := func(name string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			hits = append(hits, hit{name, r.Method, r.URL.String(), r.Host, r.Header.Get("Accept-Language"), string(body)})
			if r.UserAgent() != "skyisland-cases" || !trace.MatchString(r.Header.Get("Traceparent")) {
				t.Errorf("user agent %q, traceparent %q", r.UserAgent(), r.Header.Get("Traceparent"))
			}
			w.Header().Set("X-Name", name)
			_, _ = io.WriteString(w, `{"from": {"name": "Beijing", "id": 1}, "stops": [{"at": 1.0}, {"at": null}]}`)
		}
	}
	target := Target{Endpoints: []string{serve(t, instance("one")), serve(t, instance("two"))}, Host: "rail.example.com", Path: "/rail"}
	all := read(t, `
cases:
  - name: the route itself
    request: {query: {q: a b}, headers: {Accept-Language: zh}}
    expect: {body: {contains: [Beijing, stops], json: {from: {name: Beijing}, stops: [{at: 1}, {at: null}]}}}
  - name: something sent
    request: {path: /rail/x, json: {a: 1}, headers: {host: other.example.com}}
`)
	var progress []string
	got, err := Run(t.Context(), target, all, func(n, of int) { progress = append(progress, fmt.Sprint(n, "/", of)) })
	if err != nil || got.Passed != 4 || got.Failed() != 0 {
		t.Fatalf("got %+v, %v, want 4 passed", got, err)
	}
	if len(progress) != 4 || progress[3] != "4/4" {
		t.Errorf("progress %v", progress)
	}
	want := []hit{
		{"one", "GET", "/rail?q=a+b", "rail.example.com", "zh", ""},
		{"one", "POST", "/rail/x", "other.example.com", "", `{"a":1}`},
		{"two", "GET", "/rail?q=a+b", "rail.example.com", "zh", ""},
		{"two", "POST", "/rail/x", "other.example.com", "", `{"a":1}`},
	}
	if fmt.Sprint(hits) != fmt.Sprint(want) {
		t.Errorf("got  %v\nwant %v", hits, want)
	}
}

func TestAWrongAnswerSaysWhatWasExpectedAndWhatCame(t *testing.T) {
	for _, c := range []struct {
		name, expect, body, want string
		status                   int
	}{
		{"another status", `{}`, "boom", `expected status 200, got 500: body "boom"`, 500},
		{"a redirect is an answer", `{}`, "", `expected status 200, got 302: body ""`, 302},
		{"a missing text", `{body: {contains: yes}}`, "no", `expected "yes" in the body, got "no"`, 200},
		{"another body", `{body: {equals: a}}`, "b", `expected the body "a", got "b"`, 200},
		{"no JSON", `{body: {json: {}}}`, "<html>", `expected JSON, got "<html>"`, 200},
		{"another header", `{headers: {Content-Type: x}}`, "", `expected header Content-Type: "x", got ""`, 200},
		{"another value", `{body: {json: {a: {b: 1}}}}`, `{"a":{"b":2}}`, `expected .a.b to be 1, got 2`, 200},
		{"text is no number", `{body: {json: {a: "1"}}}`, `{"a":1}`, `expected .a to be "1", got 1`, 200},
		{"a missing field", `{body: {json: {a: {b: 1}}}}`, `{"a":{}}`, `expected .a.b, got no such field`, 200},
		{"null is not missing", `{body: {json: {a: null}}}`, `{}`, `expected .a, got no such field`, 200},
		{"another length", `{body: {json: {a: [1, 2]}}}`, `{"a":[1]}`, `expected 2 items in .a, got 1`, 200},
		{"an item", `{body: {json: [1, {b: 2}]}}`, `[1,{"b":true}]`, `expected [1].b to be 2, got true`, 200},
		{"another shape", `{body: {json: {a: [1]}}}`, `{"a":{"0":1}}`, `expected .a to be [1], got {"0":1}`, 200},
		{"a long body is clipped", `{body: {equals: a}}`, strings.Repeat("b", 5000), `expected the body "a", got "` + strings.Repeat("b", 300) + `…"`, 200},
		{"a body without end", `{}`, strings.Repeat("b", 2<<20), "expected an answer of at most 1048576 bytes, got more", 200},
	} {
		t.Run(c.name, func(t *testing.T) {
			endpoint := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header()["Content-Type"] = nil
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.body)
			})
			all := read(t, "cases: [{name: it, expect: "+c.expect+"}]")
			got, err := Run(t.Context(), Target{Endpoints: []string{endpoint}}, all, nil)
			if err != nil {
				t.Fatal(err)
			}
			if len(got.Failures) != 1 || strings.Join(got.Failures[0].Reasons, "; ") != c.want {
				t.Fatalf("got %v, want %s", got.Failures, c.want)
			}
			if line := got.Failures[0].String(); !strings.HasPrefix(line, "c.yaml:1:") || !strings.Contains(line, endpoint) {
				t.Errorf("no place in %q", line)
			}
		})
	}
}

func TestAnInstanceThatHangsOrIsGoneFails(t *testing.T) {
	hanging := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	all := read(t, "cases: [{name: it, expect: {within: 20ms}}]")
	got, err := Run(t.Context(), Target{Endpoints: []string{hanging, strings.TrimPrefix(gone.URL, "http://")}}, all, nil)
	if err != nil || len(got.Failures) != 2 {
		t.Fatalf("got %+v, %v", got, err)
	}
	if r := got.Failures[0].Reasons[0]; r != "expected an answer within 20ms, got none" {
		t.Errorf("hanging: %s", r)
	}
	if r := got.Failures[1].Reasons[0]; !strings.Contains(r, "refused") {
		t.Errorf("gone: %s", r)
	}
}

func TestFailuresAreBoundedAndAllCounted(t *testing.T) {
	endpoint := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
	var text strings.Builder
	text.WriteString("cases:\n")
	for i := range 30 {
		fmt.Fprintf(&text, "  - name: case %d\n", i)
	}
	got, err := Run(t.Context(), Target{Endpoints: []string{endpoint}}, read(t, text.String()), nil)
	if err != nil || len(got.Failures) != maxFailures || got.Failed() != 30 {
		t.Errorf("%d listed, %d failed, %v", len(got.Failures), got.Failed(), err)
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	endpoint := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	})
	_, err := Run(ctx, Target{Endpoints: []string{endpoint}}, read(t, "cases: [{name: it}]"), nil)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestNothingToRunIsAnError(t *testing.T) {
	if _, err := Run(t.Context(), Target{Endpoints: []string{"127.0.0.1:1"}}, nil, nil); err == nil {
		t.Error("no cases: no error")
	}
	if _, err := Run(t.Context(), Target{}, read(t, "cases: [{name: it}]"), nil); err == nil {
		t.Error("no instances: no error")
	}
}
