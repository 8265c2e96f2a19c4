package store

import (
	"fmt"
	"strconv"
	"strings"
)

// oneOf is a condition that a column is one of some values; nobody's when there is none.
func oneOf(column string, values []string) (string, []any) {
	if len(values) == 0 {
		return "1 = 0", nil
	}
	args := make([]any, len(values))
	for i, value := range values {
		args[i] = clean(value)
	}
	return column + " IN (?" + strings.Repeat(", ?", len(values)-1) + ")", args
}

// ofTenants is a condition that a column holds the name of a release, or of a lane or a part of one, of some tenants; nil
// is everything. It compares the beginning of the name, and no pattern: a name is not looked into for wildcards.
func ofTenants(column string, tenants []string) (string, []any) {
	if tenants == nil {
		return "1 = 1", nil
	}
	conditions, args := []string{"1 = 0"}, []any(nil)
	for _, tenant := range tenants {
		prefix := clean(tenant) + "/"
		conditions = append(conditions, "SUBSTR("+column+", 1, "+strconv.Itoa(len([]rune(prefix)))+") = ?")
		args = append(args, prefix)
	}
	return "(" + strings.Join(conditions, " OR ") + ")", args
}

// pageOf is at most so many of the rows, of which one more than that was read where there is another page, and the cursor of
// that; "" when there is none. A row's place is a number, and a name among those that have the same one.
func pageOf[T any](rows []T, most int, place func(T) (int64, string)) ([]T, string) {
	if len(rows) <= most {
		return rows, ""
	}
	number, name := place(rows[most-1])
	return rows[:most], strconv.FormatInt(number, 10) + "." + name
}

// parsePlace reads a cursor that is a number and the name of what has it.
func parsePlace(cursor string) (int64, string, error) {
	number, id, found := strings.Cut(cursor, ".")
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || !found {
		return 0, "", fmt.Errorf("%w: %q", ErrCursor, cursor)
	}
	return n, clean(id), nil
}
