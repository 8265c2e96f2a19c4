package http1

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// kept returns a pool with one idle connection, and the instance's side of it.
func kept(in *instance) (*Pool, *peer) {
	in.t.Helper()
	pool := in.pool()
	first := ask(pool, get("/first"), patient)
	on := in.next()
	on.serve(ok)
	wantAnswer(in.t, first, "200 ok")
	return pool, on
}

func streamed(method string) (*http.Request, Call) {
	return request(context.Background(), method, "/", strings.NewReader("body"), 4), patient
}

func atHand(method string) (*http.Request, Call) {
	req, call := streamed(method)
	call.Content = []byte("body")
	return req, call
}

func bare(method string) (*http.Request, Call) {
	return request(context.Background(), method, "/", nil, 0), patient
}

var staleRequests = []struct {
	name string
	make func() (*http.Request, Call)
	// begun says that it is sent again after something of it was sent.
	begun bool
}{
	{"GET", func() (*http.Request, Call) { return bare(http.MethodGet) }, true},
	{"HEAD", func() (*http.Request, Call) { return bare(http.MethodHead) }, true},
	{"OPTIONS", func() (*http.Request, Call) { return bare(http.MethodOptions) }, true},
	{"GET with a body at hand", func() (*http.Request, Call) { return atHand(http.MethodGet) }, true},
	{"GET with a body that comes", func() (*http.Request, Call) { return streamed(http.MethodGet) }, false},
	{"POST", func() (*http.Request, Call) { return bare(http.MethodPost) }, false},
	{"POST with a body at hand", func() (*http.Request, Call) { return atHand(http.MethodPost) }, false},
	{"POST with a body that comes", func() (*http.Request, Call) { return streamed(http.MethodPost) }, false},
	{"DELETE", func() (*http.Request, Call) { return bare(http.MethodDelete) }, false},
	{"POST with an idempotency key", func() (*http.Request, Call) {
		req, call := atHand(http.MethodPost)
		req.Header["Idempotency-Key"] = []string{"1"}
		return req, call
	}, true},
}

func TestARequestThatAKeptConnectionDidNotAnswer(t *testing.T) {
	t.Parallel()
	ways := []struct {
		name string
		end  func(*peer)
	}{
		{"closed", func(p *peer) { p.request(); _ = p.Close() }},
		{"reset", func(p *peer) { p.request(); p.reset() }},
	}
	for _, test := range staleRequests {
		for _, way := range ways {
			t.Run(test.name+" is begun, and the connection "+way.name, func(t *testing.T) {
				t.Parallel()
				in := newInstance(t)
				pool, on := kept(in)
				req, call := test.make()
				got := ask(pool, req, call)
				way.end(on)
				if test.begun {
					in.next().serve("HTTP/1.1 204 No Content\r\n\r\n")
					wantAnswer(t, got, "204 ")
					return
				}
				r := wait(t, "an error", got)
				if !errors.Is(r.err, errStale) {
					t.Errorf("got %v, want %v", r, errStale)
				}
				if dial := new(DialError); errors.As(r.err, &dial) {
					t.Error("it says that nothing was sent:", r.err)
				}
			})
		}
	}
}

func TestARequestOfWhichAKeptConnectionTookNothingGoesOutOnAnother(t *testing.T) {
	t.Parallel()
	for _, test := range staleRequests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			in := newInstance(t)
			pool, _ := kept(in)
			// Nothing can be written any more, and nothing is there to be read: as when a reset is on its way.
			if err := pool.idle[0].Conn.(*net.TCPConn).CloseWrite(); err != nil {
				t.Fatal(err)
			}
			req, call := test.make()
			got := ask(pool, req, call)
			on := in.next()
			if _, body := on.request(); req.ContentLength > 0 && body != "body" {
				t.Errorf("the body arrived as %q", body)
			}
			on.say("HTTP/1.1 204 No Content\r\n\r\n")
			wantAnswer(t, got, "204 ")
		})
	}
}

func TestManyStaleConnectionsAreTriedBeforeANewOne(t *testing.T) {
	t.Parallel()
	in := newInstance(t)
	pool := in.pool()
	peers, answers := open(in, pool, 3)
	for i := range peers {
		peers[i].say(ok)
		wantAnswer(t, answers[i], "200 ok")
	}
	got := ask(pool, get("/"), patient)
	for i := range peers {
		on := peers[len(peers)-1-i]
		on.request()
		_ = on.Close()
	}
	in.next().serve(ok)
	wantAnswer(t, got, "200 ok")
}

func TestARequestOnANewConnectionIsNotSentAgain(t *testing.T) {
	t.Parallel()
	in := newInstance(t)
	got := ask(in.pool(), get("/"), patient)
	on := in.next()
	on.request()
	_ = on.Close()
	if r := wait(t, "an error", got); !errors.Is(r.err, io.EOF) || errors.Is(r.err, errStale) {
		t.Errorf("got %v, want %v", r, io.EOF)
	}
}

func TestAnAnswerThatHasBegunIsNotAskedForAgain(t *testing.T) {
	t.Parallel()
	in := newInstance(t)
	pool, on := kept(in)
	got := ask(pool, get("/"), patient)
	on.serve("HTTP/1.1 2")
	_ = on.Close()
	if r := wait(t, "an error", got); !errors.Is(r.err, io.EOF) || errors.Is(r.err, ErrMalformed) {
		t.Errorf("got %v, want %v", r, io.EOF)
	}
}

// The instance says that it is done while it still takes the body, so that one goroutine looks at what the other does.
func TestAKeptConnectionThatEndsDuringAnUploadIsAnError(t *testing.T) {
	t.Parallel()
	for range 4 {
		in := newInstance(t)
		pool, on := kept(in)
		got := ask(pool, request(context.Background(), http.MethodPost, "/", zeros{}, -1), patient)
		on.head()
		if err := on.Conn.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		on.gone()
		if r := wait(t, "an error", got); !errors.Is(r.err, errStale) {
			t.Errorf("got %v, want %v", r, errStale)
		}
	}
}

// zeros is a body without end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
