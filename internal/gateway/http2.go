package gateway

import (
	"crypto/tls"
	"net/http"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"
)

// What an HTTP/2 client may hold of the gateway. HTTP/1.1 bounds one request a connection by what a connection is;
// here a client chooses how many and how large, so it is told. What else is a flood (resets, pings, settings,
// CONTINUATION frames) the standard library counts and ends by itself.
const (
	// streams is what Envoy recommends at an edge (docs: best_practices/edge, max_concurrent_streams), and the least
	// that RFC 9113, 6.5.2, recommends. net/http has 250.
	streams = 100
	// frame is the least that RFC 9113, 4.2, allows and the default of nginx and Envoy. Every connection keeps
	// a buffer of it, and net/http's 1 MiB is memory for whoever only says that it will send.
	frame = 16 << 10
	// connectionWindow is what a connection may have sent that no instance has read: net/http's default, and Envoy's
	// recommendation (initial_connection_window_size).
	connectionWindow = 1 << 20
	// streamWindow lets four uploads to instances that do not read stall before the others on their connection do, and
	// one upload move 2.5 MB/s over a line of 100 ms. Envoy recommends 64 KiB, which is a quarter of that speed;
	// with net/http's 1 MiB one stalled upload stops all.
	streamWindow = 256 << 10
	// silence is when a client that has sent no frame is asked whether it is there, and answer how long it may
	// take. This also ends who begins a header and does not finish it. The answer is net/http's default; the
	// silence is half of what a client may be idle, less than what common balancers and NATs keep (60 s and more).
	silence = 30 * time.Second
	answer  = 15 * time.Second
	// unread is how long a client may take nothing at all from its connection: nginx's send_timeout. A client that
	// pauses one stream does it by its window and still reads the connection.
	unread = 60 * time.Second
)

// speak gives the server the protocols of the gateway: HTTP/1.1 always; with certificates only over TLS, and HTTP/2
// by ALPN; without, HTTP/2 in clear text where [Options.H2C] says so, for clients that know it beforehand. The
// upgrade from HTTP/1.1 that RFC 9113 took back is not spoken.
func (g *Gateway) speak(server *http.Server) *http.Server {
	server.Protocols = new(http.Protocols)
	server.Protocols.SetHTTP1(true)
	if g.opts.Certificates != nil {
		server.Protocols.SetHTTP2(true)
		server.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: g.opts.Certificates.choose}
	} else if g.opts.H2C {
		server.Protocols.SetUnencryptedHTTP2(true)
	}
	server.HTTP2 = &http.HTTP2Config{
		MaxConcurrentStreams: streams, MaxReadFrameSize: frame,
		MaxReceiveBufferPerConnection: connectionWindow, MaxReceiveBufferPerStream: streamWindow,
		SendPingTimeout: silence, PingTimeout: answer, WriteByteTimeout: unread,
		CountError: func(kind string) { g.http2Errors.WithLabelValues(kind).Inc() },
	}
	return server
}

// malformed says what is wrong with an HTTP/2 request, by RFC 9113, 8.2 and 8.3; nothing is "". These are requests that
// HTTP/1.1 cannot say, and that net/http's HTTP/2 lets pass while its HTTP/1.1 does not. On the way to an instance they
// would be errors that look like the instance's, or another request than the one that was routed.
func malformed(req *http.Request) string {
	if !httpguts.ValidHeaderFieldName(req.Method) { // a method is a token, as a field's name is
		return "The method is malformed."
	}
	if req.Method != http.MethodConnect && !strings.HasPrefix(req.RequestURI, "/") && (req.Method != http.MethodOptions || req.RequestURI != "*") {
		return "The path is malformed."
	}
	if req.Host == "" || !httpguts.ValidHostHeader(req.Host) {
		return "The request names no valid host."
	}
	if hosts := req.Header["Host"]; len(hosts) > 1 || len(hosts) == 1 && !strings.EqualFold(hosts[0], req.Host) {
		return "The request names two hosts."
	}
	if lengths := req.Header["Content-Length"]; len(lengths) > 0 {
		if _, err := strconv.ParseUint(lengths[0], 10, 63); err != nil || len(lengths) > 1 {
			return "The content length is malformed."
		}
	}
	return ""
}
