package store

import (
	"database/sql"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/skyisland/skyisland/internal/release"
)

func micros(t time.Time) int64 { return t.UnixMicro() }

func moment(micros int64) time.Time { return time.UnixMicro(micros).UTC() }

// clean makes text that both databases keep: PostgreSQL refuses NUL and what is not UTF-8, and both
// come in what builds print and people push.
func clean(text string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "\uFFFD")
}

// encode writes a value as JSON text, which escapes NUL and repairs UTF-8 by itself.
func encode(value any) (string, error) {
	text, err := json.Marshal(value)
	return string(text), err
}

func decode(text string, value any) error { return json.Unmarshal([]byte(text), value) }

// found turns the database's word for no row into ours.
func found(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return release.ErrNotFound
	}
	return err
}

// alike compares two values by their JSON. Both have been through this program's own types, so what an
// older program stored compares equal to the same thing written by this one.
func alike(a, b any) (bool, error) {
	x, err := encode(a)
	if err != nil {
		return false, err
	}
	y, err := encode(b)
	return x == y, err
}
