package release

import (
	"fmt"
	"slices"
	"strings"
)

// Scope is a kind of thing that the holder of a token may do through the API. None includes another.
type Scope string

// The scopes.
const (
	// ScopeRead lets its holder see, and change nothing.
	ScopeRead Scope = "read"
	// ScopeRelease asks for releases and tells them what to do: pause, resume, promote, abort, rollback.
	ScopeRelease Scope = "release"
	// ScopeApprove answers releases that ask: approve, reject, break-glass.
	ScopeApprove Scope = "approve"
	// ScopeAlarm raises alarms.
	ScopeAlarm Scope = "alarm"
	// ScopeConfigure changes what the installation knows: applications, freezes, what is tried again.
	ScopeConfigure Scope = "configure"
)

// Scopes are all of them, in the order people learn them.
func Scopes() []Scope {
	return []Scope{ScopeRead, ScopeRelease, ScopeApprove, ScopeAlarm, ScopeConfigure}
}

// CheckScope says which scopes there are when s is none of them, and nil when it is one.
func CheckScope(s Scope) error {
	if slices.Contains(Scopes(), s) {
		return nil
	}
	names := make([]string, 0, len(Scopes()))
	for _, scope := range Scopes() {
		names = append(names, string(scope))
	}
	return fmt.Errorf("there is no scope %q: there are %s", s, strings.Join(names, ", "))
}
