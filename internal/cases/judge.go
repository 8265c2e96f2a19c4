package cases

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// judge says what is wrong with an answer: what was expected, and what came.
func (e Expect) judge(res *http.Response, body []byte) []string {
	var reasons []string
	if res.StatusCode != e.Status {
		reasons = append(reasons, fmt.Sprintf("expected status %d, got %d: body %s", e.Status, res.StatusCode, quote(body)))
	}
	for _, name := range slices.Sorted(maps.Keys(e.Headers)) {
		if got := res.Header.Get(name); got != e.Headers[name] {
			reasons = append(reasons, fmt.Sprintf("expected header %s: %q, got %q", name, e.Headers[name], got))
		}
	}
	return append(reasons, e.Body.judge(body)...)
}

func (b Body) judge(body []byte) []string {
	var reasons []string
	for _, text := range b.Contains {
		if !bytes.Contains(body, []byte(text)) {
			reasons = append(reasons, fmt.Sprintf("expected %q in the body, got %s", text, quote(body)))
		}
	}
	if b.Equals != nil && strings.TrimSpace(*b.Equals) != string(bytes.TrimSpace(body)) {
		reasons = append(reasons, fmt.Sprintf("expected the body %q, got %s", *b.Equals, quote(body)))
	}
	if b.JSON == nil {
		return reasons
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	var got any
	if err := decoder.Decode(&got); err != nil {
		return append(reasons, "expected JSON, got "+quote(body))
	}
	return append(reasons, differences("", b.JSON, got)...)
}

// differences are the places where got does not contain want. Paths are written as in jq.
func differences(path string, want, got any) []string {
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			return []string{mismatch(path, want, got)}
		}
		var out []string
		for _, key := range slices.Sorted(maps.Keys(w)) {
			value, there := g[key]
			if !there {
				out = append(out, fmt.Sprintf("expected %s.%s, got no such field", path, key))
				continue
			}
			out = append(out, differences(path+"."+key, w[key], value)...)
		}
		return out
	case []any:
		g, ok := got.([]any)
		if !ok {
			return []string{mismatch(path, want, got)}
		}
		if len(g) != len(w) {
			return []string{fmt.Sprintf("expected %d items in %s, got %d", len(w), orRoot(path), len(g))}
		}
		var out []string
		for i := range w {
			out = append(out, differences(fmt.Sprintf("%s[%d]", path, i), w[i], g[i])...)
		}
		return out
	default:
		if !equal(want, got) {
			return []string{mismatch(path, want, got)}
		}
		return nil
	}
}

// equal compares single values; numbers are equal when they mean the same, 1 and 1.0.
func equal(want, got any) bool {
	number, ok := got.(json.Number)
	if !ok {
		return want == got
	}
	switch want.(type) {
	case int64, uint64, float64:
	default:
		return false
	}
	// Compared as text first, since a float64 does not tell large whole numbers apart.
	if fmt.Sprint(want) == number.String() {
		return true
	}
	w, errWant := strconv.ParseFloat(fmt.Sprint(want), 64)
	g, errGot := number.Float64()
	return errWant == nil && errGot == nil && w == g
}

func mismatch(path string, want, got any) string {
	return fmt.Sprintf("expected %s to be %s, got %s", orRoot(path), encode(want), encode(got))
}

func orRoot(path string) string {
	if path == "" {
		return "the JSON"
	}
	return path
}

func encode(v any) string {
	out, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return clip(string(out))
}

func quote(body []byte) string { return strconv.Quote(clip(string(body))) }

// clip keeps the beginning of an answer, where an error is usually told.
func clip(s string) string {
	const longest = 300
	if len(s) <= longest {
		return s
	}
	return strings.ToValidUTF8(s[:longest], "") + "…"
}
