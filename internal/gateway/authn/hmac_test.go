package authn

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"github.com/skyisland/skyisland/internal/release"
)

func hmacPolicy() release.Authentication {
	return release.Authentication{HMAC: &release.HMACAuth{Keys: "webhooks"}}
}

func signer(t testing.TB, edits ...func(*CredentialOptions)) (*Authenticator, *folder) {
	t.Helper()
	f := newFolder(t, map[string]string{"webhooks": "billing " + secretText + "\nbilling " + otherSecret + "\nshop " + strings.Repeat("s", 32)}, edits...)
	return mustNew(t, hmacPolicy(), f, nil), f
}

func set(name, value string) func(*http.Request) {
	return func(req *http.Request) { req.Header.Set(name, value) }
}

func drop(name string) func(*http.Request) { return func(req *http.Request) { req.Header.Del(name) } }

func twice(name string) func(*http.Request) {
	return func(req *http.Request) { req.Header.Add(name, req.Header.Get(name)) }
}

func TestHMAC(t *testing.T) {
	const good, malformed, wrong, window = "hmac billing", "hmac-malformed", "hmac-signature", "hmac-window"
	for _, c := range []struct {
		name string
		edit func(*sealed)
		want string
	}{
		{"a signed request", func(*sealed) {}, good},
		{"the next secret of the same key", func(s *sealed) { s.secret = otherSecret }, good},
		{"without a body", func(s *sealed) { s.method, s.body = "GET", "" }, good},
		{"the host in capitals", func(s *sealed) { s.url = "http://WEB.example:8443/hooks" }, good},
		{"a path that is escaped in its own way", func(s *sealed) { s.url = "http://web.example/a%2Fb/%7Ec?q=%20&&x" }, good},
		{"in the form for a server", func(s *sealed) { s.edit = func(r *http.Request) { r.RequestURI = "/hooks?id=7" } }, good},
		{"as late as it may", func(s *sealed) { s.at = noon.Add(-5 * time.Minute) }, good},
		{"as early as it may", func(s *sealed) { s.at = noon.Add(5 * time.Minute) }, good},
		{"a nonce of 64 characters", func(s *sealed) { s.nonce = strings.Repeat("~", 64) }, good},

		{"too late", func(s *sealed) { s.at = noon.Add(-5*time.Minute - time.Second) }, window},
		{"too early", func(s *sealed) { s.at = noon.Add(5*time.Minute + time.Second) }, window},
		{"another secret", func(s *sealed) { s.secret = strings.Repeat("x", 32) }, wrong},
		{"a key that nobody has", func(s *sealed) { s.key = "nobody" }, wrong},
		{"the secret of another key", func(s *sealed) { s.key = "shop" }, wrong},
		{"what stands in for a secret is none", func(s *sealed) { s.key, s.secret = "nobody", string(decoy) }, wrong},
		{"nor of a key with one secret", func(s *sealed) { s.key, s.secret = "shop", string(decoy) }, wrong},
		{"another method", func(s *sealed) { s.edit = func(r *http.Request) { r.Method = http.MethodPut } }, wrong},
		{"another host", func(s *sealed) { s.edit = func(r *http.Request) { r.Host = "other.example" } }, wrong},
		{"another path", func(s *sealed) { s.edit = func(r *http.Request) { r.RequestURI = "/hooks/?id=7" } }, wrong},
		{"another query", func(s *sealed) { s.edit = func(r *http.Request) { r.RequestURI = "/hooks?id=8" } }, wrong},
		{"the same path written otherwise", func(s *sealed) { s.edit = func(r *http.Request) { r.RequestURI = "/h%6Foks?id=7" } }, wrong},
		{"another time", func(s *sealed) { s.edit = set(timestampHeader, fmt.Sprint(noon.Unix()+1)) }, wrong},
		{"another nonce", func(s *sealed) { s.edit = set(nonceHeader, "n-2") }, wrong},
		{"another body hash", func(s *sealed) { s.edit = set(contentHeader, strings.Repeat("0", 64)) }, wrong},
		{"another signature", func(s *sealed) { s.edit = set(signatureHeader, "v1="+strings.Repeat("0", 64)) }, wrong},
		{"no body, and the hash of one", func(s *sealed) { s.body, s.contentHash = "", strings.Repeat("0", 64) }, "hmac-body"},

		{"no signature", func(s *sealed) { s.edit = drop(signatureHeader) }, "no-credential"},
		{"no key", func(s *sealed) { s.edit = drop(keyHeader) }, malformed},
		{"no time", func(s *sealed) { s.edit = drop(timestampHeader) }, malformed},
		{"no nonce", func(s *sealed) { s.edit = drop(nonceHeader) }, malformed},
		{"no body hash", func(s *sealed) { s.edit = drop(contentHeader) }, malformed},
		{"two signatures", func(s *sealed) { s.edit = twice(signatureHeader) }, malformed},
		{"two nonces", func(s *sealed) { s.edit = twice(nonceHeader) }, malformed},
		{"two times", func(s *sealed) { s.edit = twice(timestampHeader) }, malformed},
		{"an empty signature", func(s *sealed) { s.edit = set(signatureHeader, "") }, malformed},
		{"another version", func(s *sealed) { s.edit = set(signatureHeader, "v2="+strings.Repeat("0", 64)) }, malformed},
		{"a short signature", func(s *sealed) { s.edit = set(signatureHeader, "v1=00") }, malformed},
		{"a signature in capitals", func(s *sealed) { s.edit = set(signatureHeader, "v1="+strings.Repeat("A", 64)) }, malformed},
		{"a signature of other letters", func(s *sealed) { s.edit = set(signatureHeader, "v1="+strings.Repeat("g", 64)) }, malformed},
		{"a nonce of 65 characters", func(s *sealed) { s.nonce = strings.Repeat("n", 65) }, malformed},
		{"a nonce with a space", func(s *sealed) { s.nonce = "a b" }, malformed},
		{"a nonce with a line feed", func(s *sealed) { s.nonce = "a\nb" }, malformed},
		{"a time with a sign", func(s *sealed) { s.timestamp = fmt.Sprintf("+%d", noon.Unix()) }, malformed},
		{"a time with zeros in front", func(s *sealed) { s.timestamp = fmt.Sprintf("0%d", noon.Unix()) }, malformed},
		{"a time with a fraction", func(s *sealed) { s.timestamp = fmt.Sprintf("%d.5", noon.Unix()) }, malformed},
		{"a time before time", func(s *sealed) { s.timestamp = "-1" }, malformed},
		{"a time in milliseconds", func(s *sealed) { s.timestamp = fmt.Sprint(noon.UnixMilli()) }, malformed},
		{"a time beyond all", func(s *sealed) { s.timestamp = "99999999999999999999999999" }, malformed},
	} {
		t.Run(c.name, func(t *testing.T) {
			// The gateway has run for a while.
			a, f := signer(t, func(o *CredentialOptions) { o.Now = func() time.Time { return noon.Add(-time.Hour) } })
			s := seal()
			c.edit(&s)
			expect(t, a, s.request(), c.want)
			if got := f.remembered()["webhooks"]; (got == 1) != (c.want == good) {
				t.Errorf("%d requests are remembered", got)
			}
		})
	}
}

func TestTarget(t *testing.T) {
	for uri, want := range map[string]string{
		"/a?b": "/a?b", "*": "*", "http://h": "/", "http://h/": "/", "http://h?b": "/?b", "http://h:1/a//b?c://d": "/a//b?c://d", "/a://b": "/a://b", "//h/a": "//h/a",
	} {
		if got := target(&http.Request{RequestURI: uri}); got != want {
			t.Errorf("%s: got %q, want %q", uri, got, want)
		}
	}
}

func TestASignedRequestPassesOnce(t *testing.T) {
	a, f := signer(t)
	expect(t, a, seal().request(), "hmac billing")
	expect(t, a, seal().request(), "hmac-replay")
	again := seal()
	again.nonce = "n-2"
	expect(t, a, again.request(), "hmac billing")
	other := seal()
	other.key, other.secret = "shop", strings.Repeat("s", 32)
	expect(t, a, other.request(), "hmac shop") // nonces are a key's own
	bad := seal()
	bad.nonce, bad.secret = "n-3", strings.Repeat("x", 32)
	expect(t, a, bad.request(), "hmac-signature")
	bad.secret = secretText
	expect(t, a, bad.request(), "hmac billing") // a wrong signature uses nothing up

	// Another version of the route knows what this one has seen, and so does another route.
	expect(t, mustNew(t, hmacPolicy(), f, nil), seal().request(), "hmac-replay")
	// And until nobody would take it any more.
	for range 5 {
		f.time.advance(time.Minute)
		expect(t, a, seal().request(), "hmac-replay")
	}
	f.time.advance(time.Second)
	expect(t, a, seal().request(), "hmac-window")
}

func TestOfTheSameRequestAtTheSameTimeOnePasses(t *testing.T) {
	a, _ := signer(t)
	for round := range 200 {
		s := seal()
		s.nonce = fmt.Sprint("round-", round)
		var passed atomic.Int32
		var senders sync.WaitGroup
		start := make(chan struct{})
		for range 2 {
			req := s.request()
			senders.Go(func() {
				<-start
				switch got := ask(a, req); got {
				case "hmac billing":
					passed.Add(1)
				case "hmac-replay":
				default:
					t.Errorf("got %q", got)
				}
			})
		}
		close(start)
		senders.Wait()
		if passed.Load() != 1 {
			t.Fatalf("round %d: %d passed", round, passed.Load())
		}
	}
}

func TestWhatWasSignedBeforeTheGatewayBeganIsRefused(t *testing.T) {
	a, _ := signer(t)
	s := seal()
	s.at = noon.Add(-time.Second)
	expect(t, a, s.request(), "hmac-window")
}

func TestAFullMemoryForgetsNothing(t *testing.T) {
	a, f := signer(t, func(o *CredentialOptions) { o.Nonces = shards })
	passed := 0
	for n := range 1000 {
		s := seal()
		s.nonce = fmt.Sprint(n)
		switch got := ask(a, s.request()); got {
		case "hmac billing":
			passed++
		case "hmac-full":
		default:
			t.Fatalf("got %q", got)
		}
	}
	if passed != shards || f.remembered()["webhooks"] != shards {
		t.Errorf("%d passed and %d are remembered, want %d", passed, f.remembered()["webhooks"], shards)
	}
	f.time.advance(5*time.Minute + 2*time.Second)
	s := seal()
	s.at = f.time.now()
	expect(t, a, s.request(), "hmac billing")
}

// server is a gateway with nothing but the check, before an instance that reads its bodies.
func server(t *testing.T, a *Authenticator) (url string, read func() (string, error)) {
	type reading struct {
		text string
		err  error
	}
	readings := make(chan reading, 1)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if _, refused := a.Authenticate(req); refused != nil {
			http.Error(w, refused.String(), refused.Status)
			return
		}
		body, err := io.ReadAll(req.Body)
		readings <- reading{string(body), err}
	}))
	t.Cleanup(s.Close)
	return s.URL, func() (string, error) { r := <-readings; return r.text, r.err }
}

func TestTheBodyIsProvenWhileItIsRead(t *testing.T) {
	large := strings.Repeat("0123456789abcdef", 10_000)
	for _, c := range []struct {
		name         string
		signed, sent string
		chunked      bool
		want         string // what is read
		wrong        bool
	}{
		{"a small one", "hello", "hello", false, "hello", false},
		{"a large one", large, large, false, large, false},
		{"one of unknown length", large, large, true, large, false},
		{"another one of the same length", "hello", "jello", false, "", true},
		{"a longer one", "hello", "hello!", false, "", true},
		{"another one of unknown length", "hello", "jello", true, "", true},
		{"a shorter one of unknown length", large, large[1:], true, "", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, _ := signer(t)
			base, read := server(t, a)
			s := seal()
			s.url, s.body = base+"/hooks", c.signed
			if got := post(t, s, c.sent, c.chunked); got != http.StatusOK {
				t.Fatal(got)
			}
			got, err := read()
			if c.wrong != errors.Is(err, ErrBody) || !c.wrong && (err != nil || got != c.want) {
				t.Errorf("read %d bytes and %v", len(got), err)
			}
			if c.wrong && !c.chunked && len(got) >= len(c.sent) {
				t.Error("all of a wrong body was read")
			}
		})
	}
}

// Behind a proxy that streams, an instance that reads a body to its end reads no wrong one.
func TestNoInstanceReadsAWrongBodyToItsEnd(t *testing.T) {
	var mu sync.Mutex
	whole := map[string]int{} // what was read to its end, by nonce
	instance := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		n, err := io.Copy(io.Discard, req.Body)
		if err == nil {
			mu.Lock()
			defer mu.Unlock()
			whole[req.Header.Get(nonceHeader)] = int(n)
		}
	}))
	to, err := url.Parse(instance.URL)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(to)
	proxy.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, err error) {
		if !errors.Is(err, ErrBody) {
			t.Errorf("the proxy failed with %v", err)
		}
		w.WriteHeader(http.StatusBadRequest)
	}
	a, _ := signer(t)
	gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if _, refused := a.Authenticate(req); refused != nil {
			http.Error(w, refused.String(), refused.Status)
			return
		}
		proxy.ServeHTTP(w, req)
	}))
	want := map[string]int{}
	for _, size := range []int{1, 100, 4 << 10, 1 << 20} {
		for _, chunked := range []bool{false, true} {
			for _, wrong := range []bool{false, true} {
				s := seal()
				s.url, s.body, s.nonce = gateway.URL+"/hooks", strings.Repeat("x", size), fmt.Sprint(size, "/chunked=", chunked, "/wrong=", wrong)
				sent, status := s.body, http.StatusOK
				if wrong {
					sent, status = sent[1:]+"y", http.StatusBadRequest
				} else {
					want[s.nonce] = size
				}
				if got := post(t, s, sent, chunked); got != status {
					t.Errorf("%s: status %d, want %d", s.nonce, got, status)
				}
			}
		}
	}
	// Closing waits for whatever is still read.
	gateway.Close()
	instance.Close()
	if !maps.Equal(whole, want) {
		t.Errorf("read to their ends were %v, want %v", whole, want)
	}
}

// post sends a body with the head of a signed request.
func post(t *testing.T, s sealed, text string, chunked bool) (status int) {
	t.Helper()
	var body io.Reader = strings.NewReader(text)
	if chunked {
		body = io.MultiReader(body)
	}
	req, err := http.NewRequest(http.MethodPost, s.url, body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header = s.request().Header
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Minute}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}

func TestProvenBody(t *testing.T) {
	const text = "the quick brown fox"
	want := sha256.Sum256([]byte(text))
	for name, slow := range map[string]func(io.Reader) io.Reader{
		"at once": func(r io.Reader) io.Reader { return r }, "byte by byte": iotest.OneByteReader, "with the end": iotest.DataErrReader,
	} {
		for _, length := range []int64{-1, int64(len(text))} {
			body := func(text string) *provenBody {
				return newProvenBody(io.NopCloser(slow(strings.NewReader(text))), length, want)
			}
			t.Run(fmt.Sprint(name, length), func(t *testing.T) {
				if got, err := io.ReadAll(body(text)); err != nil || string(got) != text {
					t.Errorf("got %q, %v", got, err)
				}
				b := body(strings.Replace(text, "fox", "fax", 1))
				got, err := io.ReadAll(b)
				if !errors.Is(err, ErrBody) || length > 0 && bytes.HasSuffix(got, []byte("x")) {
					t.Errorf("got %q, %v", got, err)
				}
				if n, err := b.Read(make([]byte, 8)); n != 0 || !errors.Is(err, ErrBody) {
					t.Errorf("after the error: %d, %v", n, err)
				}
			})
		}
	}
	t.Run("more than its length", func(t *testing.T) {
		b := newProvenBody(io.NopCloser(strings.NewReader(text+"!")), int64(len(text)), want)
		if got, err := io.ReadAll(iotest.OneByteReader(b)); !errors.Is(err, ErrBody) || string(got) != text {
			t.Errorf("got %q, %v", got, err)
		}
	})
	t.Run("one that breaks off", func(t *testing.T) {
		b := newProvenBody(io.NopCloser(io.MultiReader(strings.NewReader(text[:5]), iotest.ErrReader(io.ErrUnexpectedEOF))), int64(len(text)), want)
		if _, err := io.ReadAll(b); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("got %v", err)
		}
	})
}
