package api

import (
	"context"
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
	// Scopes are what its holder may do; nil is everything.
	Scopes []release.Scope
	// Tenants are whose releases it is for; nil is everybody's.
	Tenants []string
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
	sum    [sha256.Size]byte
	holder holder
}

func newKeys(tokens []Token) ([]key, error) {
	var keys []key
	seen := map[[sha256.Size]byte]string{}
	for i, t := range tokens {
		if t.Name == "" || t.Token == "" {
			return nil, fmt.Errorf("api: token %d needs a name and a secret", i+1)
		}
		if err := t.check(); err != nil {
			return nil, fmt.Errorf("api: token of %s: %w", t.Name, err)
		}
		k := key{sha256.Sum256([]byte(t.Token)), holder{
			actor: release.Actor{Name: t.Name, Source: source, Groups: t.Groups}, token: t.Name, scopes: t.Scopes, tenants: t.Tenants,
		}}
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

// check says what is wrong with what the token is limited to.
func (t Token) check() error {
	var faults []error
	for _, scope := range t.Scopes {
		faults = append(faults, release.CheckScope(scope))
	}
	for _, tenant := range t.Tenants {
		faults = append(faults, release.CheckName(tenant))
	}
	return errors.Join(faults...)
}

type contextKey int

const (
	holderKey contextKey = iota
	requestKey
	paramsKey
	identityKey
)

// actor is who sent an authenticated request.
func actor(ctx context.Context) release.Actor { return holderOf(ctx).actor }

func requestName(ctx context.Context) string {
	name, _ := ctx.Value(requestKey).(string)
	return name
}

// identify finds out who holds the request's token. Strangers are those whom the directory of people does not know.
func (s *Server) identify(w http.ResponseWriter, r *http.Request, strangers bool) (holder, error) {
	who, err := s.authenticate(r.Header.Get("Authorization"))
	if err != nil {
		w.Header().Set("WWW-Authenticate", `Bearer realm="skyisland"`)
		return holder{}, err
	}
	if s.people == nil {
		return who, nil
	}
	person, err := s.people.Person(source, who.actor.Name)
	if err != nil {
		if !strangers {
			return holder{}, unknownPerson(err)
		}
		who.stranger = err.Error()
		return who, nil
	}
	who.actor = person
	return who, nil
}

func unknownPerson(why error) error {
	return &fault{http.StatusForbidden, CodeUnknownPerson, why.Error()}
}

func (s *Server) authenticate(header string) (holder, error) {
	refuse := func(sentence string) error {
		return &fault{http.StatusUnauthorized, CodeUnauthorized, sentence}
	}
	if header == "" {
		return holder{}, refuse("this needs a token: send it as \"Authorization: Bearer TOKEN\"")
	}
	scheme, secret, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return holder{}, refuse("the Authorization header has to be \"Bearer TOKEN\"")
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
		return holder{}, refuse("this token is not known here: it may belong to another installation, or have been replaced")
	}
	return found.holder, nil
}
