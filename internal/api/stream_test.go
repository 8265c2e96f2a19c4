package api_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	cloudevents "github.com/cloudevents/sdk-go/v2"

	"github.com/skyisland/skyisland/internal/api"
	"github.com/skyisland/skyisland/internal/api/apitest"
	"github.com/skyisland/skyisland/internal/api/client"
	"github.com/skyisland/skyisland/internal/events"
	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/internal/store"
	"github.com/skyisland/skyisland/internal/store/storetest"
)

// told is one event of a stream as it is on the wire.
type told struct{ id, event, data string }

// hear reads events of a stream, without what only moves the place on, until there are so many.
func hear(t *testing.T, lines *bufio.Scanner, n int) (out []told) {
	t.Helper()
	next := told{}
	for len(out) < n && lines.Scan() {
		field, value, _ := strings.Cut(lines.Text(), ": ")
		switch field {
		case "":
			if next.data != "" {
				out = append(out, next)
			}
			next = told{id: next.id}
		case "id":
			next.id = value
		case "event":
			next.event = value
		case "data":
			next.data = value
		}
	}
	if len(out) < n {
		t.Fatalf("the stream ended after %+v, %v", out, lines.Err())
	}
	return out
}

// stream opens a stream, from after the event of an id unless that is empty.
func stream(t *testing.T, url, last string) *bufio.Scanner {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+apitest.Reader)
	if last != "" {
		req.Header.Set("Last-Event-ID", last)
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = res.Body.Close() })
	if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("%s is answered %s, %s", url, res.Status, res.Header.Get("Content-Type"))
	}
	return bufio.NewScanner(res.Body)
}

func happen(t *testing.T, i *apitest.Installation, about release.ID, kind release.EntryKind) {
	t.Helper()
	if err := i.Happen(about, release.Entry{Kind: kind, Phase: release.Ramping, Message: "a\nb", At: time.Unix(0, 0)}); err != nil {
		t.Fatal(err)
	}
}

func TestTheStreamTellsWhatHappensFromWhereTheClientWas(t *testing.T) {
	i := apitest.New()
	server := i.Start(t, api.Info{})
	of := func(application string, number int) release.ID {
		return release.ID{Lane: release.Lane{Tenant: "demo", Application: application, Environment: "production"}, Number: number}
	}
	for n := range 5 {
		happen(t, i, of("hello", n+1), release.EntryPhase)
	}
	sequences := func(all []told) string {
		var out []string
		for _, one := range all {
			out = append(out, one.id)
		}
		return strings.Join(out, " ")
	}
	const path = "/api/v1/events/stream"
	now := stream(t, server+path, "")
	for _, test := range []struct {
		name, path, last string
		want             string
	}{
		{"from the oldest", path + "?after=0", "", "1 2 3 4 5"},
		{"from a sequence", path + "?after=2", "", "3 4 5"},
		{"from where the connection was lost", path + "?after=0", "3", "4 5"},
		{"by the name of the issue", "/api/events?after=1", "", "2 3 4 5"},
		{"of a release", path + "?after=0&release=demo/hello/production/3", "", "3"},
		{"of types", path + "?after=0&type=dev.skyisland.alarm.v1,*.phase.v1&application=hello&tenant=demo&environment=production", "", "1 2 3 4 5"},
	} {
		got := hear(t, stream(t, server+test.path, test.last), len(strings.Fields(test.want)))
		if sequences(got) != test.want {
			t.Errorf("%s: %s, want %s", test.name, sequences(got), test.want)
		}
		var event cloudevents.Event
		if err := json.Unmarshal([]byte(got[0].data), &event); err != nil || event.Validate() != nil || event.Type() != got[0].event {
			t.Errorf("%s: %+v is no CloudEvent of its type: %v", test.name, got[0], err)
		}
	}
	shop := stream(t, server+path+"?application=shop", "")
	happen(t, i, of("hello", 6), release.EntryStep)
	happen(t, i, of("shop", 1), release.EntryStep)
	if got := sequences(hear(t, now, 2)); got != "6 7" {
		t.Errorf("from now on: %s, want 6 7", got)
	}
	if got := sequences(hear(t, shop, 1)); got != "7" {
		t.Errorf("of the shop: %s, want 7", got)
	}

	i.PruneEvents(4)
	got := hear(t, stream(t, server+path, "2"), 2)
	var gap api.Gap
	if err := json.Unmarshal([]byte(got[0].data), &gap); err != nil || got[0].event != api.EventGap || got[0].id != "4" || gap.After != 2 || gap.Until != 4 || got[1].id != "5" {
		t.Errorf("after what is kept no longer: %+v, %v", got, err)
	}
	if got := sequences(hear(t, stream(t, server+path+"?after=0", ""), 3)); got != "5 6 7" {
		t.Errorf("from the oldest that is kept: %s, want no gap and 5 6 7", got)
	}
	i.PruneEvents(3)
	if got := hear(t, stream(t, server+path, "5"), 1); got[0].event != api.EventGap || got[0].id != "7" {
		t.Errorf("after the last that is kept: %+v", got)
	}
}

func TestAStreamThatCannotBeIsRefused(t *testing.T) {
	const limited = "of-mine-only-0123456789"
	i := apitest.New()
	i.AddToken(api.Token{Name: "mia", Token: limited, Tenants: []string{"mine"}})
	server := i.Start(t, api.Info{})
	for query, want := range map[string]string{
		"?after=-1":       `after="-1": want the sequence of an event, or 0`,
		"?after=soon":     `after="soon": want the sequence`,
		"?after=1":        "after=1 is beyond what has happened, which is 0",
		"?type=nothing":   `types: no event is a "nothing": there are dev.skyisland.release.phase.v1`,
		"?tenant=A":       `tenants: "A" is not a name`,
		"?release=demo":   `"demo" is not a release`,
		"?kind=phase":     `there is no parameter "kind" here`,
		"?after=0&type=[": `types: "[" is no pattern`,
	} {
		got := ask(t, apitest.Reader, http.MethodGet, server+"/api/events"+query, "")
		if got.status != http.StatusBadRequest || !strings.Contains(got.body, strings.ReplaceAll(want, `"`, `\"`)) {
			t.Errorf("%s: %d %s, want %s", query, got.status, got.body, want)
		}
	}
	for query, want := range map[string]string{
		"?tenant=mine,other":               `there is no tenant \"other\" for this token: it is for mine`,
		"?release=other/shop/production/1": "there is no release other/shop/production/1",
	} {
		for _, path := range []string{"/api/events", "/api/v1/events/stream"} {
			if got := ask(t, limited, http.MethodGet, server+path+query, ""); got.status != http.StatusNotFound || !strings.Contains(got.body, want) {
				t.Errorf("%s of another tenant: %d %s, want %s", path+query, got.status, got.body, want)
			}
		}
	}
	if got := ask(t, "", http.MethodGet, server+"/api/events", ""); got.status != http.StatusUnauthorized {
		t.Errorf("without a token: %d", got.status)
	}
	if got := ask(t, "", http.MethodGet, server+events.SchemaPath, ""); got.status != http.StatusOK || !strings.Contains(got.body, "What an event of Sky Island says") {
		t.Errorf("the schema: %d %s", got.status, got.body)
	}
}

// In a bubble the clock goes on when everybody waits.
func TestAStreamBeatsAndIsBoundedAndEndsWithTheServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := apitest.New()
		server, err := i.Server(api.Info{})
		if err != nil {
			t.Fatal(err)
		}
		const most = 250
		answers := make([]*httptest.ResponseRecorder, most)
		var running sync.WaitGroup
		request := func() *http.Request {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/api/events?application=other", http.NoBody)
			r.Header.Set("Authorization", "Bearer "+apitest.Reader)
			return r
		}
		for n := range answers {
			answers[n] = httptest.NewRecorder()
			running.Go(func() { server.Handler().ServeHTTP(answers[n], request()) })
		}
		synctest.Wait()
		over := httptest.NewRecorder()
		server.Handler().ServeHTTP(over, request())
		if over.Code != http.StatusServiceUnavailable || over.Header().Get("Retry-After") == "" {
			t.Errorf("one more is answered %d %s", over.Code, over.Body)
		}
		happen(t, i, release.ID{Lane: release.Lane{Tenant: "demo", Application: "hello", Environment: "production"}, Number: 1}, release.EntryPhase)
		time.Sleep(16 * time.Second) //nolint:forbidigo // the clock is the bubble's
		server.Close()
		running.Wait()
		for _, answer := range answers {
			if got := answer.Body.String(); got != "retry: 2000\nid: 0\n\n: still here\nid: 1\n\n" {
				t.Fatalf("a stream said %q, want where it begins and a beat that moves its place", got)
			}
		}
		after := httptest.NewRecorder()
		server.Handler().ServeHTTP(after, request())
		if got := after.Body.String(); got != "retry: 2000\nid: 1\n\n" {
			t.Errorf("after the end a stream said %q", got)
		}
	})
}

// stuck is a client that takes nothing more.
type stuck struct {
	*httptest.ResponseRecorder

	until time.Time
}

func (s *stuck) SetWriteDeadline(at time.Time) error { s.until = at; return nil }

func (s *stuck) Write([]byte) (int, error) {
	time.Sleep(time.Until(s.until)) //nolint:forbidigo // the clock is the bubble's
	return 0, os.ErrDeadlineExceeded
}

func TestAClientThatTakesNothingIsCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, err := apitest.New().Server(api.Info{})
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/api/events", http.NoBody)
		r.Header.Set("Authorization", "Bearer "+apitest.Reader)
		began := time.Now()
		server.Handler().ServeHTTP(&stuck{ResponseRecorder: httptest.NewRecorder()}, r)
		if took := time.Since(began); took <= 0 || took > time.Minute {
			t.Errorf("it was cut after %s", took)
		}
	})
}

// outbox is the store in the words of a feed.
type outbox struct{ *store.Store }

func (o outbox) Happened(ctx context.Context, after int64, most int) ([]events.Entry, error) {
	kept, err := o.Store.Happened(ctx, after, most)
	out := make([]events.Entry, len(kept))
	for i, entry := range kept {
		out[i] = events.Entry(entry)
	}
	return out, err
}

func TestAStreamThatIsCutAgainAndAgainTellsEachEventOnceAndInOrder(t *testing.T) {
	for name, dsn := range map[string]func(t *testing.T) string{
		"sqlite":   func(t *testing.T) string { return filepath.Join(t.TempDir(), "store.db") },
		"postgres": func(t *testing.T) string { return storetest.Schema(t) },
	} {
		t.Run(name, func(t *testing.T) {
			const releases, each, stages = 3, 400, 4
			kept, err := store.Open(t.Context(), dsn(t))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = kept.Close() })
			feed := events.NewFeed(outbox{kept}, events.Installation{URL: "http://sky.example"}, nil)
			ctx, cancel := context.WithCancel(t.Context())
			var running sync.WaitGroup
			running.Go(func() { feed.Run(ctx) })
			t.Cleanup(func() { cancel(); running.Wait() })
			i := apitest.New()
			i.KnowHappenings(feed)
			server, err := i.Server(api.Info{})
			if err != nil {
				t.Fatal(err)
			}
			web := httptest.NewServer(server.Handler())
			t.Cleanup(func() { server.Close(); web.Close() })

			// The events are written in stages, each once the streams have been cut for another time: so none of them can
			// have all events under way before it is cut.
			var working, writing sync.WaitGroup
			cut := make([]chan struct{}, stages)
			for stage := range cut {
				cut[stage] = make(chan struct{})
			}
			for number := 1; number <= releases; number++ {
				writing.Go(func() {
					for n := 1; n <= each; n++ {
						id := release.ID{Lane: release.Lane{Tenant: "demo", Application: "hello", Environment: "production"}, Number: number}
						entry := release.Entry{Number: n, At: time.Unix(int64(n), 0), Kind: release.EntryPhase, Message: fmt.Sprint(n)}
						if err := kept.SaveProgress(t.Context(), release.Summary{ID: id, Updated: entry.At}, []release.Entry{entry}); err != nil {
							t.Error(err)
						}
						feed.Kick()
						if n%(each/stages) == 0 && n < each {
							select {
							case <-cut[n/(each/stages)]:
							case <-time.After(time.Minute):
								t.Error("the streams are not cut")
								return
							}
						}
					}
				})
			}
			var mu sync.Mutex
			interrupted := 0
			for range 3 {
				working.Go(func() {
					c, err := client.New(web.URL, apitest.Reader)
					if err != nil {
						t.Error(err)
						return
					}
					var oldest, last int64
					for event, err := range c.Stream(t.Context(), client.StreamQuery{After: &oldest}) {
						if err != nil {
							var retry *client.RetryError
							if !errors.As(err, &retry) {
								t.Errorf("the stream ended: %v", err)
								return
							}
							mu.Lock()
							if interrupted++; interrupted < stages {
								close(cut[interrupted])
							}
							mu.Unlock()
							continue
						}
						if event.Gap != nil || event.Sequence != last+1 || !strings.Contains(string(event.JSON), fmt.Sprintf(`"sequence":"%020d"`, event.Sequence)) {
							t.Errorf("%d follows on %d: %s", event.Sequence, last, event.JSON)
							return
						}
						if last = event.Sequence; last == releases*each {
							return
						}
						if last%(releases*each/stages) == 0 {
							web.CloseClientConnections()
						}
					}
				})
			}
			writing.Wait()
			working.Wait()
			if interrupted < stages-1 {
				t.Errorf("the streams were cut %d times, want at least %d", interrupted, stages-1)
			}
		})
	}
}
