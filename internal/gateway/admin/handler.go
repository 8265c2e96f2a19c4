package admin

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/skyisland/skyisland/internal/gateway"
	"github.com/skyisland/skyisland/internal/release"
)

// Handler serves a gateway's control protocol. Every call but GET /healthz needs the token as
// "Authorization: Bearer"; an empty token lets nobody in.
func Handler(g *gateway.Gateway, token string) http.Handler {
	h := &handler{gateway: g}
	inside := http.NewServeMux()
	inside.HandleFunc("PUT /v1/routes", h.apply)
	inside.HandleFunc("POST /v1/routes/check", h.check)
	inside.HandleFunc("GET /v1/routes", h.state)
	inside.HandleFunc("DELETE /v1/routes", h.remove)
	inside.HandleFunc("POST /v1/leases", h.renew)
	inside.HandleFunc("GET /v1/evidence", h.evidence)
	inside.HandleFunc("POST /v1/revisions/{revision}/drain", h.drain)
	inside.HandleFunc("GET /v1/stats", h.stats)
	inside.Handle("GET /metrics", g.Metrics())
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", h.health)
	mux.Handle("/", authorized(token, inside))
	return mux
}

// NewServer returns a server for [Handler] with bounds on slow callers. Answers have none, because a
// drain takes as long as it takes.
func NewServer(addr string, handler http.Handler) *http.Server {
	return &http.Server{
		Addr: addr, Handler: handler, MaxHeaderBytes: 1 << 20,
		ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute,
	}
}

func authorized(token string, next http.Handler) http.Handler {
	want := sha256.Sum256([]byte(token))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		given, found := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		// Hashes have equal lengths, so the comparison tells nothing about the token's.
		got := sha256.Sum256([]byte(given))
		if token == "" || !found || subtle.ConstantTimeCompare(want[:], got[:]) != 1 {
			w.Header().Set("WWW-Authenticate", "Bearer")
			reply(w, http.StatusUnauthorized, problem{codeUnauthorized, "the bearer token is missing or wrong"})
			return
		}
		next.ServeHTTP(w, r)
	})
}

type handler struct{ gateway *gateway.Gateway }

func (h *handler) apply(w http.ResponseWriter, r *http.Request) {
	var list routeList
	if err := read(w, r, &list); err != nil {
		fail(w, err)
		return
	}
	receipt, err := h.gateway.Apply(list.Routes)
	finish(w, receipt, err)
}

func (h *handler) check(w http.ResponseWriter, r *http.Request) {
	var list routeList
	if err := read(w, r, &list); err != nil {
		fail(w, err)
		return
	}
	finish(w, struct{}{}, h.gateway.Check(list.Routes))
}

func (h *handler) state(w http.ResponseWriter, _ *http.Request) { finish(w, h.gateway.State(), nil) }

func (h *handler) remove(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	version, err := strconv.ParseInt(query.Get("version"), 10, 64)
	if err != nil {
		fail(w, fmt.Errorf("%w: version %.30q is no number", gateway.ErrInvalid, query.Get("version")))
		return
	}
	finish(w, struct{}{}, h.gateway.Remove(query.Get("key"), version))
}

func (h *handler) renew(w http.ResponseWriter, r *http.Request) {
	var in renewal
	if err := read(w, r, &in); err != nil {
		fail(w, err)
		return
	}
	if len(in.Keys) > maxKeys {
		fail(w, fmt.Errorf("%w: %d keys, at most %d", gateway.ErrInvalid, len(in.Keys), maxKeys))
		return
	}
	finish(w, struct{}{}, h.gateway.Renew(in.Keys, in.Version, in.TTL.Std()))
}

func (h *handler) evidence(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	wait, err := decodeWait(query.Get("wait"))
	if err == nil && query.Get("release") == "" {
		err = errors.New("release: want the release whose evidence is asked for")
	}
	if err == nil && len(query["after"]) > maxKeys {
		err = fmt.Errorf("%d cursors, at most %d", len(query["after"]), maxKeys)
	}
	cursors := make(map[string]gateway.Cursor, len(query["after"]))
	for _, s := range query["after"] {
		key, c, cursorErr := decodeCursor(s)
		err = errors.Join(err, cursorErr)
		cursors[key] = c
	}
	if err != nil {
		fail(w, fmt.Errorf("%w: %w", gateway.ErrInvalid, err))
		return
	}
	finish(w, h.gateway.Evidence(r.Context(), query.Get("release"), cursors, wait), nil)
}

func (h *handler) drain(w http.ResponseWriter, r *http.Request) {
	lane, err := release.ParseLane(r.URL.Query().Get("lane"))
	if err != nil {
		fail(w, fmt.Errorf("%w: %w", gateway.ErrInvalid, err))
		return
	}
	finish(w, struct{}{}, h.gateway.Drain(r.Context(), lane, r.PathValue("revision")))
}

func (h *handler) stats(w http.ResponseWriter, _ *http.Request) { finish(w, h.gateway.Stats(), nil) }

func (h *handler) health(w http.ResponseWriter, _ *http.Request) {
	finish(w, struct {
		Gateway string `json:"gateway"`
	}{h.gateway.Name()}, nil)
}

func read(w http.ResponseWriter, r *http.Request, into any) error {
	if err := decodeStrict(http.MaxBytesReader(w, r.Body, maxRequest), maxRequest, into); err != nil {
		return fmt.Errorf("%w: read body: %w", gateway.ErrInvalid, err)
	}
	return nil
}

func finish(w http.ResponseWriter, value any, err error) {
	if err != nil {
		fail(w, err)
		return
	}
	reply(w, http.StatusOK, value)
}

// fail turns an error into a status and a code.
func fail(w http.ResponseWriter, err error) {
	status, code := http.StatusInternalServerError, codeInternal
	switch {
	case errors.Is(err, release.ErrLapsed):
		status, code = http.StatusPreconditionFailed, codeLapsed
	case errors.Is(err, release.ErrConflict):
		status, code = http.StatusConflict, codeConflict
	case errors.Is(err, release.ErrNotFound):
		status, code = http.StatusNotFound, codeNotFound
	case errors.Is(err, gateway.ErrInvalid):
		status, code = http.StatusBadRequest, codeInvalid
	case errors.Is(err, gateway.ErrNotSaved):
		status, code = http.StatusInsufficientStorage, codeNotSaved
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		status, code = http.StatusGatewayTimeout, codeUnfinished
	}
	reply(w, status, problem{code, err.Error()})
}

func reply(w http.ResponseWriter, status int, value any) {
	body, err := json.Marshal(value)
	if err != nil {
		status = http.StatusInternalServerError
		body = []byte(`{"code":"` + codeInternal + `","detail":"the answer cannot be encoded"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // a caller that is gone asks again
}
