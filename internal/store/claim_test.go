package store

import (
	"context"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/internal/store/storetest"
)

func TestWhatIsOwedAgainWhileItIsForgottenKeepsItsObjects(t *testing.T) {
	s := openTest(t, storetest.Schema(t))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	of := release.ID{Lane: release.Lane{Tenant: "acme", Application: "checkout", Environment: "production"}, Number: 1}
	old := time.Unix(1000, 0)
	must(s.OweWriteback(ctx, []Writeback{{Release: of, Account: "acme", Seq: 1}}, "github", 1, old))
	claimed, err := s.ClaimWriteback(ctx, old, old.Add(time.Minute), 1)
	must(err)
	w := claimed[0]
	must(s.KeepWritebackObject(ctx, w, WritebackObject{Name: "check", Remote: "7", State: WritebackSent}, old))
	w.State = WritebackSettled
	must(s.SettleWriteback(ctx, w, old, old))

	tx, err := s.write.BeginTxx(ctx, nil)
	must(err)
	t.Cleanup(func() { _ = tx.Rollback() })
	var pid int
	must(tx.GetContext(ctx, &pid, `SELECT pg_backend_pid()`))
	_, err = exec(ctx, tx, `UPDATE writeback SET state = 'waiting', seq = 2 WHERE release = ?`, of.String())
	must(err)
	var wait sync.WaitGroup
	wait.Go(func() {
		if err := s.PruneWriteback(ctx, old.Add(time.Hour)); err != nil {
			t.Error(err)
		}
	})
	awaitBlocked(ctx, t, s, pid)
	must(tx.Commit())
	wait.Wait()
	left, _, err := s.Writebacks(ctx, WritebackFilter{Release: of, Limit: 10})
	must(err)
	if len(left) != 1 || len(left[0].Objects) != 1 {
		t.Errorf("left %+v, want what is owed, with its object", left)
	}
}

func TestWhoSendsEventsDoesNotReadThoseThatWereSent(t *testing.T) {
	s := openTest(t, filepath.Join(t.TempDir(), "store.db"))
	for _, test := range []struct {
		query string
		args  []any
	}{
		{dueEvents, []any{"audit", "audit", 1, 1, 1}},
		{nextEvent, []any{"audit"}},
	} {
		var plan []struct {
			ID      int    `db:"id"`
			Parent  int    `db:"parent"`
			Unused  int    `db:"notused"`
			Details string `db:"detail"`
		}
		if err := s.read.SelectContext(t.Context(), &plan, "EXPLAIN QUERY PLAN "+test.query, test.args...); err != nil {
			t.Fatal(err)
		}
		// Those that were sent are in this index too, before the first that waits.
		for _, step := range plan {
			if strings.Contains(step.Details, "event_deliveries_newest") && !strings.Contains(step.Details, "(subscription=? AND seq>?)") {
				t.Errorf("it begins at the oldest that is kept: %s", step.Details)
			}
		}
	}
}
