package api

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
)

// stackLimit bounds how much of a stack is logged, in bytes.
const stackLimit = 8 << 10

// guarded gives every request a name, tells browsers to guess nothing, and answers for a handler that panics.
func (s *Server) guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := strings.ToLower(rand.Text()[:12])
		w.Header().Set("X-Request-Id", name)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-store")
		r = r.WithContext(context.WithValue(r.Context(), requestKey, name))
		seen := &begun{ResponseWriter: w}
		defer func() {
			if what := recover(); what != nil {
				s.panicked(seen, r, what)
			}
		}()
		next.ServeHTTP(seen, r)
	})
}

// panicked answers a request whose handler has panicked. One that had begun to answer is cut off, so that nobody takes
// the half for the whole.
func (s *Server) panicked(w *begun, r *http.Request, what any) {
	if err, is := what.(error); is && errors.Is(err, http.ErrAbortHandler) {
		panic(what) //nolint:forbidigo // This is how net/http is told to drop a connection.
	}
	stack := debug.Stack()
	s.log.ErrorContext(r.Context(), "request panicked", "request", requestName(r.Context()), "method", r.Method, "path", r.URL.Path,
		"panic", fmt.Sprint(what), "stack", string(stack[:min(len(stack), stackLimit)]))
	if w.has {
		panic(http.ErrAbortHandler) //nolint:forbidigo // This is how net/http is told to drop a connection.
	}
	s.fail(w, r, &fault{http.StatusInternalServerError, CodeInternal, brokenSentence})
}

// begun knows whether the answer has begun.
type begun struct {
	http.ResponseWriter

	has bool
}

// WriteHeader begins the answer.
func (b *begun) WriteHeader(status int) {
	b.has = true
	b.ResponseWriter.WriteHeader(status)
}

// Write begins the answer when nothing has.
func (b *begun) Write(p []byte) (int, error) {
	b.has = true
	return b.ResponseWriter.Write(p)
}

// Unwrap lets a [http.ResponseController] through.
func (b *begun) Unwrap() http.ResponseWriter { return b.ResponseWriter }

// routed sends each request to its operation. What there is none for is answered like everything else, with a problem.
func (s *Server) routed(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, pattern := mux.Handler(r); pattern != "" {
			mux.ServeHTTP(w, r)
			return
		}
		// What there is, is told to holders of a token only.
		if _, err := s.identify(w, r, false); err != nil {
			s.fail(w, r, err)
			return
		}
		if allowed := allowedMethods(mux, r); len(allowed) > 0 {
			w.Header().Set("Allow", strings.Join(allowed, ", "))
			s.fail(w, r, &fault{http.StatusMethodNotAllowed, CodeMethod, fmt.Sprintf("%s takes no %s: it takes %s", r.URL.Path, r.Method, strings.Join(allowed, ", "))})
			return
		}
		s.fail(w, r, s.unknownRoute(r))
	})
}

// allowedMethods are what a path takes, in the order of the alphabet; none for a path that is not there.
func allowedMethods(mux *http.ServeMux, r *http.Request) []string {
	var out []string
	for _, method := range []string{del, get, http.MethodHead, http.MethodPatch, post, put} {
		probe := r.Clone(r.Context())
		probe.Method = method
		if _, pattern := mux.Handler(probe); pattern != "" {
			out = append(out, method)
		}
	}
	slices.Sort(out)
	return out
}
