package api

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// Keys keep what was answered to requests that carry an Idempotency-Key, so that the same request again is answered and
// not done again. They outlive the server.
type Keys interface {
	// BeginKey takes a key for a request until claimed, unless somebody has it: then it returns what became of that one,
	// and true. What has expired at now is forgotten; this one expires at expires.
	BeginKey(ctx context.Context, key KeyClaim, now, claimed, expires time.Time) (KeptKey, bool, error)
	// FinishKey keeps the answer to the request that took the key.
	FinishKey(ctx context.Context, key KeyClaim, answer KeptAnswer) error
	// DropKey gives the key back: the request has come to nothing, and may be tried again.
	DropKey(ctx context.Context, key KeyClaim) error
}

// KeyClaim names a key and the request that came with it.
type KeyClaim struct {
	// ID names the token and its key; Request is a hash of all that was asked for. Both are hexadecimal digits.
	ID, Request string
}

// KeptKey is what became of the request that took a key first.
type KeptKey struct {
	// Request is the hash of that request.
	Request string
	// Answer is nil while it is under way.
	Answer *KeptAnswer
}

// KeptAnswer is an answer as it was sent.
type KeptAnswer struct {
	Status int
	Media  string
	Body   []byte
}

const (
	// keyHeader and replayedHeader are as the IETF draft on the Idempotency-Key header has the first, and as is usual.
	keyHeader      = "Idempotency-Key"
	replayedHeader = "Idempotency-Replayed"
	// keyLimit bounds a key, keptLimit the body of an answer that is kept, in bytes.
	keyLimit  = 255
	keptLimit = 256 << 10
	// keyLives is how long an answer is kept. claimLives is how long a request may be under way: longer than any takes.
	// Whoever took a key and died leaves it for that long.
	keyLives   = 24 * time.Hour
	claimLives = 2 * time.Minute
	// keyPatience is how long the store of keys is waited for where there is another way: a rollback must not hang on a
	// database that does.
	keyPatience = time.Second
)

// identityOf names what a request does, so that it is done once however often the request comes: from the token's name,
// the key and the request, and by chance without a key. It has 32 characters, letters and digits.
func identityOf(ctx context.Context) string {
	if name := keyIdentity(ctx); name != "" {
		return name
	}
	return strings.ToLower(rand.Text() + rand.Text())[:32]
}

// keyIdentity is that of a request with a key; empty without one.
func keyIdentity(ctx context.Context) string {
	name, _ := ctx.Value(identityKey).(string)
	return name
}

// keyed answers a request that comes again with its key as the first time.
func (s *Server) keyed(o Operation, serve http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		key, given, err := keyOf(r)
		if err != nil {
			s.fail(w, r, err)
			return
		}
		if !given {
			serve(w, r)
			return
		}
		claim, err := claimOf(w, r, o, key)
		if err != nil {
			s.fail(w, r, err)
			return
		}
		r = r.WithContext(context.WithValue(r.Context(), identityKey, claim.identity()))
		s.once(w, r, o, claim, serve)
	}
}

// once does what the holder of the key asks for unless it has been done.
func (s *Server) once(w http.ResponseWriter, r *http.Request, o Operation, claim KeyClaim, serve http.HandlerFunc) {
	kept, taken, err := s.take(r.Context(), o, claim)
	switch {
	case err != nil && o.Named:
		// What has an identity of its own is done once all the same, and a rollback waits for no database.
		s.log.WarnContext(r.Context(), "idempotency key not kept", "request", requestName(r.Context()), "error", err)
		serve(w, r)
		return
	case err != nil:
		s.fail(w, r, fmt.Errorf("keep an idempotency key: %w", err))
		return
	case taken && kept.Request != claim.Request:
		s.fail(w, r, &fault{http.StatusUnprocessableEntity, CodeKeyReused, "this " + keyHeader + " came with another request before: take a new one for each thing you ask for"})
		return
	case taken && kept.Answer == nil:
		s.fail(w, r, &fault{http.StatusConflict, CodeInProgress, "the request with this " + keyHeader + " is under way: ask again in a moment"})
		return
	case taken && o.Fresh && kept.Answer.Status/100 == 2:
		w.Header().Set(replayedHeader, "true")
		serve(w, r)
		return
	case taken:
		w.Header().Set("Content-Type", kept.Answer.Media)
		w.Header().Set(replayedHeader, "true")
		w.WriteHeader(kept.Answer.Status)
		_, _ = w.Write(kept.Answer.Body)
		return
	}
	answer := &copied{ResponseWriter: w}
	finished := false
	// A handler that panics has come to nothing that anybody knows of.
	defer func() { s.settle(r, claim, answer, finished) }()
	serve(answer, r)
	finished = true
}

// take takes the key, or finds what became of the request that did.
func (s *Server) take(ctx context.Context, o Operation, claim KeyClaim) (KeptKey, bool, error) {
	if o.Named {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, keyPatience)
		defer cancel()
	}
	now := s.now().UTC()
	return s.idempotency.BeginKey(ctx, claim, now, now.Add(claimLives), now.Add(keyLives))
}

// settle keeps the answer, or gives the key back where there is none that would be the same again. It does so also for a
// client that has gone: it is the one that will ask again.
func (s *Server) settle(r *http.Request, claim KeyClaim, answer *copied, finished bool) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), keyPatience)
	defer cancel()
	var err error
	if finished && answer.status < http.StatusInternalServerError && !answer.tooLong {
		err = s.idempotency.FinishKey(ctx, claim, KeptAnswer{Status: answer.status, Media: answer.Header().Get("Content-Type"), Body: answer.body.Bytes()})
	} else {
		err = s.idempotency.DropKey(ctx, claim)
	}
	if err != nil {
		s.log.WarnContext(ctx, "answer not kept for its idempotency key", "request", requestName(r.Context()), "error", err)
	}
}

// copied is an answer on its way, of which a copy is kept.
type copied struct {
	http.ResponseWriter

	status  int
	body    bytes.Buffer
	tooLong bool
}

// WriteHeader begins the answer.
func (c *copied) WriteHeader(status int) {
	if c.status == 0 {
		c.status = status
	}
	c.ResponseWriter.WriteHeader(status)
}

// Write sends on, and keeps what there is room for.
func (c *copied) Write(p []byte) (int, error) {
	if c.status == 0 {
		c.status = http.StatusOK
	}
	if c.body.Len()+len(p) > keptLimit {
		c.tooLong = true
	} else {
		c.body.Write(p)
	}
	return c.ResponseWriter.Write(p)
}

// Unwrap lets a [http.ResponseController] through.
func (c *copied) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// keyOf is the key that a request carries, without the quotes that the draft wants around it and many leave out.
func keyOf(r *http.Request) (key string, given bool, err error) {
	all := r.Header.Values(keyHeader)
	if len(all) == 0 {
		return "", false, nil
	}
	key = all[0]
	if len(key) > 1 && strings.HasPrefix(key, `"`) && strings.HasSuffix(key, `"`) {
		key = key[1 : len(key)-1]
	}
	plain := func(c rune) bool { return c < '!' || c > '~' || c == '"' }
	if len(all) > 1 || key == "" || len(key) > keyLimit || strings.ContainsFunc(key, plain) {
		return "", true, badRequest("%s is not a key: want one of 1 to %d letters, digits and signs, such as a UUID", keyHeader, keyLimit)
	}
	return key, true, nil
}

// claimOf names the key for its token, and the request by all that it asks for. A token that replaces another has its name,
// and so its keys.
func claimOf(w http.ResponseWriter, r *http.Request, o Operation, key string) (KeyClaim, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bodyLimit))
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return KeyClaim{}, tooLarge()
	}
	if err != nil {
		return KeyClaim{}, badRequest("the body cannot be read: %v", err)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	values := r.URL.Query()
	for _, param := range o.Query {
		if param.Aside {
			values.Del(param.Name)
		}
	}
	return KeyClaim{
		ID:      sum(holderOf(r.Context()).token, key),
		Request: sum(r.Method, r.URL.EscapedPath(), values.Encode(), string(body)),
	}, nil
}

// identity is what the request does, as its effects are named.
func (c KeyClaim) identity() string { return sum(c.ID, c.Request)[:32] }

// sum is a hash of some texts that no others have.
func sum(parts ...string) string {
	h := sha256.New()
	for _, part := range parts {
		fmt.Fprintf(h, "%d:%s\n", len(part), part)
	}
	return hex.EncodeToString(h.Sum(nil))
}
