package api

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
)

// cursorLimit bounds a cursor, in bytes.
const cursorLimit = 1 << 10

// page is which part of a list is asked for.
type page struct {
	// After is the list's own word for where it begins; empty is its beginning.
	After string
	Limit int
}

// pageOf reads limit and cursor of a list. old is what the cursor was once called; empty for lists that had none.
func pageOf(ctx context.Context, old string) (page, error) {
	p := paramsOf(ctx)
	out := page{Limit: p.number("limit")}
	given := p.values.Get("cursor")
	if old != "" && given == "" {
		given = p.values.Get(old)
	}
	if given == "" {
		return out, nil
	}
	after, err := openCursor(p.operation.ID, given)
	if err != nil {
		return out, err
	}
	out.After = after
	return out, nil
}

// sealCursor makes a list's word for where the next page begins into one that says nothing to others: whoever builds on
// what is in it would keep us from changing it. Empty stays empty.
func sealCursor(list, after string) string {
	if after == "" {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString([]byte(list + "\n" + after))
}

// openCursor reads what sealCursor made for the same list.
func openCursor(list, cursor string) (string, error) {
	if len(cursor) > cursorLimit {
		return "", ErrCursor
	}
	text, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrCursor, err)
	}
	of, after, found := strings.Cut(string(text), "\n")
	if !found || of != list || after == "" {
		return "", fmt.Errorf("%w: it is of %q", ErrCursor, of)
	}
	return after, nil
}

// next is the cursor of the page after this one, which is also linked to (RFC 8288); empty when there is none.
func next(w http.ResponseWriter, r *http.Request, after string) string {
	cursor := sealCursor(paramsOf(r.Context()).operation.ID, after)
	if cursor == "" {
		return ""
	}
	values := r.URL.Query()
	for _, param := range paramsOf(r.Context()).operation.Query {
		if param.Old {
			values.Del(param.Name)
		}
	}
	values.Set("cursor", cursor)
	w.Header().Set("Link", "<"+r.URL.EscapedPath()+"?"+values.Encode()+`>; rel="next"`)
	return cursor
}

// cut is the part of a list that is asked for, where the whole is at hand, and the key of its last item when there is
// more. The list is in the order of its keys.
func cut[T any](all []T, asked page, key func(T) string) (part []T, after string) {
	from := 0
	for asked.After != "" && from < len(all) && key(all[from]) <= asked.After {
		from++
	}
	part = all[from:]
	if len(part) > asked.Limit {
		part = part[:asked.Limit]
		after = key(part[len(part)-1])
	}
	if part == nil {
		part = []T{}
	}
	return part, after
}
