package gateway

import (
	"log/slog"
	"net/http"
	"time"
)

const (
	maxHeader     = 64 << 10
	headerTimeout = 10 * time.Second
	clientIdle    = 120 * time.Second
)

// NewServer returns a server for the gateway's traffic with bounds on what a client may send before it
// is known to be one: 64 KiB of header within 10 s, and 120 s between requests. Bodies have no bound in
// time, because uploads and streams may take as long as they take. The 10 s run from the first byte, but on a connection
// that has carried nothing yet from its beginning: clients that dial in advance have to give such ones up before, or a
// request may meet the close.
func (g *Gateway) NewServer(addr string) *http.Server {
	return g.speak(&http.Server{
		Addr:              addr,
		Handler:           g,
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       clientIdle,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(g.opts.Log.Handler(), slog.LevelDebug),
	})
}
