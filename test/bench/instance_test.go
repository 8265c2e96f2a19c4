package bench_test

import (
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/gorilla/websocket"
)

// instanceHeader names in an answer the instance that gave it, so that a client need not believe the gateway.
const instanceHeader = "X-Bench-Instance"

// instance is a process of a revision, as far as a gateway can tell: it takes a request whole, answers with a kilobyte, fails
// a share of the requests, and says back what it hears over a WebSocket.
type instance struct {
	name string
	// fails is the share of requests that it answers with 500.
	fails float64
	// served counts requests, WebSockets aside.
	served atomic.Int64
}

var instanceBody = []byte(strings.Repeat("sky island ", answerLength)[:answerLength])

func (i *instance) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if websocket.IsWebSocketUpgrade(req) {
		echo(w, req)
		return
	}
	i.served.Add(1)
	_, _ = io.Copy(io.Discard, req.Body) // a client that is gone hears nothing of it
	h := w.Header()
	h.Set(instanceHeader, i.name)
	h.Set("Content-Type", "text/plain")
	h.Set("Content-Length", strconv.Itoa(len(instanceBody)))
	if rand.Float64() < i.fails {
		w.WriteHeader(http.StatusInternalServerError)
	}
	_, _ = w.Write(instanceBody)
}

// echo says back what it hears, until the other side ends.
func echo(w http.ResponseWriter, req *http.Request) {
	var upgrader websocket.Upgrader
	conn, err := upgrader.Upgrade(w, req, nil)
	if err != nil {
		return // it has answered
	}
	defer func() { _ = conn.Close() }() // the connection is over either way
	for {
		kind, message, err := conn.ReadMessage()
		if err != nil || conn.WriteMessage(kind, message) != nil {
			return
		}
	}
}

// serveInstances serves so many instances as there are shares in a list such as "0,1,0.05", named by their place in it, and
// returns where, and how many requests they have served together.
func serveInstances(shares string, ended chan<- error) (addrs []string, served func() int64, err error) {
	var all []*instance
	for n, share := range strings.Split(shares, ",") {
		one := &instance{name: strconv.Itoa(n)}
		if one.fails, err = strconv.ParseFloat(share, 64); err != nil {
			return nil, nil, err
		}
		listener, err := listenLoopback()
		if err != nil {
			return nil, nil, err
		}
		go func() { ended <- serveHTTP(listener, one) }()
		all, addrs = append(all, one), append(addrs, listener.Addr().String())
	}
	return addrs, func() (sum int64) {
		for _, one := range all {
			sum += one.served.Load()
		}
		return sum
	}, nil
}
