package github

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/github/githubtest"
)

const ourWebhook = "https://ci.example/webhooks/github"

var sentAt = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

func sent(i int, event string, status int) githubtest.Delivery {
	return githubtest.Delivery{
		GUID: fmt.Sprintf("guid-%03d", i), Event: event, StatusCode: status, DeliveredAt: sentAt.Add(time.Duration(i) * time.Minute),
		Payload: fmt.Appendf(nil, `{"n":%d}`, i),
	}
}

func knows(names ...string) func(context.Context, string) (bool, error) {
	return func(_ context.Context, guid string) (bool, error) { return slices.Contains(names, guid), nil }
}

func guids(found []Delivery) (out []string) {
	for _, d := range found {
		out = append(out, d.GUID+" "+d.Event+" "+string(d.Payload))
	}
	return out
}

func TestWhatGitHubSentAndNobodyKnowsIsFoundOnce(t *testing.T) {
	server := githubtest.New(githubtest.Options{Tokens: []string{"t"}})
	t.Cleanup(server.Close)
	server.With("acme/checkout", func(r *githubtest.Repository) {
		r.HookURLs[7], r.HookURLs[8] = ourWebhook+"/", "https://other.example/hook"
	})
	for i := range 250 { // more than a page, and one that was sent three times
		server.Deliver("acme/checkout", 7, sent(i, "push", http.StatusBadGateway))
	}
	server.Deliver("acme/checkout", 7, sent(250, "ping", http.StatusOK))
	again := sent(249, "push", http.StatusBadGateway)
	again.Redelivery = true
	server.Deliver("acme/checkout", 7, again)
	server.Deliver("acme/checkout", 8, sent(251, "push", http.StatusBadGateway)) // not ours
	connection, err := Connect(Access{API: server.URL, Host: "github.com", Token: "t"})
	if err != nil {
		t.Fatal(err)
	}
	found, err := connection.Missed(t.Context(), []Repository{{"acme", "checkout"}}, ourWebhook, sentAt.Add(120*time.Minute), knows("guid-200"))
	if err != nil {
		t.Fatal(err)
	}
	got := guids(found)
	if len(got) != 129 || got[0] != `guid-120 push {"n":120}` || got[128] != `guid-249 push {"n":249}` || slices.Contains(got, `guid-200 push {"n":200}`) {
		t.Errorf("%d found, from %v to %v", len(got), got[0], got[len(got)-1])
	}
}

func TestARepositoryWhoseWebhooksMayNotBeReadDoesNotKeepTheOthers(t *testing.T) {
	server := githubtest.New(githubtest.Options{Tokens: []string{"t"}})
	t.Cleanup(server.Close)
	server.With("acme/checkout", func(r *githubtest.Repository) { r.HookURLs[7] = ourWebhook })
	server.Deliver("acme/checkout", 7, sent(1, "push", http.StatusBadGateway))
	connection, err := Connect(Access{API: server.URL, Host: "github.com", Token: "t"})
	if err != nil {
		t.Fatal(err)
	}
	found, err := connection.Missed(t.Context(), []Repository{{"acme", "gone"}, {"acme", "checkout"}}, ourWebhook, sentAt, knows())
	if len(found) != 1 || err == nil || !strings.Contains(err.Error(), "list the webhooks of acme/gone") {
		t.Errorf("found %v, %v", guids(found), err)
	}
}

func TestAnAppHasOneWebhookForAllRepositories(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	server := githubtest.New(githubtest.Options{AppID: 5, AppKey: &key.PublicKey})
	t.Cleanup(server.Close)
	connection, err := Connect(Access{API: server.URL, Host: "github.com", AppID: 5, AppKey: Secret(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))})
	if err != nil {
		t.Fatal(err)
	}
	server.AppDeliver(sent(1, "push", http.StatusBadGateway))
	server.AppDeliver(sent(2, "check_run", http.StatusOK))
	found, err := connection.Missed(t.Context(), nil, ourWebhook, sentAt, knows())
	if got := guids(found); err != nil || !slices.Equal(got, []string{`guid-001 push {"n":1}`, `guid-002 check_run {"n":2}`}) {
		t.Errorf("found %v, %v", got, err)
	}
}
