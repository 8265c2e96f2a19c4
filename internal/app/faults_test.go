package app

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"database/sql/driver"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	sqlite "modernc.org/sqlite"

	"github.com/skyisland/skyisland/internal/intake"
	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/internal/store"
)

// What a process that takes events is told, in its environment.
const (
	faultStore = "SKYISLAND_FAULT_STORE"
	faultLane  = "SKYISLAND_FAULT_LANE"
	faultPoint = "SKYISLAND_FAULT_POINT"

	faultSecret = "a secret of the fault tests"
	faultRepo   = "acme/checkout"
)

// The points between receiving and dispatching at which a process dies, in the order in which an event meets them.
const (
	atBodyRead     = "the body is read and not verified"
	atVerified     = "verified and not stored"
	atAccepting    = "stored in a transaction that is not committed"
	atAccepted     = "committed and not answered"
	atAnswering    = "the answer is being written"
	atAnswered     = "answered"
	atPending      = "read from the inbox"
	atSubmitting   = "about to be submitted"
	atSubmitted    = "submitted, and the answer of the lane is not heard"
	atSettling     = "about to be settled"
	atSettlingInTx = "settled in a transaction that is not committed"
	atSettled      = "settled"
)

// faults kill the process at one point.
type faults struct{ at string }

// reach is a point. A process that is killed runs nothing more: no deferred call, no flush, no answer.
func (f faults) reach(point string) {
	if f.at != point {
		return
	}
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {} // the signal is on its way
}

// faultyInbox is the store with points around each call.
type faultyInbox struct {
	inbox
	faults
}

func (b faultyInbox) Accept(ctx context.Context, event intake.Event) (int64, bool, error) {
	b.reach(atVerified)
	id, duplicate, err := b.inbox.Accept(ctx, event)
	b.reach(atAccepted)
	return id, duplicate, err
}

func (b faultyInbox) Pending(ctx context.Context, now time.Time, limit int) ([]intake.Event, error) {
	events, err := b.inbox.Pending(ctx, now, limit)
	if len(events) > 0 {
		b.reach(atPending)
	}
	return events, err
}

func (b faultyInbox) Settle(ctx context.Context, id int64, outcome intake.Outcome) error {
	b.reach(atSettling)
	err := b.inbox.Settle(ctx, id, outcome)
	b.reach(atSettled)
	return err
}

// faultyHandler has points where a request is read and answered.
type faultyHandler struct {
	http.Handler
	faults
}

func (h faultyHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.Body = faultyBody{r.Body, h.faults}
	h.Handler.ServeHTTP(faultyWriter{w, h.faults}, r)
	// What was written is on its way before the process dies.
	_ = http.NewResponseController(w).Flush()
	h.reach(atAnswered)
}

type faultyBody struct {
	io.ReadCloser
	faults
}

func (b faultyBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		b.reach(atBodyRead)
	}
	return n, err
}

type faultyWriter struct {
	http.ResponseWriter
	faults
}

func (w faultyWriter) WriteHeader(status int) {
	w.reach(atAnswering)
	w.ResponseWriter.WriteHeader(status)
}

func (w faultyWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// fileLane is a lane in a file that outlives the process: a line for each request it has taken, known by its key. Asked
// for the same again it answers that it has it already, as the real one does.
type fileLane struct {
	faults

	file string
	mu   sync.Mutex
}

func (l *fileLane) Submit(_ context.Context, req release.Request) (release.Submission, error) {
	l.reach(atSubmitting)
	l.mu.Lock()
	defer l.mu.Unlock()
	taken, err := readLines(l.file)
	if err != nil {
		return release.Submission{}, err
	}
	n := slices.Index(taken, req.Key) + 1
	answer := release.Duplicate
	if n == 0 {
		if err := appendLine(l.file, req.Key); err != nil {
			return release.Submission{}, err
		}
		n, answer = len(taken)+1, release.Started
	}
	l.reach(atSubmitted)
	return release.Submission{Release: release.ID{Lane: req.Lane, Number: n}, Answer: answer, Message: "release"}, nil
}

func readLines(file string) ([]string, error) {
	data, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	return strings.Split(strings.TrimSuffix(string(data), "\n"), "\n"), err
}

func appendLine(file, line string) error {
	f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(line + "\n")
	return errors.Join(err, f.Sync(), f.Close())
}

// onTheWay is a repository whose branches are ahead of all that is pushed: every push is on the way to what they have.
type onTheWay struct{ intake.Repositories }

var ahead = strings.Repeat("f", 40)

func (onTheWay) Refs(_ context.Context, _ release.Application, names ...string) (map[string]string, error) {
	out := map[string]string{}
	for _, name := range names {
		out[name] = ahead
	}
	return out, nil
}

func (onTheWay) Contains(_ context.Context, _ release.Application, commit, _ string) (bool, error) {
	return commit == ahead, nil
}

// mainIsProduction reads every manifest.
type mainIsProduction struct{}

func (mainIsProduction) Routes(context.Context, release.Application, string) (intake.Routes, error) {
	return intake.Routes{Branches: map[string][]string{"main": {"production"}}, Concurrency: map[string]release.Concurrency{"production": release.Queue}}, nil
}

// TestIntakeProcess is no test but a process that takes events, for the tests here: the real webhook, the real store and
// the real router before a lane in a file. It prints its address, and ends with its standard input, or at its fault point.
func TestIntakeProcess(t *testing.T) {
	dsn := os.Getenv(faultStore)
	if dsn == "" {
		t.Skip("it is started by the other tests")
	}
	f := faults{os.Getenv(faultPoint)}
	// Triggers that tests put into a database ask for it, see dieInTransaction.
	err := sqlite.RegisterScalarFunction("skyisland_reach", 1, func(_ *sqlite.FunctionContext, args []driver.Value) (driver.Value, error) {
		f.reach(fmt.Sprint(args[0]))
		return int64(0), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	s, err := store.Open(ctx, dsn)
	if err != nil {
		t.Fatal(err)
	}
	box, log := faultyInbox{inbox{s}, f}, slog.New(slog.DiscardHandler)
	lane := &fileLane{faults: f, file: os.Getenv(faultLane)}
	router := intake.NewRouter(intake.Parts{Inbox: box, Applications: applications{Store: s}, Manifests: mainIsProduction{}, Submitter: lane, Repositories: onTheWay{}, Heads: heads{s}, Serving: s, Log: log})
	handler, err := intake.NewGitHub([]string{faultSecret}, box, router, log)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: faultyHandler{handler, f}, ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(listener) }()
	go func() { _ = router.Run(ctx) }()
	fmt.Println("http://" + listener.Addr().String())
	_, _ = io.Copy(io.Discard, os.Stdin)
	os.Exit(0) // without a word, as a process that was no test
}

// signedPush is a delivery as GitHub sends it.
func signedPush(ctx context.Context, address, delivery, commit string) (*http.Request, error) {
	body := fmt.Sprintf(`{"ref":"refs/heads/main","before":"%040d","after":%q,"repository":{"full_name":%q}}`, 0, commit, faultRepo)
	sum := hmac.New(sha256.New, []byte(faultSecret))
	_, _ = io.WriteString(sum, body)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-GitHub-Event", "push")
	req.Header.Set("X-GitHub-Delivery", delivery)
	req.Header.Set("X-Hub-Signature-256", "sha256="+hex.EncodeToString(sum.Sum(nil)))
	return req, nil
}
