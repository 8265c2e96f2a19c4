package http1

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// open makes n connections, each of which waits for the answer to its request.
func open(in *instance, pool *Pool, n int) ([]*peer, []<-chan result) {
	in.t.Helper()
	var peers []*peer
	var answers []<-chan result
	for range n {
		answers = append(answers, ask(pool, get("/"), patient))
		on := in.next()
		on.request()
		peers = append(peers, on)
	}
	return peers, answers
}

func TestTheConnectionUsedLastIsUsedNext(t *testing.T) {
	t.Parallel()
	in := newInstance(t)
	pool := in.pool()
	peers, answers := open(in, pool, 3)
	for _, i := range []int{1, 2, 0} {
		peers[i].say(ok)
		wantAnswer(t, answers[i], "200 ok")
	}
	for _, i := range []int{0, 2, 1} { // each is kept busy, so the next request takes the one that rested before it
		ask(pool, get("/again"), patient)
		if req, _ := peers[i].request(); req.RequestURI != "/again" {
			t.Errorf("connection %d was asked for %s", i, req.RequestURI)
		}
	}
}

func TestNoMoreConnectionsAreKeptThanWanted(t *testing.T) {
	t.Parallel()
	in := newInstance(t)
	pool := in.pool(func(o *Options) { o.Keep = 2 })
	peers, answers := open(in, pool, 4)
	for i := range peers {
		peers[i].say(ok)
		wantAnswer(t, answers[i], "200 ok")
	}
	peers[2].gone()
	peers[3].gone()
	if n := pool.idleCount(); n != 2 {
		t.Errorf("%d connections are kept, want 2", n)
	}
}

func TestReapClosesWhatHasRestedTooLongAndNothingElse(t *testing.T) {
	t.Parallel()
	in, age := newInstance(t), new(clock)
	pool := in.pool(func(o *Options) { o.Now = age.now })
	peers, answers := open(in, pool, 4)
	for i := range 3 { // the last is under way
		peers[i].say(ok)
		wantAnswer(t, answers[i], "200 ok")
		age.advance(20 * time.Second)
	}
	pool.Reap() // the first has rested for a minute
	peers[0].gone()
	if n := pool.idleCount(); n != 2 {
		t.Errorf("%d connections are kept, want 2", n)
	}
	age.advance(time.Hour)
	pool.Reap()
	peers[1].gone()
	peers[2].gone()
	peers[3].say(ok)
	wantAnswer(t, answers[3], "200 ok")
	if n := pool.idleCount(); n != 1 {
		t.Errorf("%d connections are kept, want 1", n)
	}
}

func TestACloseLeavesRequestsUnderWayAlone(t *testing.T) {
	t.Parallel()
	in := newInstance(t)
	pool := in.pool()
	peers, answers := open(in, pool, 2)
	peers[0].say(ok)
	wantAnswer(t, answers[0], "200 ok")
	pool.Close()
	peers[0].gone()
	peers[1].say("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nst")
	peers[1].say("ay")
	wantAnswer(t, answers[1], "200 stay")
	peers[1].gone()

	after := ask(pool, get("/"), patient)
	on := in.next()
	on.serve(ok)
	wantAnswer(t, after, "200 ok")
	on.gone()
	pool.Close()
	pool.Reap()
}

// echo answers with what it was asked, after it has kept some requests waiting for others.
func echo(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return
	}
	w.Header().Set("X-Path", req.RequestURI)
	if len(body)%3 == 0 {
		_ = http.NewResponseController(w).Flush() // and so in chunks
	}
	if len(body)%7 == 0 {
		w.Header().Set("Connection", "close")
	}
	_, _ = w.Write(body)
}

func TestEveryRequestOfManyGetsItsOwnAnswer(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(echo))
	t.Cleanup(server.Close)
	in := &instance{server.Listener, t}
	pool := in.pool(func(o *Options) { o.Keep = 8 })
	var all sync.WaitGroup
	for worker := range 16 {
		all.Go(func() {
			for i := range 20 {
				if err := askForEcho(pool, worker, i); err != nil {
					t.Errorf("request %d of %d: %v", i, worker, err)
				}
				if i%10 == 0 {
					pool.Reap()
				}
			}
		})
	}
	all.Wait()
}

// askForEcho sends one request of the kind that its number says, and looks at its answer.
func askForEcho(pool *Pool, worker, i int) error {
	path := fmt.Sprintf("/%d/%d", worker, i)
	content := strings.Repeat(path+" ", 1+worker*i)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	req, call := request(ctx, http.MethodPost, path, strings.NewReader(content), int64(len(content))), patient
	switch i % 5 {
	case 0:
		req.Body, req.ContentLength, content = nil, 0, ""
	case 1:
		req.ContentLength = -1
	case 2:
		call.Content = []byte(content)
	case 3: // a caller that leaves in the middle must not touch anybody else's answer
		go cancel()
	}
	resp, err := pool.Do(req, call)
	if err == nil {
		defer resp.Body.Close()
		var body []byte
		if body, err = io.ReadAll(resp.Body); err == nil && (string(body) != content || resp.Header.Get("X-Path") != path) {
			return fmt.Errorf("got %d bytes for %s, want %d", len(body), resp.Header.Get("X-Path"), len(content))
		}
	}
	if i%5 == 3 && ctx.Err() != nil {
		return nil
	}
	return err
}
