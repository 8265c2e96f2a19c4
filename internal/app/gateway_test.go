package app

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/skyisland/skyisland/internal/gateway"
	"github.com/skyisland/skyisland/internal/gateway/admin"
	"github.com/skyisland/skyisland/internal/release"
)

// TestARequestThatOutlivesTheStopHasItsLine stops a gateway in the middle of a request.
func TestARequestThatOutlivesTheStopHasItsLine(t *testing.T) {
	arrived, answer := make(chan struct{}), make(chan struct{})
	instance := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		close(arrived)
		<-answer
	}))
	t.Cleanup(instance.Close)
	listen := func() net.Listener {
		listener, err := Listen(t.Context(), "a test", "--none", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		return listener
	}
	traffic, control := listen(), listen()
	const token = "0123456789abcdef"
	var lines bytes.Buffer // read once the gateway has ended
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- ServeGateway(ctx, GatewayOptions{Options: gateway.Options{Name: "a-1", Unit: "a", AccessLog: &lines}, Listen: traffic, Admin: control, Token: token})
	}()
	client, err := admin.NewClient("a-1", "http://"+control.Addr().String(), token)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := client.Apply(t.Context(), []release.Route{{
		Key: "t/app/production/web", Ingress: release.Ingress{Path: "/slow"}, Version: 1,
		Stable: &release.Target{Revision: "web-1", Endpoints: []string{strings.TrimPrefix(instance.URL, "http://")}},
	}}); err != nil {
		t.Fatal(err)
	}
	asked := make(chan error, 1)
	go func() {
		res, err := http.Get("http://" + traffic.Addr().String() + "/slow")
		if err == nil {
			_, err = io.Copy(io.Discard, res.Body)
			_ = res.Body.Close()
		}
		asked <- err
	}()
	<-arrived
	stop()
	for { // until the gateway takes no more requests
		conn, err := net.Dial("tcp", traffic.Addr().String())
		if err != nil {
			break
		}
		_ = conn.Close()
	}
	close(answer)
	if err := <-asked; err != nil {
		t.Errorf("the request that was under way: %v", err)
	}
	if err := <-ended; err != nil {
		t.Errorf("the gateway ended: %v", err)
	}
	if !strings.Contains(lines.String(), `"path":"/slow"`) {
		t.Errorf("the access log has %q, want the request's line", lines.String())
	}
}
