package gateway

import (
	"strings"
	"unicode/utf8"
)

// Bounds of what a line says of a request.
const (
	maxLoggedMethod = 32
	maxLoggedPath   = 1024
	// leastSecret is the length from which a part of a path may be a secret: 128 bits take 22 characters of base64.
	leastSecret = 22
)

// masked is a path as lines show it: parts that look like tokens or keys are not shown, for paths with a secret in them
// are as good as the secret. Numbers, words and UUIDs stay.
func masked(path string) string {
	path = clipped(path, maxLoggedPath)
	if len(path) <= leastSecret {
		return path
	}
	parts := strings.Split(path, "/")
	for i, part := range parts {
		if secretLike(part) {
			parts[i] = "***"
		}
	}
	return strings.Join(parts, "/")
}

// secretLike says whether a part of a path could be a secret: long, of the letters of base64 or hexadecimal, with digits
// and letters among each other, and no UUID; or a token in three parts.
func secretLike(s string) bool {
	if len(s) < leastSecret {
		return false
	}
	if strings.HasPrefix(s, "eyJ") { // {" in base64, with which tokens begin
		return true
	}
	letters, digits, turns := 0, 0, 0
	last := byte(0)
	for i := range len(s) {
		var kind byte
		switch c := s[i]; {
		case c >= '0' && c <= '9':
			digits++
			kind = 'd'
		case c >= 'a' && c <= 'z':
			letters++
			kind = 'l'
		case c >= 'A' && c <= 'Z':
			letters++
			kind = 'u'
		case c == '-' || c == '_' || c == '=' || c == '+' || c == '~' || c == '.':
			continue
		default:
			return false
		}
		if last != 0 && kind != last {
			turns++
		}
		last = kind
	}
	return letters > 0 && digits > 0 && turns >= len(s)/5 && !isUUID(s)
}

func isUUID(s string) bool {
	return len(s) == 36 && s[8] == '-' && s[13] == '-' && s[18] == '-' && s[23] == '-'
}

// clipped is a text of at most n bytes, cut between characters and with a sign that it was.
func clipped(s string, n int) string {
	const cut = "…"
	if len(s) <= n {
		return s
	}
	n -= len(cut)
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + cut
}
