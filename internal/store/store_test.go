package store_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/internal/store"
	"github.com/skyisland/skyisland/internal/store/storetest"
)

// database opens the same database again and again.
type database func(t *testing.T) *store.Store

// onEach runs a test on a new database of each kind there is.
func onEach(t *testing.T, test func(t *testing.T, open database)) {
	t.Run("sqlite", func(t *testing.T) {
		test(t, opener(filepath.Join(t.TempDir(), "store.db")))
	})
	t.Run("postgres", func(t *testing.T) {
		test(t, opener(storetest.Schema(t)))
	})
}

func opener(dsn string) database {
	return func(t *testing.T) *store.Store {
		t.Helper()
		s, err := store.Open(t.Context(), dsn)
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
}

// at is a moment with all the digits a store keeps, in a zone it does not.
func at(second int) time.Time {
	return time.Date(2026, 3, 2, 12, 0, second, 123456789, time.FixedZone("", 8*3600))
}

// kept is a moment as a store gives it back.
func kept(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

func id(number int) release.ID {
	return release.ID{Lane: release.Lane{Tenant: "demo", Application: "hello", Environment: "production"}, Number: number}
}

// nasty is what builds print and people push: no UTF-8, and NUL.
const nasty = "a\x00b\xffc"

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantError(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("error %v, want %v", err, want)
	}
}

func TestOpenTwiceKeepsWhatIsThere(t *testing.T) {
	onEach(t, func(t *testing.T, open database) {
		check(t, open(t).SaveRevision(t.Context(), release.Revision{ID: "web-1", Component: "web"}))
		again := open(t)
		if _, err := again.Revision(t.Context(), "web-1"); err != nil {
			t.Error(err)
		}
		check(t, again.Ping(t.Context()))
	})
}

func TestProgramsThatStartTogetherAllGetTheSchema(t *testing.T) {
	for _, kind := range []string{"sqlite", "postgres"} {
		t.Run(kind, func(t *testing.T) {
			dsn := filepath.Join(t.TempDir(), "store.db")
			if kind == "postgres" {
				dsn = storetest.Schema(t)
			}
			var wait sync.WaitGroup
			for range 4 {
				wait.Go(func() {
					s, err := store.Open(t.Context(), dsn)
					if err != nil {
						t.Error(err)
						return
					}
					if _, err := s.Revision(t.Context(), "none"); !errors.Is(err, release.ErrNotFound) {
						t.Errorf("error %v, want %v", err, release.ErrNotFound)
					}
					if err := s.Close(); err != nil {
						t.Error(err)
					}
				})
			}
			wait.Wait()
		})
	}
}

func TestAClosedStoreAndAnEndedContextAreErrors(t *testing.T) {
	onEach(t, func(t *testing.T, open database) {
		s := open(t)
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		_, _, err := s.Accept(ended, store.Event{Source: "github", Delivery: "1", Kind: "push"})
		wantError(t, err, context.Canceled)
		_, err = s.Pending(ended, at(0), 1)
		wantError(t, err, context.Canceled)

		check(t, s.Close())
		if err := s.Ping(t.Context()); err == nil {
			t.Error("a closed store answers")
		}
		if _, err := s.Applications(t.Context()); err == nil {
			t.Error("a closed store lists applications")
		}
	})
}

func TestOpenRefusesWhatIsNoStore(t *testing.T) {
	dir := t.TempDir()
	broken := filepath.Join(dir, "broken.db")
	if err := os.WriteFile(broken, []byte(strings.Repeat("no database ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ name, dsn, want string }{
		{"nothing", "", `"" is not the path of a file`},
		{"memory, which each connection would have for itself", ":memory:", "not the path"},
		{"a scheme nobody knows", "mysql://root:secret@localhost/x", `"mysql" is no scheme`},
		{"a directory", dir, "open store"},
		{"a file that is no database", broken, "file is not a database"},
		{"a folder that is a file", filepath.Join(broken, "store.db"), "not a directory"},
		{"a server that is not there", "postgres://user:secret@127.0.0.1:1/x?connect_timeout=5", "127.0.0.1"},
		{"a server's URL that is none", "postgres://user:secret@127.0.0.1:port/x", "open store"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, err := store.Open(t.Context(), test.dsn)
			if err == nil {
				t.Fatal("it was opened", s.Close())
			}
			if !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "secret") {
				t.Errorf("error %q, want one with %q and without the password", err, test.want)
			}
		})
	}
}

func TestASQLitePathMayBeWrittenInSeveralWays(t *testing.T) {
	for _, prefix := range []string{"", "sqlite:", "sqlite://"} {
		path := filepath.Join(t.TempDir(), "100% of?them#all", "store.db")
		s := opener(prefix + path)(t)
		check(t, s.Ping(t.Context()))
		info, err := os.Stat(path)
		check(t, err)
		if info.Mode().Perm() != 0o600 {
			t.Errorf("mode %v, want only the owner's", info.Mode())
		}
	}
}
