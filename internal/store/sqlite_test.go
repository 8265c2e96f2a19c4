package store

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	sqlite "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

func openTest(t *testing.T, path string) *Store {
	t.Helper()
	s, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// run runs a statement outside of what the store offers, on its one writing connection.
func run(t *testing.T, s *Store, statement string) {
	t.Helper()
	if _, err := s.write.ExecContext(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
}

func wantCode(t *testing.T, err error, code int) {
	t.Helper()
	var failure *sqlite.Error
	if !errors.As(err, &failure) || failure.Code()&0xff != code || !strings.Contains(err.Error(), "accept event") {
		t.Errorf("error %v, want one that says what was done and wraps SQLite's %d", err, code)
	}
}

func TestAFullDiskIsAnErrorAndLosesNothing(t *testing.T) {
	s := openTest(t, filepath.Join(t.TempDir(), "store.db"))
	event := Event{Source: "github", Delivery: "small", Kind: "push"}
	if _, _, err := s.Accept(t.Context(), event); err != nil {
		t.Fatal(err)
	}
	run(t, s, "PRAGMA max_page_count = 1")
	big := Event{Source: "github", Delivery: "big", Kind: "push", Body: make([]byte, 1<<20)}
	_, _, err := s.Accept(t.Context(), big)
	wantCode(t, err, sqlite3.SQLITE_FULL)

	run(t, s, "PRAGMA max_page_count = 100000")
	if id, duplicate, err := s.Accept(t.Context(), big); id != 2 || duplicate || err != nil {
		t.Errorf("ID %d, duplicate %v, error %v, want 2: the first try left something", id, duplicate, err)
	}
}

func TestALockedFileIsAnErrorAfterAWait(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	s, other := openTest(t, path), openTest(t, path)
	run(t, s, "PRAGMA busy_timeout = 10")
	tx, err := other.write.BeginTxx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	event := Event{Source: "github", Delivery: "1", Kind: "push"}
	_, _, err = s.Accept(t.Context(), event)
	wantCode(t, err, sqlite3.SQLITE_BUSY)
	// Readers do not wait for the writer.
	if _, err := s.Pending(t.Context(), time.Now(), 1); err != nil {
		t.Error(err)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if _, duplicate, err := s.Accept(t.Context(), event); duplicate || err != nil {
		t.Errorf("duplicate %v, error %v once the file is free", duplicate, err)
	}
}

func TestConnectionsHaveTheirSettings(t *testing.T) {
	s := openTest(t, filepath.Join(t.TempDir(), "store.db"))
	for _, test := range []struct{ pragma, write, read string }{
		{"journal_mode", "wal", "wal"}, {"foreign_keys", "1", "1"}, {"synchronous", "2", "2"},
		{"busy_timeout", "5000", "5000"}, {"query_only", "0", "1"},
	} {
		var write, read string
		if err := s.write.GetContext(t.Context(), &write, "PRAGMA "+test.pragma); err != nil {
			t.Fatal(err)
		}
		if err := s.read.GetContext(t.Context(), &read, "PRAGMA "+test.pragma); err != nil {
			t.Fatal(err)
		}
		if write != test.write || read != test.read {
			t.Errorf("%s is %s and %s, want %s and %s", test.pragma, write, read, test.write, test.read)
		}
	}
}

func TestASchemaOfANewerProgramIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	s := openTest(t, path)
	run(t, s, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (1000, 1)")
	if _, err := Open(t.Context(), path); err == nil || !strings.Contains(err.Error(), "newer program") {
		t.Errorf("error %v, want one that says a newer program was here", err)
	}
}

func TestTheMigrationLockIsWaitedForUntilTheContextEnds(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	held, err := lockFile(t.Context(), path+".lock")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if s, err := Open(ctx, path); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("store %v, error %v, want %v", s, err, context.DeadlineExceeded)
	}
	if err := held.Close(); err != nil {
		t.Fatal(err)
	}
	openTest(t, path)
}

func BenchmarkAccept(b *testing.B) {
	s, err := Open(b.Context(), filepath.Join(b.TempDir(), "store.db"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	})
	body := make([]byte, 8<<10)
	n := 0
	for b.Loop() {
		n++
		if _, _, err := s.Accept(b.Context(), Event{Source: "github", Delivery: fmt.Sprint(n), Kind: "push", Body: body}); err != nil {
			b.Fatal(err)
		}
	}
}
