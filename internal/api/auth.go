package api

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/skyisland/skyisland/internal/release"
)

// Token is one key to the API, and who holds it.
type Token struct {
	Name   string
	Groups []string
	// Token is the secret itself.
	Token string
}

// String names the holder and hides the secret.
func (t Token) String() string { return t.Name + " [redacted]" }

// GoString hides the secret.
func (t Token) GoString() string { return t.String() }

// source is where the name of an actor comes from when they used a token.
const source = "api"

// key is a token as it is compared: by its sum, so that neither its length nor its content shows
// in how long a comparison takes.
type key struct {
	sum   [sha256.Size]byte
	actor release.Actor
}

func newKeys(tokens []Token) ([]key, error) {
	var keys []key
	seen := map[[sha256.Size]byte]string{}
	for i, t := range tokens {
		if t.Name == "" || t.Token == "" {
			return nil, fmt.Errorf("api: token %d needs a name and a secret", i+1)
		}
		k := key{sha256.Sum256([]byte(t.Token)), release.Actor{Name: t.Name, Source: source, Groups: t.Groups}}
		if other, there := seen[k.sum]; there {
			return nil, fmt.Errorf("api: %s and %s have the same token, so nobody could tell them apart", other, t.Name)
		}
		seen[k.sum] = t.Name
		keys = append(keys, k)
	}
	if len(keys) == 0 {
		return nil, errors.New("api: there is no token, so nobody could use it")
	}
	return keys, nil
}

type contextKey int

const (
	actorKey contextKey = iota
	requestKey
)

// actor is who sent an authenticated request.
func actor(ctx context.Context) release.Actor {
	who, _ := ctx.Value(actorKey).(release.Actor)
	return who
}

func requestName(ctx context.Context) string {
	name, _ := ctx.Value(requestKey).(string)
	return name
}

// guarded gives every request a name, and tells browsers to guess nothing.
func (s *Server) guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := strings.ToLower(rand.Text()[:12])
		w.Header().Set("X-Request-Id", name)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), requestKey, name)))
	})
}

// authenticated lets holders of a token in, as the people they are.
func (s *Server) authenticated(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, ok := s.holder(w, r)
		if !ok {
			return
		}
		if s.people != nil {
			person, err := s.people.Person(source, who.Name)
			if err != nil {
				s.fail(w, r, unknownPerson(err))
				return
			}
			who = person
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), actorKey, who)))
	})
}

// holder is who the request's token was given to; false when it has been refused.
func (s *Server) holder(w http.ResponseWriter, r *http.Request) (release.Actor, bool) {
	who, err := s.authenticate(r.Header.Get("Authorization"))
	if err != nil {
		w.Header().Set("WWW-Authenticate", `Bearer realm="skyisland"`)
		s.fail(w, r, err)
		return release.Actor{}, false
	}
	return who, true
}

func unknownPerson(why error) error {
	return &fault{http.StatusForbidden, CodeUnknownPerson, why.Error()}
}

func (s *Server) authenticate(header string) (release.Actor, error) {
	refuse := func(sentence string) error {
		return &fault{http.StatusUnauthorized, CodeUnauthorized, sentence}
	}
	if header == "" {
		return release.Actor{}, refuse("this needs a token: send it as \"Authorization: Bearer TOKEN\"")
	}
	scheme, secret, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return release.Actor{}, refuse("the Authorization header has to be \"Bearer TOKEN\"")
	}
	sum := sha256.Sum256([]byte(strings.TrimSpace(secret)))
	var found *key
	// All keys are compared, so that the time taken does not tell which one was near.
	for i := range s.keys {
		if subtle.ConstantTimeCompare(sum[:], s.keys[i].sum[:]) == 1 {
			found = &s.keys[i]
		}
	}
	if found == nil {
		return release.Actor{}, refuse("this token is not known here: it may belong to another installation, or have been replaced")
	}
	return found.actor, nil
}
