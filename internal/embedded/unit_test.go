package embedded

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/server/common/log/tag"
)

func TestAssignColumns(t *testing.T) {
	keyword, integer := enums.INDEXED_VALUE_TYPE_KEYWORD, enums.INDEXED_VALUE_TYPE_INT
	many := map[string]enums.IndexedValueType{}
	for i := range 11 {
		many[fmt.Sprintf("Key%02d", i)] = keyword
	}
	tests := map[string]struct {
		named   map[string]string
		want    map[string]enums.IndexedValueType
		result  map[string]string
		failure string
	}{
		"new names take the first columns of their type in order": {
			want:   map[string]enums.IndexedValueType{"B": keyword, "A": keyword, "N": integer},
			result: map[string]string{"Keyword01": "A", "Keyword02": "B", "Int01": "N"},
		},
		"the same wish again changes nothing": {
			named:  map[string]string{"Keyword02": "A"},
			want:   map[string]enums.IndexedValueType{"A": keyword},
			result: map[string]string{"Keyword02": "A"},
		},
		"what is no longer wanted keeps its column": {
			named:  map[string]string{"Keyword01": "Old"},
			want:   map[string]enums.IndexedValueType{"New": keyword},
			result: map[string]string{"Keyword01": "Old", "Keyword02": "New"},
		},
		"a name with another type is refused": {
			named:   map[string]string{"Keyword01": "A"},
			want:    map[string]enums.IndexedValueType{"A": integer},
			failure: "search attribute A is a Keyword in the data file, not a Int",
		},
		"an eleventh keyword is refused": {
			want:    many,
			failure: "search attribute Key10: all columns of type Keyword are in use",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			before := maps.Clone(test.named)
			result, err := assignColumns(test.named, test.want)
			require.Equal(t, before, test.named)
			if test.failure != "" {
				require.ErrorIs(t, err, ErrSearchAttribute)
				require.ErrorContains(t, err, test.failure)
				return
			}
			require.NoError(t, err)
			require.Equal(t, test.result, result)
		})
	}
}

func TestStartNamesEveryWrongOption(t *testing.T) {
	_, err := Start(t.Context(), Options{
		Retention: time.Minute,
		SearchAttributes: map[string]enums.IndexedValueType{
			"with space":   enums.INDEXED_VALUE_TYPE_TEXT,
			"WorkflowType": enums.INDEXED_VALUE_TYPE_KEYWORD,
			"Untyped":      enums.INDEXED_VALUE_TYPE_UNSPECIFIED,
		},
	})
	for _, want := range []string{"DataFile is empty", "1m0s is under 1h0m0s", `"with space"`, `"WorkflowType"`, `"Untyped"`} {
		require.ErrorContains(t, err, want)
	}
}

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

func TestLoggerKeepsTagsAndDropsWhatIsUnderTheThreshold(t *testing.T) {
	var out bytes.Buffer
	l := newLogger(slog.New(slog.NewTextHandler(&out, nil)), slog.LevelWarn, newFuse()).With(tag.Service("history"))
	l.Info("dropped")
	l.Warn("kept", tag.Error(errors.New("boom")))
	require.NotContains(t, out.String(), "dropped")
	require.Regexp(t, `level=WARN msg=kept component=temporal service=history error=boom`, out.String())
}

func TestFatalEndsTheGoroutineAndBlowsTheFuse(t *testing.T) {
	f := newFuse()
	l := newLogger(slog.New(slog.DiscardHandler), slog.LevelWarn, f)
	require.NoError(t, f.cause())
	cameBack := false
	done := make(chan struct{})
	go func() {
		defer close(done)
		l.Fatal(listenFailed, tag.Address("127.0.0.1:1"))
		cameBack = true
	}()
	<-done
	require.False(t, cameBack)
	<-f.blown
	require.ErrorContains(t, f.cause(), "127.0.0.1:1")
	require.True(t, isListenFailure(fmt.Errorf("start: %w", f.cause())))
	f.blow(errors.New("later"))
	require.ErrorContains(t, f.cause(), "127.0.0.1:1", "the first cause stays")
}

func TestSettingsTakeOverridesWhateverTheirCase(t *testing.T) {
	s := settings(map[string]any{"Matching.NumTaskQueueReadPartitions": 3})
	read := 0
	for key, value := range s {
		if key.String() == "matching.numtaskqueuereadpartitions" {
			read, _ = value.(int)
		}
	}
	require.Equal(t, 3, read)
}

func TestPortsAreDistinctAndOnLoopback(t *testing.T) {
	p, err := findPorts(context.Background(), ":0")
	require.NoError(t, err)
	require.True(t, p.frontend.IP.IsLoopback())
	all := []int{p.frontend.Port, p.history, p.matching, p.worker}
	slices.Sort(all)
	require.Len(t, slices.Compact(all), 4)

	_, err = findPorts(context.Background(), "7233")
	var port *PortError
	require.ErrorAs(t, err, &port)
	require.ErrorContains(t, err, "want host:port")
}

func TestOnlyLocalNames(t *testing.T) {
	handler := onlyLocalNames(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	for host, want := range map[string]int{
		"localhost:8233": http.StatusNoContent, "127.0.0.1": http.StatusNoContent, "[::1]:8233": http.StatusNoContent,
		"evil.example:8233": http.StatusMisdirectedRequest, "10.0.0.1": http.StatusMisdirectedRequest, "": http.StatusMisdirectedRequest,
	} {
		request := httptest.NewRequest(http.MethodGet, "/", nil)
		request.Host = host
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, request)
		require.Equal(t, want, answer.Code, host)
	}
}
