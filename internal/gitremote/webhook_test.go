package gitremote

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestSign(t *testing.T) {
	const body = `{"ref":"refs/heads/main","before":"6113728f27ae82c7b1a177c8d03f9e96e0adf246","after":"0d1a26e67d8f5eaf1f6ba5c57fc3c7d91ac0fd1c","repository":{"full_name":"acme/checkout"}}`
	for name, c := range map[string]struct{ secret, body, want string }{
		// GitHub, "Validating webhook deliveries".
		"GitHub's own vector": {"It's a Secret to Everybody", "Hello, World!", "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"},
		// Made with openssl dgst -sha256 -hmac.
		"a push": {"s3cr3t", body, "sha256=bd6ffbc01a151cf78acaf759dea3c46c68e10556af7970772bdc54145a94adca"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Sign([]byte(c.secret), []byte(c.body)); got != c.want {
				t.Errorf("Sign = %s, want %s", got, c.want)
			}
		})
	}
}

func TestAPushBecomesASignedPost(t *testing.T) {
	type seen struct {
		header http.Header
		body   []byte
	}
	posts := make(chan seen, 10)
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		posts <- seen{r.Header, body}
		w.WriteHeader(http.StatusAccepted)
		fmt.Fprint(w, `{"message": "release demo/shop/production/1 started"}`)
	}))
	defer hook.Close()
	f := newFixture(t, func(o *Options) {
		o.Deliver, o.WebhookURL, o.Secret = nil, hook.URL+"/webhooks/github", []byte("s3cr3t")
	})
	repo, first := f.clone(t, shop)
	_, stderr, err := repo.Try("push", "origin", "main")
	if err != nil || !strings.Contains(stderr, "remote: Sky Island: release demo/shop/production/1 started") {
		t.Errorf("push = %v\n%s", err, stderr)
	}
	got := <-posts
	for key, want := range map[string]string{
		"Content-Type":        "application/json",
		"X-GitHub-Event":      "push",
		"X-Hub-Signature-256": Sign([]byte("s3cr3t"), got.body),
	} {
		if got.header.Get(key) != want {
			t.Errorf("%s = %q, want %q", key, got.header.Get(key), want)
		}
	}
	if id := got.header.Get("X-GitHub-Delivery"); !uuid.MatchString(id) {
		t.Errorf("delivery ID %q is no UUID", id)
	}
	if !bytes.Contains(got.body, []byte(`"after":"`+first+`"`)) {
		t.Errorf("body = %s", got.body)
	}
}

func TestWebhookAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		status  int
		body    string
		message string // of the answer, or of the error
		fails   bool
		refused bool
	}{
		"accepted":                     {202, `{"message":"hello"}`, "hello", false, false},
		"accepted without JSON":        {200, "ok", "", false, false},
		"accepted without a body":      {204, "", "", false, false},
		"accepted with a large body":   {200, `{"message":"` + strings.Repeat("x", maxAnswer) + `"}`, "", false, false},
		"a body that is wrong":         {422, `{"error":"no such application"}`, "status 422: no such application", true, true},
		"a body that cannot be read":   {400, `{"message":"not JSON"}`, "status 400: not JSON", true, true},
		"a secret that is wrong":       {401, "", "status 401", true, false},
		"a path that is wrong":         {404, "", "status 404", true, false},
		"a server that is busy":        {429, "", "status 429", true, false},
		"a server that fails":          {500, "<html>", "status 500", true, false},
		"a redirect is not followed":   {307, "", "status 307", true, false},
		"a message with control codes": {503, `{"message":"a\u001b[2Jb"}`, "status 503: a [2Jb", true, false},
		"an error that is an object":   {503, `{"error":{"code":1}}`, "status 503", true, false},
	} {
		t.Run(name, func(t *testing.T) {
			requests := 0
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				requests++
				w.Header().Set("Location", r.URL.Path)
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.body)
			}))
			defer server.Close()
			hook, err := newWebhook(server.URL, []byte("s"))
			if err != nil {
				t.Fatal(err)
			}
			answer, err := hook.deliver(t.Context(), Delivery{ID: "1", Event: "push"})
			if (err != nil) != c.fails || errors.Is(err, ErrRefused) != c.refused || requests != 1 {
				t.Fatalf("deliver = %v after %d requests", err, requests)
			}
			if c.fails && !strings.HasSuffix(err.Error(), c.message) || !c.fails && answer.Message != c.message {
				t.Errorf("deliver = %q, %v, want %q", answer.Message, err, c.message)
			}
		})
	}
}

func TestOptions(t *testing.T) {
	good := func() Options {
		return Options{Dir: t.TempDir(), PublicURL: "http://127.0.0.1:1", WebhookURL: "http://127.0.0.1:2/x", Secret: []byte("s")}
	}
	if _, err := New(t.Context(), good()); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Options){
		"no directory":           func(o *Options) { o.Dir = "" },
		"no public URL":          func(o *Options) { o.PublicURL = "" },
		"a public URL of no use": func(o *Options) { o.PublicURL = "ftp://x" },
		"no webhook":             func(o *Options) { o.WebhookURL = "" },
		"no secret":              func(o *Options) { o.Secret = nil },
		"both ways":              func(o *Options) { o.Deliver = down },
	} {
		t.Run(name, func(t *testing.T) {
			o := good()
			change(&o)
			if _, err := New(t.Context(), o); err == nil {
				t.Error("New accepted it")
			}
		})
	}
}
