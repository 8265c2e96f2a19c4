// Package storetest gives tests a PostgreSQL of their own.
package storetest

import (
	"context"
	"crypto/rand"
	"database/sql"
	"net/url"
	"os"
	"strings"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // registers the driver "pgx"
)

const (
	// postgresEnv names a PostgreSQL database, as a postgres:// URL, in which the tests may make schemas.
	postgresEnv = "SKYISLAND_TEST_POSTGRES"
	// demandEnv is 1 where a test that cannot have one fails: what CI leaves out nobody misses.
	demandEnv = "SKYISLAND_TEST_POSTGRES_DEMANDED"
)

// Schema is the URL of an empty schema, which goes with the test. Without a database the test is skipped, or fails where
// one is demanded.
func Schema(t testing.TB) string {
	t.Helper()
	dsn := os.Getenv(postgresEnv)
	if dsn == "" {
		if os.Getenv(demandEnv) == "1" {
			t.Fatalf("%s names no database, and %s demands one", postgresEnv, demandEnv)
		}
		t.Skip(postgresEnv + " names no database")
	}
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		t.Fatal(err)
	}
	schema := "skyisland_test_" + strings.ToLower(rand.Text())
	if _, err := db.ExecContext(t.Context(), "CREATE SCHEMA "+schema); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := db.ExecContext(context.Background(), "DROP SCHEMA "+schema+" CASCADE"); err != nil {
			t.Error(err)
		}
		_ = db.Close()
	})
	query := u.Query()
	query.Set("search_path", schema)
	u.RawQuery = query.Encode()
	return u.String()
}
