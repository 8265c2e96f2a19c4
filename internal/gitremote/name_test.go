package gitremote

import (
	"strings"
	"testing"
)

func TestParseName(t *testing.T) {
	for name, c := range map[string]struct {
		tenant, application string
		ok                  bool
	}{
		"plain":                {"demo", "shop", true},
		"digits and dashes":    {"0-a", "a--9-", true},
		"the longest":          {strings.Repeat("a", 63), strings.Repeat("9", 63), true},
		"one longer":           {"demo", strings.Repeat("a", 64), false},
		"empty":                {"", "shop", false},
		"upper case":           {"demo", "Shop", false},
		"a dash in front":      {"-demo", "shop", false},
		"a dot":                {"demo", "..", false},
		"a slash":              {"demo", "a/b", false},
		"a newline at its end": {"demo", "shop\n", false},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ParseName(c.tenant, c.application)
			if (err == nil) != c.ok {
				t.Fatalf("ParseName = %v, want ok: %v", err, c.ok)
			}
			if c.ok && got.String() != c.tenant+"/"+c.application {
				t.Errorf("String = %s", got)
			}
		})
	}
}

func TestPrintable(t *testing.T) {
	for name, c := range map[string]struct {
		in   string
		most int
		want string
	}{
		"plain":              {"héllo", 10, "héllo"},
		"cut":                {"héllo", 3, "hé…"},
		"an escape sequence": {"a\x1b[31mb\u009bc", 20, "a [31mb c"},
		"reversed text":      {"a\u202eb", 20, "a b"},
		"not UTF-8":          {"a\xffb", 20, "a?b"},
		"lines":              {"a\r\nb\n", 20, "a  b"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := printable(c.in, c.most); got != c.want {
				t.Errorf("printable = %q, want %q", got, c.want)
			}
		})
	}
}
