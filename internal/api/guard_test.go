package api

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
)

// Half an answer is not ended as if it were the whole.
func TestAPanicInTheMiddleCutsTheAnswerOff(t *testing.T) {
	s := &Server{log: slog.New(slog.DiscardHandler)}
	web := httptest.NewServer(s.guarded(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "half")
		_ = http.NewResponseController(w).Flush()
		panic("x")
	})))
	t.Cleanup(web.Close)
	res, err := web.Client().Get(web.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if text, err := io.ReadAll(res.Body); err == nil || string(text) != "half" {
		t.Errorf("got %q, %v", text, err)
	}
}

func TestOperationsThatAreNotDescribed(t *testing.T) {
	whole := Operation{
		Method: post, Path: v1 + "/x/{tenant}", ID: "x", Tag: "t", Summary: "s", Scope: "read", Tenants: TenantPath, Keyed: true, Status: 200, Answer: Retried{},
		serve: (*Server).showInfo,
	}
	if err := whole.check(); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*Operation){
		"no summary":                     func(o *Operation) { o.Summary = "" },
		"no scope":                       func(o *Operation) { o.Scope = "" },
		"a scope that is none":           func(o *Operation) { o.Scope = "write" },
		"no rule for tenants":            func(o *Operation) { o.Tenants = "" },
		"a tenant in the path, not kept": func(o *Operation) { o.Tenants = TenantFilter },
		"no tenant in the path":          func(o *Operation) { o.Path = v1 + "/x" },
		"public with a scope":            func(o *Operation) { o.Tenants, o.Path = TenantPublic, v1+"/x" },
		"no answer":                      func(o *Operation) { o.Answer = nil },
		"no status":                      func(o *Operation) { o.Status = 0 },
		"posted without a key":           func(o *Operation) { o.Keyed = false },
		"pages without a cursor":         func(o *Operation) { o.Pages = true },
		"a parameter without a type":     func(o *Operation) { o.Query = []Param{{Name: "x", Meaning: "m"}} },
		"a problem that is none":         func(o *Operation) { o.Problems = []string{"oops"} },
		"nothing to serve it":            func(o *Operation) { o.serve = nil },
	} {
		t.Run(name, func(t *testing.T) {
			o := whole
			spoil(&o)
			if checkOperations([]Operation{o}) == nil {
				t.Error("it would be served")
			}
		})
	}
	if checkOperations([]Operation{whole, whole}) == nil {
		t.Error("one is there twice")
	}
}
