package authn

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skyisland/skyisland/internal/release"
)

// published is an issuer's server, which answers as the test says.
type published struct {
	*httptest.Server
	asked  atomic.Int32
	answer atomic.Pointer[http.HandlerFunc]
}

func publish(t testing.TB, set string) *published {
	p := &published{}
	p.says(set)
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		p.asked.Add(1)
		(*p.answer.Load())(w, req)
	}))
	t.Cleanup(p.Close)
	return p
}

func (p *published) does(f http.HandlerFunc) { p.answer.Store(&f) }

func (p *published) says(text string) {
	p.does(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) })
}

func remotePolicy(address string) release.Authentication {
	return jwtPolicy(func(p *release.JWTAuth) { p.Keys = address })
}

// issuing is an issuer with one key, as its first set has it.
type issuing struct {
	*published
	keys  *KeySets
	time  *clock
	log   *journal
	route *Authenticator
	key   *ecdsa.PrivateKey
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func setOf(t testing.TB, id string, key *ecdsa.PrivateKey) string {
	return jwks(t, map[string]crypto.PublicKey{id: key.Public()})
}

func issue(t testing.TB, edits ...func(*KeySetOptions)) *issuing {
	t.Helper()
	i := &issuing{time: newClock(), log: &journal{}, key: newKey(t)}
	i.published = publish(t, setOf(t, "first", i.key))
	o := KeySetOptions{Now: i.time.now, Log: slog.New(slog.NewTextHandler(i.log, nil))}
	for _, edit := range edits {
		edit(&o)
	}
	keys, err := NewKeySets(o)
	if err != nil {
		t.Fatal(err)
	}
	i.keys = keys
	if i.route, err = New(remotePolicy(i.URL+"/jwks.json?sig=hush"), nil, keys, i.time.now); err != nil {
		t.Fatal(err)
	}
	return i
}

func (i *issuing) refresh(t testing.TB) error {
	t.Helper()
	return i.keys.Refresh(t.Context())
}

func (i *issuing) first(t testing.TB) *http.Request {
	return withToken(token(t, "ES256", i.key, "first", good()))
}

func TestKeysComeFromTheIssuer(t *testing.T) {
	i := issue(t)
	if want := i.URL + "/jwks.json"; len(i.route.Missing()) != 1 || !strings.HasSuffix(i.route.Missing()[0], want) {
		t.Errorf("missing %q, want %s", i.route.Missing(), want)
	}
	if err := i.refresh(t); err != nil {
		t.Fatal(err)
	}
	expect(t, i.route, i.first(t), "jwt olga")
	if i.route.Missing() != nil {
		t.Errorf("missing %q", i.route.Missing())
	}
	for range 3 { // nothing is due
		if err := i.refresh(t); err != nil || i.asked.Load() != 1 {
			t.Errorf("asked %d times: %v", i.asked.Load(), err)
		}
	}
	i.time.advance(10 * time.Minute)
	if err := i.refresh(t); err != nil || i.asked.Load() != 2 {
		t.Errorf("after 10 minutes: asked %d times: %v", i.asked.Load(), err)
	}
	got := i.keys.state()
	if len(got) != 1 || got[0].Keys != 1 || !got[0].Due.Equal(noon.Add(20*time.Minute)) || got[0].Fault != "" || strings.Contains(got[0].From, "hush") {
		t.Errorf("the state is %+v", got)
	}
}

func TestKeysThatWereNeverThereAreNoFaultOfTheCaller(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer http.HandlerFunc
		want   string
	}{
		{"an error", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "sesame", http.StatusInternalServerError) }, "status 500; want 200"},
		{"no page", http.NotFound, "status 404"},
		{"garbage", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>sesame") }, "it is no JWK set"},
		{"nothing", func(http.ResponseWriter, *http.Request) {}, "it is no JWK set"},
		{"a set without keys", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"keys":[]}`) }, "no key of it can be used"},
		{"far too much", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"keys":[`)
			for range 3000 {
				if _, err := io.WriteString(w, strings.Repeat("{\"kty\":\"sesame\"},", 100)); err != nil {
					return
				}
			}
		}, "more than 1048576 bytes"},
		{"an end in the middle", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, `{"keys":[`)
		}, "unexpected EOF"},
		{"a circle", func(w http.ResponseWriter, req *http.Request) { http.Redirect(w, req, "/again", http.StatusFound) }, "more than 3 times"},
		{"another protocol", func(w http.ResponseWriter, req *http.Request) {
			http.Redirect(w, req, "gopher://issuer.example/", http.StatusFound)
		}, "not https"},
	} {
		t.Run(c.name, func(t *testing.T) {
			i := issue(t)
			i.does(c.answer)
			err := i.refresh(t)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if err != nil && (strings.Contains(err.Error(), "sesame") || strings.Contains(err.Error(), "hush")) {
				t.Errorf("the error tells too much: %v", err)
			}
			expect(t, i.route, i.first(t), "keys-unavailable")
		})
	}
	t.Run("nobody there", func(t *testing.T) {
		i := issue(t)
		i.Close()
		if err := i.refresh(t); err == nil || !strings.Contains(err.Error(), "refused") || strings.Contains(err.Error(), "hush") {
			t.Errorf("got %v", err)
		}
		expect(t, i.route, i.first(t), "keys-unavailable")
	})
}

func TestTheLastGoodKeysStay(t *testing.T) {
	i := issue(t)
	if err := i.refresh(t); err != nil {
		t.Fatal(err)
	}
	for _, answer := range []http.HandlerFunc{
		func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) },
		func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"keys":[]}`) },
	} {
		i.does(answer)
		i.time.advance(10 * time.Minute)
		if err := i.refresh(t); err == nil {
			t.Error("nothing is wrong")
		}
		expect(t, i.route, i.first(t), "jwt olga")
		// Whether a key that is not there is new nobody can say now.
		expect(t, i.route, withToken(token(t, "ES256", i.key, "second", good())), "keys-unavailable")
	}
	if got := i.keys.state()[0]; got.Keys != 1 || !strings.Contains(got.Fault, "no key of it can be used") {
		t.Errorf("the state is %+v", got)
	}
	i.says(setOf(t, "first", i.key))
	i.time.advance(10 * time.Minute)
	if err := i.refresh(t); err != nil {
		t.Error(err)
	}
	log := i.log.String()
	if strings.Count(log, "last good ones count") != 2 || strings.Count(log, "in force") != 2 || strings.Contains(log, "hush") {
		t.Errorf("the log is\n%s", log)
	}
}

func TestAnIssuerThatIsAwayIsAskedMoreAndMoreSeldom(t *testing.T) {
	i := issue(t)
	i.does(http.NotFound)
	for s := range 3600 {
		_ = i.refresh(t)
		if s == 0 && i.asked.Load() != 1 {
			t.Errorf("asked %d times", i.asked.Load())
		}
		i.time.advance(time.Second)
	}
	// At 0, 10, 30, 70, 150, 310, 630, and then every 10 minutes.
	if got := i.asked.Load(); got != 11 {
		t.Errorf("asked %d times in an hour", got)
	}
}

func TestANewKeyIsFetchedWhenATokenNamesIt(t *testing.T) {
	i := issue(t, func(o *KeySetOptions) { o.Wait = time.Minute })
	running(t, i.keys.Run)
	// The first request waits for the first keys.
	expect(t, i.route, i.first(t), "jwt olga")
	second := newKey(t)
	i.says(setOf(t, "second", second))
	req := func() *http.Request { return withToken(token(t, "ES256", second, "second", good())) }
	expect(t, i.route, req(), "jwt-key") // too soon after the last fetch
	i.time.advance(10 * time.Second)
	expect(t, i.route, req(), "jwt olga")
	expect(t, i.route, i.first(t), "jwt-key") // taken back
	if got := i.asked.Load(); got != 2 {
		t.Errorf("asked %d times", got)
	}
}

func TestManyUnknownKeysAreOneQuestion(t *testing.T) {
	i := issue(t, func(o *KeySetOptions) { o.Wait = time.Minute })
	running(t, i.keys.Run)
	expect(t, i.route, i.first(t), "jwt olga")
	for round := range 3 {
		i.time.advance(10 * time.Second)
		var senders sync.WaitGroup
		for n := range 50 {
			req := withToken(token(t, "ES256", i.key, fmt.Sprint("guess-", n), good()))
			senders.Go(func() { expect(t, i.route, req, "jwt-key") })
		}
		senders.Wait()
		if got := int(i.asked.Load()); got != round+2 {
			t.Errorf("round %d: asked %d times in all", round, got)
		}
	}
}

// carry is a transport without a network, for time that does not pass by itself.
type carry func(*http.Request) (*http.Response, error)

func (c carry) RoundTrip(req *http.Request) (*http.Response, error) { return c(req) }

func TestASlowIssuerHoldsNoRequestForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		keys, err := NewKeySets(KeySetOptions{Transport: carry(func(req *http.Request) (*http.Response, error) {
			<-req.Context().Done()
			return nil, req.Context().Err()
		})})
		if err != nil {
			t.Fatal(err)
		}
		a, err := New(remotePolicy("https://issuer.example/jwks.json"), nil, keys, nil)
		if err != nil {
			t.Fatal(err)
		}
		running(t, keys.Run)
		req := withToken(raw(`{"alg":"ES256","kid":"k"}`, `{}`, make([]byte, 64)))
		began := time.Now()
		expect(t, a, req, "keys-unavailable")
		if took := time.Since(began); took != time.Second {
			t.Errorf("a request waited for %s", took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		began = time.Now()
		expect(t, a, req.WithContext(ctx), "keys-unavailable")
		if took := time.Since(began); took != time.Millisecond {
			t.Errorf("a request that was over waited for %s", took)
		}
		<-time.After(10 * time.Second)
		if got := keys.state()[0].Fault; !strings.Contains(got, "no answer within 5s") {
			t.Errorf("the fault is %q", got)
		}
		// Requests wait while a fetch is under way, and between two fetches nobody does.
		began = time.Now()
		for range 100 {
			expect(t, a, req, "keys-unavailable")
		}
		if took := time.Since(began); took != 5*time.Second {
			t.Errorf("100 requests, one after the other, waited for %s", took)
		}
	})
}

func TestWhereAnIssuerMaySendUsOn(t *testing.T) {
	set := setOf(t, "first", newKey(t))
	for _, c := range []struct{ from, to, want string }{
		{"https://issuer.example/a", "https://issuer.example/b", ""},
		{"http://issuer.example/a", "https://issuer.example/b", ""},
		{"http://issuer.example/a", "http://issuer.example/b", ""},
		{"https://issuer.example/a", "http://issuer.example/b", "not https"},
		{"https://issuer.example/a", "https://metadata.example/b", "the host metadata.example is not one of those"},
	} {
		keys, err := NewKeySets(KeySetOptions{Hosts: []string{"Issuer.example"}, Transport: carry(func(req *http.Request) (*http.Response, error) {
			w := httptest.NewRecorder()
			if req.URL.Path == "/a" {
				http.Redirect(w, req, c.to, http.StatusFound)
			} else {
				_, _ = w.WriteString(set)
			}
			return w.Result(), nil
		})})
		if err != nil {
			t.Fatal(err)
		}
		a, err := New(remotePolicy(c.from), nil, keys, nil)
		if err != nil {
			t.Fatal(err)
		}
		err = keys.Refresh(t.Context())
		if (c.want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), c.want) || (err == nil) != (a.Missing() == nil) {
			t.Errorf("from %s to %s: got %v, want %q", c.from, c.to, err, c.want)
		}
	}
}

func TestIssuersAreAskedBesideEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var now, most, all atomic.Int32
		keys, err := NewKeySets(KeySetOptions{Transport: carry(func(*http.Request) (*http.Response, error) {
			defer now.Add(-1)
			n := now.Add(1)
			for old := most.Load(); old < n && !most.CompareAndSwap(old, n); old = most.Load() {
			}
			all.Add(1)
			<-time.After(time.Second)
			return nil, errors.New("no")
		})})
		if err != nil {
			t.Fatal(err)
		}
		var routes []*Authenticator
		for n := range 20 {
			a, err := New(remotePolicy(fmt.Sprintf("https://issuer-%d.example/", n)), nil, keys, nil)
			if err != nil {
				t.Fatal(err)
			}
			routes = append(routes, a)
		}
		if err := keys.Refresh(t.Context()); err == nil {
			t.Error("nothing is wrong")
		}
		if most.Load() != atOnce || all.Load() != 20 {
			t.Errorf("%d at once, %d in all", most.Load(), all.Load())
		}
		runtime.KeepAlive(routes)
	})
}

func TestWhatNobodyUsesIsNotFetched(t *testing.T) {
	i := issue(t)
	other, err := New(remotePolicy(i.URL+"/jwks.json?sig=hush"), nil, i.keys, i.time.now)
	if err != nil {
		t.Fatal(err)
	}
	if err := i.refresh(t); err != nil || i.asked.Load() != 1 {
		t.Errorf("two routes with one address: asked %d times: %v", i.asked.Load(), err)
	}
	i.route = nil
	runtime.GC()
	if n := len(i.keys.state()); n != 1 {
		t.Errorf("%d sets while one route is left", n)
	}
	expect(t, other, i.first(t), "jwt olga")
	runtime.KeepAlive(other)
	runtime.GC()
	runtime.GC()
	i.time.advance(time.Hour)
	if err := i.refresh(t); err != nil || i.asked.Load() != 1 || len(i.keys.state()) != 0 {
		t.Errorf("without routes: asked %d times, %d sets, %v", i.asked.Load(), len(i.keys.state()), err)
	}
}

func TestAnUnencryptedIssuerIsToldOf(t *testing.T) {
	log := &journal{}
	keys, err := NewKeySets(KeySetOptions{Log: slog.New(slog.NewTextHandler(log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	for _, address := range []string{"http://issuer.example/jwks", "http://127.0.0.1:8080/jwks", "http://localhost/jwks", "https://issuer.example/jwks"} {
		if _, err := keys.follow(address); err != nil {
			t.Fatal(err)
		}
	}
	if got := strings.Count(log.String(), "WARN"); got != 1 {
		t.Errorf("%d warnings:\n%s", got, log)
	}
}

func TestKeySetOptions(t *testing.T) {
	if _, err := NewKeySets(KeySetOptions{Wait: -1}); err == nil {
		t.Error("a negative time is taken")
	}
}
