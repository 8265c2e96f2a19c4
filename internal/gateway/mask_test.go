package gateway

import (
	"strings"
	"testing"
)

func TestPathsShowNoSecrets(t *testing.T) {
	for _, test := range []struct{ path, want string }{
		{"/", "/"},
		{"/shop/orders/1234567890123456789012345", "/shop/orders/1234567890123456789012345"},
		{"/shop/the-quick-brown-fox-jumps-over", "/shop/the-quick-brown-fox-jumps-over"},
		{"/shop/release-2026-11-27-with-a-long-name", "/shop/release-2026-11-27-with-a-long-name"},
		{"/orders/550e8400-e29b-41d4-a716-446655440000/items", "/orders/550e8400-e29b-41d4-a716-446655440000/items"},
		{"/hook/d41d8cd98f00b204e9800998ecf8427e", "/hook/***"},
		{"/hook/mF9_B5f-4.1JqM0pQ7xV2cR8tY3wZ6aL/x", "/hook/***/x"},
		{"/t/eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2ln", "/t/***"},
		{"/" + strings.Repeat("ä", 600), "/" + strings.Repeat("ä", 510) + "…"},
	} {
		if got := masked(test.path); got != test.want {
			t.Errorf("%s is shown as %s, want %s", test.path, got, test.want)
		}
	}
}
