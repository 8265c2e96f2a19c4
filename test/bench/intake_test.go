package bench_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/skyisland/skyisland/internal/intake"
	"github.com/skyisland/skyisland/internal/store"
	"github.com/skyisland/skyisland/internal/store/storetest"
)

const (
	intakeSecret = "the secret of the benchmark's webhook"
	// intakeBar is how long a delivery may take to be acknowledged at the most of a hundredth.
	intakeBar = 50 * time.Millisecond
	// pushRepositories is how many repositories are pushed to.
	pushRepositories = 500
)

// benchIntake measures signed pushes that come at their times, whatever becomes of those before: from when each was due
// until its acknowledgement was read. The webhook, the store and the router that settles events meanwhile are the
// program's own, in a process of their own.
func benchIntake(b *testing.B, r *report) {
	b.Run("sqlite", func(b *testing.B) { benchIntakeOn(b, r, "SQLite", filepath.Join(b.TempDir(), "store.db")) })
	b.Run("postgres", func(b *testing.B) { benchIntakeOn(b, r, "PostgreSQL", storetest.Schema(b)) })
}

func benchIntakeOn(b *testing.B, r *report, name, dsn string) {
	db, err := store.Open(b.Context(), dsn)
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, db.Close()) })
	server := startProcess(b, roleIntake, storeVariable+"="+dsn)
	sent := *intakeRate * int(intakeFor.Seconds())
	began := server.cpu(b)
	took, failed := deliverAtRate(b, server.Addr, sent, *intakeRate)
	cpu := server.cpu(b) - began
	stored, handedOn := 0, 0
	seen := map[string]bool{}
	for before := ""; ; {
		page, next, err := db.Events(b.Context(), store.EventFilter{Limit: 500, Before: before})
		require.NoError(b, err)
		for _, event := range page {
			stored++
			seen[event.Delivery] = true
			if event.Outcome.Kind != "" {
				handedOn++
			}
		}
		if before = next; next == "" {
			break
		}
	}
	p99 := quantile(took, 0.99)
	r.judge(fmt.Sprintf("intake on %s: %d signed pushes a second for %s, acknowledged", name, *intakeRate, *intakeFor), "p99 < 50 ms", p99 < intakeBar && len(failed) == 0,
		"p50 %.1f ms, p99 %.1f ms, most %.1f ms", ms(median(took)), ms(p99), ms(quantile(took, 1)))
	r.judge("the same, stored once", "all", len(seen) == sent && stored == sent,
		"%d of %d; %d had their outcome at the end; %.0f µs of processor time each", len(seen), sent, handedOn, us(cpu)/float64(sent))
	if len(failed) > 0 {
		r.note("Of %d deliveries on %s %d were not acknowledged, the first because: %v", sent, name, len(failed), failed[0])
	}
	b.ReportMetric(ms(median(took)), "p50-ms")
	b.ReportMetric(ms(p99), "p99-ms")
	b.ReportMetric(0, "ns/op")
}

// deliverAtRate sends so many pushes, so many a second, and returns what each took, and why some failed. Nobody waits for the one before, so a
// server that stands still is asked as often as one that does not.
func deliverAtRate(b *testing.B, addr string, count, rate int) (took []time.Duration, failed []error) {
	b.Helper()
	pushes := signedPushes()
	idle := &idleCallers{addr: addr}
	defer idle.close()
	send := func(n int) error {
		push := pushes[n%len(pushes)]
		c := idle.take()
		defer idle.give(c)
		c.request = fmt.Appendf(c.request[:0], "POST /webhooks/github HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nX-GitHub-Event: push\r\n"+
			"X-GitHub-Delivery: bench-%d\r\nX-Hub-Signature-256: %s\r\nContent-Length: %d\r\n\r\n", addr, n, push.signature, len(push.body))
		c.request = append(c.request, push.body...)
		got := c.ask()
		if got.err == nil && got.status != http.StatusAccepted {
			return fmt.Errorf("status %d", got.status)
		}
		return got.err
	}
	var (
		wait  sync.WaitGroup
		fails = make([]error, count)
	)
	took = make([]time.Duration, count)
	began := time.Now()
	every := time.Second / time.Duration(rate)
	for n := range count {
		due := began.Add(time.Duration(n) * every)
		if early := time.Until(due); early > 0 {
			<-time.After(early)
		}
		wait.Go(func() {
			fails[n] = send(n)
			took[n] = time.Since(due)
		})
	}
	wait.Wait()
	for _, err := range fails {
		if err != nil {
			failed = append(failed, err)
		}
	}
	return took, failed
}

// idleCallers are the connections that nobody waits for: the one that was used last is used next.
type idleCallers struct {
	addr string
	mu   sync.Mutex
	idle []*caller
}

func (i *idleCallers) take() *caller {
	i.mu.Lock()
	defer i.mu.Unlock()
	if n := len(i.idle); n > 0 {
		c := i.idle[n-1]
		i.idle = i.idle[:n-1]
		return c
	}
	return &caller{addr: i.addr}
}

func (i *idleCallers) give(c *caller) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.idle = append(i.idle, c)
}

func (i *idleCallers) close() { closeAll(i.idle) }

// signedPush is the body of a push and its signature.
type signedPush struct {
	body      []byte
	signature string
}

// signedPushes are pushes to many repositories, so that the router has as many lines to work on.
func signedPushes() []signedPush {
	out := make([]signedPush, pushRepositories)
	for n := range out {
		body := pushBody(fmt.Sprintf("bench/unknown-%d", n))
		sum := hmac.New(sha256.New, []byte(intakeSecret))
		_, _ = sum.Write(body)
		out[n] = signedPush{body, "sha256=" + hex.EncodeToString(sum.Sum(nil))}
	}
	return out
}

// pushBody is a push event with as many fields as GitHub's: addresses of the repository and of its owner, and commits with
// their files.
func pushBody(repository string) []byte {
	head := strings.Repeat("b", 40)
	var links, commits strings.Builder
	for n := range 60 {
		fmt.Fprintf(&links, `,"link_%d_url":"https://api.github.com/repos/%s/things%d{/sha}"`, n, repository, n)
	}
	for n := range 5 {
		fmt.Fprintf(&commits, `{"id":"%040d","tree_id":%q,"distinct":true,"message":"Change number %d of what is served\n\nAnd say why.","timestamp":"2026-11-28T01:02:03+01:00",`+
			`"url":"https://github.com/%s/commit/%s","author":{"name":"Ada","email":"ada@example.com","username":"ada"},`+
			`"committer":{"name":"Ada","email":"ada@example.com","username":"ada"},"added":[],"removed":[],"modified":["internal/served/what.go","internal/served/what_test.go"]},`,
			n, head, n, repository, head)
	}
	return fmt.Appendf(nil, `{"ref":"refs/heads/main","before":"%040d","after":%q,"repository":{"id":1,"full_name":%q%s,"pushed_at":1764291723},"pusher":{"name":"ada"},`+
		`"sender":{"login":"ada"},"created":false,"deleted":false,"forced":false,"commits":[%s],"head_commit":{"id":%q,"message":"Change what is served"}}`,
		1, head, repository, links.String(), strings.TrimSuffix(commits.String(), ","), head)
}

// serveIntake is the webhook with its store and its router. Nobody registered the repository, so that the router refuses
// every event, and settles it in the store meanwhile.
func serveIntake(ctx context.Context, listener net.Listener, dsn string, ended chan<- error) error {
	db, err := store.Open(ctx, dsn)
	if err != nil {
		return err
	}
	log := slog.New(slog.DiscardHandler)
	box := benchInbox{db}
	router := intake.NewRouter(intake.Parts{Inbox: box, Applications: db, Log: log})
	handler, err := intake.NewGitHub([]string{intakeSecret}, box, router, log)
	if err != nil {
		return err
	}
	go func() { ended <- serveHTTP(listener, handler) }()
	go func() { ended <- router.Run(ctx) }()
	return nil
}

// benchInbox is the store in the words of intake, as in the program.
type benchInbox struct{ *store.Store }

func (i benchInbox) Accept(ctx context.Context, event intake.Event) (int64, bool, error) {
	return i.Store.Accept(ctx, store.Event(event))
}

func (i benchInbox) Pending(ctx context.Context, now time.Time, limit int) ([]intake.Event, error) {
	stored, err := i.Store.Pending(ctx, now, limit)
	out := make([]intake.Event, len(stored))
	for n, event := range stored {
		out[n] = intake.Event(event)
	}
	return out, err
}

func (i benchInbox) Settle(ctx context.Context, id int64, outcome intake.Outcome) error {
	return i.Store.Settle(ctx, id, store.Outcome{Kind: store.OutcomeKind(outcome.Kind), Message: outcome.Message, Releases: outcome.Releases}, time.Now())
}

func (i benchInbox) Outcome(ctx context.Context, id int64) (intake.Outcome, bool, error) {
	outcome, done, err := i.Store.Outcome(ctx, id)
	return intake.Outcome{Kind: intake.OutcomeKind(outcome.Kind), Message: outcome.Message, Releases: outcome.Releases}, done, err
}
