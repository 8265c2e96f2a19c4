package app

import (
	"bufio"
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/internal/store"
	"github.com/skyisland/skyisland/internal/store/storetest"
)

// world is what outlives the processes that take events.
type world struct {
	dsn, lane string
	store     *store.Store
	postgres  bool
}

// onEachWorld runs a test on a new database of each kind, in which the repository is registered.
func onEachWorld(t *testing.T, test func(t *testing.T, w *world)) {
	for _, kind := range []string{"sqlite", "postgres"} {
		t.Run(kind, func(t *testing.T) {
			dir := t.TempDir()
			w := &world{dsn: filepath.Join(dir, "store.db"), lane: filepath.Join(dir, "lane"), postgres: kind == "postgres"}
			if w.postgres {
				w.dsn = storetest.Schema(t)
			}
			var err error
			if w.store, err = store.Open(t.Context(), w.dsn); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = w.store.Close() })
			register(t, w.store)
			test(t, w)
		})
	}
}

// taker is a process that takes events.
type taker struct {
	address string
	process *os.Process
	ended   chan struct{}
	state   *os.ProcessState
}

// start starts a process that dies at a point; "" is none.
func (w *world) start(t *testing.T, point string) *taker {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), self, "-test.run=^TestIntakeProcess$")
	command.Env = append(os.Environ(), faultStore+"="+w.dsn, faultLane+"="+w.lane, faultPoint+"="+point)
	command.Stderr = os.Stderr
	in, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "http://") {
		t.Fatalf("the process says %q, %v", line, err)
	}
	p := &taker{address: strings.TrimSpace(line), process: command.Process, ended: make(chan struct{})}
	go func() {
		_ = command.Wait() // how it ended is in its state
		p.state = command.ProcessState
		close(p.ended)
	}()
	t.Cleanup(func() {
		_ = in.Close()
		<-p.ended
	})
	return p
}

// died waits until the process was killed.
func (p *taker) died(t *testing.T) {
	t.Helper()
	select {
	case <-p.ended:
	case <-time.After(time.Minute):
		t.Fatal("the process never came to its fault point")
	}
	if status, ok := p.state.Sys().(syscall.WaitStatus); !ok || !status.Signaled() || status.Signal() != syscall.SIGKILL {
		t.Fatalf("the process ended by itself: %s", p.state)
	}
}

// deliver sends a delivery and says whether it was acknowledged.
func (p *taker) deliver(ctx context.Context, delivery, commit string) (bool, error) {
	req, err := signedPush(ctx, p.address, delivery, commit)
	if err != nil {
		return false, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return false, nil // whoever died says nothing
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, res.Body)
	if res.StatusCode/100 != 2 && res.StatusCode != http.StatusServiceUnavailable {
		return false, fmt.Errorf("status %d", res.StatusCode)
	}
	return res.StatusCode/100 == 2, nil
}

// settled waits until nothing is pending any more, and gives all events.
func (w *world) settled(t *testing.T) []store.EventRecord {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		pending, _, err := w.store.Events(ctx, store.EventFilter{Pending: true})
		if err != nil {
			t.Fatalf("look for pending events: %v", err)
		}
		if len(pending) == 0 {
			break
		}
		<-tick.C
	}
	events, next, err := w.store.Events(ctx, store.EventFilter{Limit: 500})
	if err != nil || next != "" {
		t.Fatalf("list events: next %q, %v", next, err)
	}
	return events
}

// dieInTransaction has the database reach a point after a change of the inbox, inside of its transaction. On SQLite the
// process reaches it by itself, in a function of its own. PostgreSQL waits there for a lock that the test holds, and kill
// kills the process once it does.
func (w *world) dieInTransaction(t *testing.T, point, when string) (kill func(p *taker)) {
	t.Helper()
	name := map[bool]string{false: "sqlite", true: "pgx"}[w.postgres]
	db, err := sql.Open(name, w.dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	exec := func(on interface {
		ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	}, query string,
	) {
		t.Helper()
		if _, err := on.ExecContext(t.Context(), query); err != nil {
			t.Fatal(err)
		}
	}
	if !w.postgres {
		exec(db, fmt.Sprintf("CREATE TRIGGER fault AFTER %s ON inbox BEGIN SELECT skyisland_reach('%s'); END", when, point))
		return func(*taker) {}
	}
	number, err := rand.Int(rand.Reader, big.NewInt(1<<31))
	if err != nil {
		t.Fatal(err)
	}
	holder, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	exec(holder, fmt.Sprintf("SELECT pg_advisory_lock(20261128, %d)", number))
	exec(db, fmt.Sprintf("CREATE FUNCTION fault() RETURNS trigger AS $$ BEGIN PERFORM pg_advisory_xact_lock(20261128, %d); RETURN NULL; END $$ LANGUAGE plpgsql", number))
	exec(db, fmt.Sprintf("CREATE TRIGGER fault AFTER %s ON inbox FOR EACH ROW EXECUTE FUNCTION fault()", when))
	return func(p *taker) {
		waits := 0
		for waits == 0 && t.Context().Err() == nil {
			const query = `SELECT COUNT(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = 20261128 AND objid = $1 AND NOT granted`
			if err := db.QueryRowContext(t.Context(), query, number.Int64()).Scan(&waits); err != nil {
				t.Error(err)
				return
			}
		}
		if err := p.process.Kill(); err != nil {
			t.Error(err)
		}
		<-p.ended
		exec(holder, fmt.Sprintf("SELECT pg_advisory_unlock(20261128, %d)", number))
		_ = holder.Close()
	}
}

func TestAProcessKilledAnywhereBetweenReceivingAndDispatchingLosesAndDoublesNothing(t *testing.T) {
	commit := strings.Repeat("c", 40)
	for _, point := range []string{
		atBodyRead, atVerified, atAccepting, atAccepted, atAnswering, atAnswered, atPending, atSubmitting, atSubmitted, atSettling, atSettlingInTx, atSettled,
	} {
		t.Run(strings.ReplaceAll(point, " ", "-"), func(t *testing.T) {
			onEachWorld(t, func(t *testing.T, w *world) {
				kill := func(*taker) {}
				switch point {
				case atAccepting:
					kill = w.dieInTransaction(t, point, "INSERT")
				case atSettlingInTx:
					kill = w.dieInTransaction(t, point, "UPDATE OF outcome")
				}
				first := w.start(t, point)
				go kill(first)
				acknowledged, err := first.deliver(t.Context(), "d-1", commit)
				if err != nil {
					t.Fatal(err)
				}
				first.died(t)
				second := w.start(t, "")
				if !acknowledged {
					// GitHub sends it again under the same name when somebody asks for it.
					if ok, err := second.deliver(t.Context(), "d-1", commit); !ok || err != nil {
						t.Fatalf("redelivered: acknowledged %v, %v", ok, err)
					}
				}
				events := w.settled(t)
				if len(events) != 1 || events[0].ID != 1 || events[0].Delivery != "d-1" {
					t.Fatalf("events %+v, want the one that was sent", events)
				}
				kind, releases := events[0].Outcome.Kind, events[0].Outcome.Releases
				if kind != store.Started && kind != store.Duplicate || len(releases) != 1 || releases[0].Number != 1 {
					t.Errorf("outcome %+v, want its one release", events[0].Outcome)
				}
				if taken, err := readLines(w.lane); err != nil || len(taken) != 1 {
					t.Errorf("the lane took %q, %v, want one request", taken, err)
				}
				// Redelivered once more, it is known.
				if ok, err := second.deliver(t.Context(), "d-1", commit); !ok || err != nil {
					t.Errorf("redelivered: acknowledged %v, %v", ok, err)
				}
				if events := w.settled(t); len(events) != 1 {
					t.Errorf("%d events after a redelivery, want one", len(events))
				}
			})
		})
	}
}

func TestProcessesKilledUnderLoadLoseAndDoubleNothing(t *testing.T) {
	onEachWorld(t, func(t *testing.T, w *world) {
		const deliveries, senders, killEvery = 120, 8, 20
		var (
			mu    sync.Mutex
			now   = w.start(t, "")
			acks  int
			wait  sync.WaitGroup
			todo  = make(chan int, deliveries)
			kills = make(chan struct{}, deliveries)
		)
		for n := range deliveries {
			todo <- n
		}
		close(todo)
		send := func(n int) error {
			for range 1000 {
				mu.Lock()
				to := now
				mu.Unlock()
				ok, err := to.deliver(t.Context(), fmt.Sprintf("d-%d", n), fmt.Sprintf("%040x", n+1))
				if ok || err != nil {
					return err
				}
			}
			return errors.New("never acknowledged")
		}
		for range senders {
			wait.Go(func() {
				for n := range todo {
					if err := send(n); err != nil {
						t.Errorf("delivery %d: %v", n, err)
						continue
					}
					mu.Lock()
					if acks++; acks%killEvery == 0 {
						kills <- struct{}{}
					}
					mu.Unlock()
				}
			})
		}
		go func() { wait.Wait(); close(kills) }()
		for range kills {
			// Whatever it is at, it is killed in the middle of it. Who sends meanwhile waits for the next one.
			mu.Lock()
			_ = now.process.Kill()
			<-now.ended
			now = w.start(t, "")
			mu.Unlock()
		}
		events := w.settled(t)
		if len(events) != deliveries {
			t.Errorf("%d events, want %d", len(events), deliveries)
		}
		releases := map[release.ID]string{}
		for _, e := range events {
			if len(e.Outcome.Releases) != 1 {
				t.Fatalf("event %d: %+v, want one release", e.ID, e.Outcome)
			}
			if other, there := releases[e.Outcome.Releases[0]]; there {
				t.Errorf("%s and %s have one release", other, e.Delivery)
			}
			releases[e.Outcome.Releases[0]] = e.Delivery
		}
		taken, err := readLines(w.lane)
		if err != nil || len(taken) != deliveries {
			t.Errorf("the lane took %d requests, %v, want %d", len(taken), err, deliveries)
		}
	})
}
