package embedded

import (
	"bytes"
	"database/sql"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestStartRefusesAFileThatIsNotItsOwn(t *testing.T) {
	other := filepath.Join(t.TempDir(), "other.db")
	db, err := sql.Open("sqlite", other)
	require.NoError(t, err)
	_, err = db.Exec(`CREATE TABLE orders (id INTEGER)`)
	require.NoError(t, err)
	require.NoError(t, db.Close())

	older := filepath.Join(t.TempDir(), "older.db")
	require.NoError(t, prepareFile(t.Context(), older))
	db, err = sql.Open("sqlite", older)
	require.NoError(t, err)
	_, err = db.Exec(`UPDATE embedded_schema SET version = 'temporal 0.1'`)
	require.NoError(t, err)
	require.NoError(t, db.Close())

	words := filepath.Join(t.TempDir(), "words.txt")
	require.NoError(t, os.WriteFile(words, bytes.Repeat([]byte("not a database "), 100), 0o600))

	for file, want := range map[string]string{
		other: "tables that this program did not make",
		older: "has temporal 0.1, this program needs " + schemaVersion,
		words: "not a database",
	} {
		before, err := os.ReadFile(file)
		require.NoError(t, err)
		_, err = Start(t.Context(), Options{DataFile: file})
		require.ErrorIs(t, err, ErrDataFileForeign)
		require.ErrorContains(t, err, want)
		after, err := os.ReadFile(file)
		require.NoError(t, err)
		if file == words {
			require.Equal(t, before, after)
		}
	}
	_, err = Start(t.Context(), Options{DataFile: filepath.Join(t.TempDir(), "missing", "x.db")})
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestTheDataFileIsForItsOwnerOnly(t *testing.T) {
	file := filepath.Join(t.TempDir(), "temporal.db")
	require.NoError(t, prepareFile(t.Context(), file))
	db, err := sql.Open("sqlite", file+"?_pragma=journal_mode=wal")
	require.NoError(t, err)
	defer db.Close()
	_, err = db.Exec(`UPDATE embedded_schema SET version = version`)
	require.NoError(t, err)
	// While it is in use, its log and its index lie beside it.
	for _, name := range []string{file, file + "-wal", file + "-shm"} {
		info, err := os.Stat(name)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm(), filepath.Base(name))
	}

	chosen := filepath.Join(t.TempDir(), "chosen.db")
	require.NoError(t, os.WriteFile(chosen, nil, 0o600))
	require.NoError(t, os.Chmod(chosen, 0o660))
	require.NoError(t, prepareFile(t.Context(), chosen))
	info, err := os.Stat(chosen)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o660), info.Mode().Perm(), "a mode that was chosen")
}

func TestPrepareFileCompletesAFileLeftEmpty(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a file with spaces? & signs.db")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	require.NoError(t, prepareFile(t.Context(), file))
	require.NoError(t, prepareFile(t.Context(), file), "a second time finds the schema")
	entries, err := os.ReadDir(filepath.Dir(file))
	require.NoError(t, err)
	require.Equal(t, []string{filepath.Base(file)}, slices.Collect(func(yield func(string) bool) {
		for _, e := range entries {
			if !yield(e.Name()) {
				return
			}
		}
	}))
}
