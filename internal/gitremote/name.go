package gitremote

import (
	"fmt"
	"regexp"
	"strings"
)

// Name says which application a repository holds.
type Name struct {
	Tenant      string
	Application string
}

// String is "tenant/application", as in the full_name of an event.
func (n Name) String() string { return n.Tenant + "/" + n.Application }

var label = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)

// ParseName checks both parts: each has 1 to 63 lower-case letters, digits and dashes, and no dash in front.
func ParseName(tenant, application string) (Name, error) {
	for _, part := range []struct{ what, value string }{{"tenant", tenant}, {"application", application}} {
		if !label.MatchString(part.value) {
			return Name{}, fmt.Errorf(
				"%s %q is not a valid name: use 1 to 63 lower-case letters, digits and dashes, beginning with a letter or digit",
				part.what, printable(part.value, 80))
		}
	}
	return Name{Tenant: tenant, Application: application}, nil
}

// printable makes text from outside fit for one line of a terminal, at most so many characters long.
func printable(text string, most int) string {
	text = strings.Map(func(r rune) rune {
		// Besides the control characters, those that change how a terminal orders text.
		if r < ' ' || r >= 0x7f && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
	if runes := []rune(text); len(runes) > most {
		text = string(runes[:most-1]) + "…"
	}
	return strings.TrimSpace(text)
}
