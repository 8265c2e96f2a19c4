package bench_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
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
	// pushBytes is about how large a push event of GitHub is.
	pushBytes = 8 << 10
	// pushRepositories is how many repositories are pushed to.
	pushRepositories = 500
	// intakeSpare is how many connections stay open for the next delivery.
	intakeSpare = 512
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
	sender := &http.Client{Timeout: clientPatience, Transport: &http.Transport{MaxIdleConnsPerHost: intakeSpare, DisableCompression: true}}
	defer sender.CloseIdleConnections()
	send := func(n int) error {
		push := pushes[n%len(pushes)]
		request, err := http.NewRequestWithContext(b.Context(), http.MethodPost, "http://"+addr, bytes.NewReader(push.body))
		if err != nil {
			return err
		}
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set("X-GitHub-Event", "push")
		request.Header.Set("X-GitHub-Delivery", fmt.Sprintf("bench-%d", n))
		request.Header.Set("X-Hub-Signature-256", push.signature)
		response, err := sender.Do(request)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		_, err = io.Copy(io.Discard, response.Body)
		if err == nil && response.StatusCode != http.StatusAccepted {
			err = fmt.Errorf("status %d", response.StatusCode)
		}
		return err
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

// signedPush is the body of a push and its signature.
type signedPush struct {
	body      []byte
	signature string
}

// signedPushes are pushes to many repositories, so that the router has as many lines to work on.
func signedPushes() []signedPush {
	out := make([]signedPush, pushRepositories)
	for n := range out {
		body := fmt.Appendf(nil, `{"ref":"refs/heads/main","before":%q,"after":%q,"repository":{"full_name":"bench/unknown-%d"},"head_commit":{"message":%q}}`,
			strings.Repeat("a", 40), strings.Repeat("b", 40), n, strings.Repeat("what was changed ", pushBytes/17))
		sum := hmac.New(sha256.New, []byte(intakeSecret))
		_, _ = sum.Write(body)
		out[n] = signedPush{body, "sha256=" + hex.EncodeToString(sum.Sum(nil))}
	}
	return out
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
	router := intake.NewRouter(box, db, nil, nil, nil, nil, log)
	handler, err := intake.NewGitHub(intakeSecret, box, router, log)
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
