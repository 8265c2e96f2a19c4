package intake

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"
)

// The vectors were computed with openssl.
const (
	secret     = "s3cr3t"
	vector     = `{"ref":"refs/heads/main","before":"6113728f27ae82c7b1a177c8d03f9e96e0adf246","after":"0d1a26e67d8f5eaf1f6ba5c57fc3c7d91ac0fd1c","repository":{"full_name":"acme/checkout"}}`
	vectorSum  = "sha256=bd6ffbc01a151cf78acaf759dea3c46c68e10556af7970772bdc54145a94adca"
	formSum    = "sha256=5e483fd032cf0362e072c6202e29ef5888ac7bbd5d7ad8f240b8204544fdaa76"
	githubSum  = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17" // of GitHub's documentation
	githubSHA1 = "sha1=01dc10d0c83e72ed246219cdd91669667fe2ca59"
)

func signed(secret, body string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(body))
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

func newSource(t testing.TB, f *fixture) *Webhook {
	t.Helper()
	source, err := NewGitHub([]string{secret}, f.inbox, f.Router, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return source
}

// delivery is a request as GitHub makes it, correct until a test changes it.
type delivery struct {
	target string
	header http.Header
	body   io.Reader
}

func newDelivery(body, signature string) *delivery {
	return &delivery{
		target: "/webhooks/github",
		header: http.Header{
			"Content-Type":        {"application/json"},
			"X-Github-Event":      {"push"},
			"X-Github-Delivery":   {"72d3162e-cc78-11e3-81ab-4c9367dc0958"},
			"X-Hub-Signature-256": {signature},
		},
		body: strings.NewReader(body),
	}
}

// to delivers, and checks that the answer is JSON with a message.
func (d *delivery) to(t testing.TB, h http.Handler) (int, Answer) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, d.target, d.body)
	r.Header = maps.Clone(d.header)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	var answer Answer
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || answer.Message == "" || w.Header().Get("Content-Type") != "application/json" {
		t.Errorf("the answer is %q (%v), want JSON with a message", w.Body, err)
	}
	return w.Code, answer
}

func TestASourceNeedsASecret(t *testing.T) {
	f := newFixture(t)
	for _, secret := range []string{"", " \n"} {
		if _, err := NewGitHub([]string{secret}, f.inbox, f.Router, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "github.secret") {
			t.Errorf("with the secret %q: %v, want an error that names the setting", secret, err)
		}
	}
}

func TestGitHubsOwnSignatureVector(t *testing.T) {
	const secret, body = "It's a Secret to Everybody", "Hello, World!"
	sum, err := signature(githubSum)
	if err != nil || !sum.fits([]byte(secret), []byte(body)) {
		t.Errorf("GitHub's own vector does not fit: %v", err)
	}
	if _, err := signature(githubSHA1); err == nil {
		t.Error("a SHA-1 signature is read")
	}
}

func TestADeliveryIsVerifiedAndStored(t *testing.T) {
	form := "payload=" + url.QueryEscape(vector)
	for _, tt := range []struct {
		name   string
		change func(d *delivery)
		want   int
		says   string
		stored string // the stored body; empty when nothing is
	}{
		{"the vector", func(*delivery) {}, http.StatusAccepted, "stored", vector},
		{"a charset beside the type", func(d *delivery) { d.header.Set("Content-Type", "application/json; charset=utf-8") }, http.StatusAccepted, "stored", vector},
		{"the form vector", func(d *delivery) {
			d.body, d.header["X-Hub-Signature-256"] = strings.NewReader(form), []string{formSum}
			d.header.Set("Content-Type", "application/x-www-form-urlencoded")
		}, http.StatusAccepted, "stored", vector},
		{"an event that means nothing yet", func(d *delivery) { d.header.Set("X-GitHub-Event", "workflow_run") }, http.StatusAccepted, "stored", vector},
		{"a ping", func(d *delivery) { d.header.Set("X-GitHub-Event", "ping") }, http.StatusOK, "pong", ""},
		{"one byte changed", func(d *delivery) { d.body = strings.NewReader(strings.Replace(vector, "main", "maim", 1)) }, http.StatusUnauthorized, "same secret", ""},
		{"one byte more", func(d *delivery) { d.body = strings.NewReader(vector + "\n") }, http.StatusUnauthorized, "same secret", ""},
		{"another secret", func(d *delivery) { d.sign("other", vector) }, http.StatusUnauthorized, "same secret", ""},
		{"the empty secret", func(d *delivery) { d.sign("", vector) }, http.StatusUnauthorized, "same secret", ""},
		{"a signed ping of somebody else", func(d *delivery) { d.header.Set("X-GitHub-Event", "ping"); d.sign("other", vector) }, http.StatusUnauthorized, "same secret", ""},
		{"no signature", func(d *delivery) { d.header.Del("X-Hub-Signature-256") }, http.StatusUnauthorized, "missing", ""},
		{"SHA-1 only", func(d *delivery) {
			d.header.Del("X-Hub-Signature-256")
			d.header.Set("X-Hub-Signature", githubSHA1)
		}, http.StatusUnauthorized, "SHA-1", ""},
		{"SHA-1 in the place of SHA-256", func(d *delivery) { d.header.Set("X-Hub-Signature-256", githubSHA1) }, http.StatusUnauthorized, "SHA-1", ""},
		{"a signature that is cut", func(d *delivery) { d.header.Set("X-Hub-Signature-256", vectorSum[:len(vectorSum)-2]) }, http.StatusUnauthorized, "64 hexadecimal", ""},
		{"a signature that is no number", func(d *delivery) { d.header.Set("X-Hub-Signature-256", "sha256="+strings.Repeat("z", 64)) }, http.StatusUnauthorized, "64 hexadecimal", ""},
		{"a body over the limit", func(d *delivery) { d.body = io.LimitReader(zeros{}, bodyLimit+1) }, http.StatusRequestEntityTooLarge, "larger than 26214400 bytes", ""},
		{"a body that breaks off", func(d *delivery) { d.body = iotest.ErrReader(io.ErrUnexpectedEOF) }, http.StatusRequestTimeout, "deliver it again", ""},
		{"no JSON", func(d *delivery) { d.body = strings.NewReader("Hello"); d.sign(secret, "Hello") }, http.StatusBadRequest, "not JSON", ""},
		{"no body", func(d *delivery) { d.body = http.NoBody; d.sign(secret, "") }, http.StatusBadRequest, "not JSON", ""},
		{"a push that lacks what a release needs", func(d *delivery) { d.body = strings.NewReader("{}"); d.sign(secret, "{}") }, http.StatusBadRequest, "ref is", ""},
		{"a form without its field", func(d *delivery) {
			d.body, d.header["Content-Type"] = strings.NewReader("load=1"), []string{"application/x-www-form-urlencoded"}
			d.sign(secret, "load=1")
		}, http.StatusBadRequest, "no field payload", ""},
		{"a form that is none", func(d *delivery) {
			d.body, d.header["Content-Type"] = strings.NewReader("payload=%zz"), []string{"application/x-www-form-urlencoded"}
			d.sign(secret, "payload=%zz")
		}, http.StatusBadRequest, "form cannot be read", ""},
		{"another content type", func(d *delivery) { d.header.Set("Content-Type", "text/plain") }, http.StatusUnsupportedMediaType, "application/json", ""},
		{"no content type", func(d *delivery) { d.header.Del("Content-Type") }, http.StatusUnsupportedMediaType, "application/json", ""},
		{"no delivery", func(d *delivery) { d.header.Del("X-GitHub-Delivery") }, http.StatusBadRequest, "X-GitHub-Delivery", ""},
		{"a delivery that is too long", func(d *delivery) { d.header.Set("X-GitHub-Delivery", strings.Repeat("x", 129)) }, http.StatusBadRequest, "X-GitHub-Delivery", ""},
		{"a delivery that is no text", func(d *delivery) { d.header.Set("X-GitHub-Delivery", "\xff\xfe") }, http.StatusBadRequest, "X-GitHub-Delivery", ""},
		{"no event", func(d *delivery) { d.header.Del("X-GitHub-Event") }, http.StatusBadRequest, "X-GitHub-Event", ""},
		{"an event with spaces", func(d *delivery) { d.header.Set("X-GitHub-Event", "p u s h") }, http.StatusBadRequest, "X-GitHub-Event", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t)
			d := newDelivery(vector, vectorSum)
			tt.change(d)
			status, answer := d.to(t, newSource(t, f))
			if status != tt.want || !strings.Contains(answer.Message, tt.says) {
				t.Errorf("answer = %d %q, want %d with %q", status, answer.Message, tt.want, tt.says)
			}
			if stored := f.inbox.count() == 1; stored != (tt.stored != "") || f.inbox.count() > 1 {
				t.Fatalf("%d events stored", f.inbox.count())
			}
			if tt.stored == "" {
				if answer.Event != 0 {
					t.Errorf("the answer names event %d, and none is stored", answer.Event)
				}
				return
			}
			got := f.inbox.events[answer.Event]
			if got.Source != "github" || got.Delivery != d.header.Get("X-GitHub-Delivery") || got.Kind != d.header.Get("X-GitHub-Event") ||
				string(got.Body) != tt.stored || got.ReceivedAt.IsZero() || got.ReceivedAt.Location() != time.UTC {
				t.Errorf("stored %+v", got)
			}
		})
	}
}

func (d *delivery) sign(secret, body string) {
	d.header.Set("X-Hub-Signature-256", signed(secret, body))
}

// zeros is a body without an end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

func TestAnUnsignedBodyIsNotRead(t *testing.T) {
	d := newDelivery(vector, githubSHA1)
	body := strings.NewReader(vector)
	d.body = body
	if status, _ := d.to(t, newSource(t, newFixture(t))); status != http.StatusUnauthorized || body.Len() != len(vector) {
		t.Errorf("status %d, %d bytes read; want none", status, len(vector)-body.Len())
	}
}

func TestADeliveryThatComesTwiceIsStoredOnce(t *testing.T) {
	f := newFixture(t)
	source := newSource(t, f)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if status, answer := newDelivery(vector, vectorSum).to(t, source); status != http.StatusAccepted || answer.Event != 1 {
				t.Errorf("answer = %d %+v, want event 1", status, answer)
			}
		})
	}
	wg.Wait()
	f.once(t)
	d := newDelivery(vector, vectorSum)
	d.target += "?wait=1s"
	status, answer := d.to(t, source)
	if want := (Answer{Event: 1, Duplicate: true, Outcome: Started, Message: "release acme/checkout/production/1 has started"}); status != http.StatusAccepted || answer != want {
		t.Errorf("answer = %d %+v, want %+v", status, answer, want)
	}
	f.once(t)
	if f.inbox.count() != 1 || len(f.lanes.requests) != 1 {
		t.Errorf("%d events, %d requests; want one of each", f.inbox.count(), len(f.lanes.requests))
	}
}

func TestAStoreThatIsAwayMeansLater(t *testing.T) {
	f := newFixture(t)
	var logged bytes.Buffer
	source, err := NewGitHub([]string{secret}, f.inbox, f.Router, slog.New(slog.NewTextHandler(&logged, nil)))
	if err != nil {
		t.Fatal(err)
	}
	f.inbox.failing("accept")
	status, answer := newDelivery(vector, vectorSum).to(t, source)
	if status != http.StatusServiceUnavailable || answer.Event != 0 || strings.Contains(answer.Message, errAway.Error()) {
		t.Errorf("answer = %d %+v, want 503 without our insides", status, answer)
	}
	if !strings.Contains(logged.String(), errAway.Error()) || strings.Contains(logged.String(), secret) {
		t.Errorf("logged %q, want why, and no secret", &logged)
	}
	f.once(t)
	if f.inbox.count() != 0 || len(f.lanes.requests) != 0 || len(f.wake) != 0 {
		t.Errorf("something was done of an event that was not stored")
	}
	f.inbox.failing("")
	if status, answer := newDelivery(vector, vectorSum).to(t, source); status != http.StatusAccepted || answer.Duplicate {
		t.Errorf("delivered again: %d %+v, want it stored as new", status, answer)
	}
}

func TestAnAnswerWaitsAsLongAsTheSenderAsks(t *testing.T) {
	const refused = "no application is released from acme/unheard"
	unheard := strings.Replace(vector, "acme/checkout", "acme/unheard", 1)
	for _, tt := range []struct {
		name, query, body string
		hang              bool
		want              time.Duration
		outcome           OutcomeKind
		says              string
	}{
		{"the outcome ends the wait", "?wait=3s", vector, false, 0, Started, "has started"},
		{"a refusal is told, and stored all the same", "?wait=3s", unheard, false, 0, Refused, refused},
		{"no outcome in time", "?wait=3s", vector, true, 3 * time.Second, "", "stored"},
		{"nobody waits longer than the limit", "?wait=1h", vector, true, waitLimit, "", "stored"},
		{"no wait", "", vector, true, 0, "", "stored"},
		{"a wait that cannot be read is none", "?wait=long", vector, true, 0, "", "stored"},
		{"a wait below nothing is none", "?wait=-1s", vector, true, 0, "", "stored"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				if tt.hang {
					f.manifests = func(ctx context.Context, _ string) (Routes, error) {
						<-ctx.Done()
						return Routes{}, ctx.Err()
					}
				}
				ctx, stop := context.WithCancel(t.Context())
				defer stop()
				go func() { _ = f.Run(ctx) }()
				synctest.Wait() // it has found nothing, and is woken or waits for the next tick
				d := newDelivery(tt.body, signed(secret, tt.body))
				d.target += tt.query
				begun := time.Now()
				status, answer := d.to(t, newSource(t, f))
				if took := time.Since(begun); took != tt.want {
					t.Errorf("answered after %s, want %s", took, tt.want)
				}
				if status != http.StatusAccepted || answer.Outcome != tt.outcome || !strings.Contains(answer.Message, tt.says) {
					t.Errorf("answer = %d %+v, want %q with %q", status, answer, tt.outcome, tt.says)
				}
			})
		})
	}
}

func TestAnOutcomeThatCannotBeReadIsNoReasonToDeliverAgain(t *testing.T) {
	f := newFixture(t)
	f.inbox.failing("outcome")
	d := newDelivery(vector, vectorSum)
	d.target += "?wait=1s"
	if status, answer := d.to(t, newSource(t, f)); status != http.StatusAccepted || answer.Event != 1 || answer.Outcome != "" {
		t.Errorf("answer = %d %+v, want it stored", status, answer)
	}
}

func TestOverAConnection(t *testing.T) {
	f := newFixture(t)
	server := httptest.NewServer(newSource(t, f))
	defer server.Close()
	for _, tt := range []struct {
		name string
		body io.Reader
		want int
	}{
		{"the vector", strings.NewReader(vector), http.StatusAccepted},
		{"a body over the limit", io.LimitReader(zeros{}, bodyLimit+1), http.StatusRequestEntityTooLarge},
	} {
		t.Run(tt.name, func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, tt.body)
			if err != nil {
				t.Fatal(err)
			}
			req.Header = newDelivery(vector, vectorSum).header
			resp, err := server.Client().Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = resp.Body.Close() }()
			if resp.StatusCode != tt.want {
				t.Errorf("status = %d, want %d", resp.StatusCode, tt.want)
			}
		})
	}
}

func FuzzWebhook(f *testing.F) {
	form := "payload=" + url.QueryEscape(vector)
	f.Add([]byte(vector), vectorSum, false, "application/json", "push", "d1")
	f.Add([]byte(form), formSum, false, "application/x-www-form-urlencoded", "push", "d1")
	f.Add([]byte(vector), githubSHA1, false, "application/json; charset=utf-8", "ping", "d1")
	f.Add([]byte("Hello, World!"), githubSum, true, "text/plain", "workflow_run", "d\x00")
	f.Add([]byte(`{"ref":"refs/heads/main","repository":null}`), "sha256=", true, "application/json", "push", "")
	f.Fuzz(func(t *testing.T, body []byte, sum string, sign bool, contentType, kind, name string) {
		if sign {
			sum = signed(secret, string(body))
		}
		inbox := newInbox()
		router := NewRouter(Parts{Inbox: inbox, Applications: &registry{}, Submitter: newLanes(), Log: slog.New(slog.DiscardHandler)})
		source, err := NewGitHub([]string{secret}, inbox, router, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/webhooks/github", bytes.NewReader(body))
		r.Header = http.Header{"Content-Type": {contentType}, "X-Github-Event": {kind}, "X-Github-Delivery": {name}, "X-Hub-Signature-256": {sum}}
		w := httptest.NewRecorder()
		source.ServeHTTP(w, r)

		accepted := w.Code >= 200 && w.Code < 300
		if right := strings.EqualFold(sum, signed(secret, string(body))); accepted && !right || !right && w.Code != http.StatusUnauthorized {
			t.Errorf("answer %d to a delivery whose signature is right: %t", w.Code, right)
		}
		if stored := inbox.count() == 1; stored != (w.Code == http.StatusAccepted) {
			t.Errorf("answer %d, stored: %t", w.Code, stored)
		}
		if !json.Valid(w.Body.Bytes()) {
			t.Errorf("the answer is not JSON: %q", w.Body)
		}
		// Whatever was accepted gets its outcome: nothing is away, so nothing may be left.
		if err := router.Once(t.Context()); err != nil {
			t.Fatal(err)
		}
		if left, err := inbox.Pending(t.Context(), time.Now().Add(time.Hour), 1); len(left) > 0 || err != nil {
			t.Errorf("left without an outcome: %+v, %v", left, err)
		}
	})
}

// Anybody may begin a delivery, and what has come of it is kept until it is whole.
func TestABodyThatNeverEndsIsNotWaitedFor(t *testing.T) {
	source := newSource(t, newFixture(t))
	source.patience = 50 * time.Millisecond
	server := httptest.NewServer(source)
	defer server.Close()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, "POST /webhooks/github HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\nX-Hub-Signature-256: sha256="+
		strings.Repeat("0", 64)+"\r\n\r\nand no more"); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 408 ") {
		t.Errorf("got %q, %v", answer, err)
	}
}
