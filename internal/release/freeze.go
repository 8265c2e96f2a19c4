package release

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// FreezeAll is what a freeze is about that is about everything.
const FreezeAll = "all"

// LongestFreeze is how long a freeze that people declare may last, except until it is lifted: what is known further
// ahead belongs into the rules.
const LongestFreeze = 31 * 24 * time.Hour

// NewFreeze is a freeze without an ID of what about names: a tenant, a tenant/application, a
// tenant/application/environment, or all. It begins now and lasts so long, or until it is lifted for 0. Its error says
// what would be right.
func NewFreeze(about string, lasts time.Duration, reason string, by Actor, now time.Time) (Freeze, error) {
	freeze := Freeze{Starts: now, Reason: strings.TrimSpace(reason), By: by}
	if freeze.Reason == "" {
		freeze.Reason = "frozen by " + by.Name
	}
	if lasts < 0 || lasts > LongestFreeze {
		return freeze, fmt.Errorf("a freeze cannot last %s: write how long from now, at most %d days, or nothing for until it is lifted", lasts, LongestFreeze/(24*time.Hour))
	}
	if lasts > 0 {
		ends := now.Add(lasts)
		freeze.Ends = &ends
	}
	if about == FreezeAll {
		return freeze, nil
	}
	parts := strings.Split(about, "/")
	if len(parts) > 3 || slices.ContainsFunc(parts, func(part string) bool { return CheckName(part) != nil }) {
		return freeze, fmt.Errorf("%q cannot be frozen: write a tenant, a tenant/application, a tenant/application/environment, or all", about)
	}
	freeze.Tenants = parts[:1]
	if len(parts) > 1 {
		freeze.Applications = parts[1:2]
	}
	if len(parts) > 2 {
		freeze.Environments = parts[2:]
	}
	return freeze, nil
}

// About is what the freeze is about, as [NewFreeze] reads it.
func (f Freeze) About() string {
	parts := slices.Concat(f.Tenants, f.Applications, f.Environments)
	if len(parts) == 0 {
		return FreezeAll
	}
	return strings.Join(parts, "/")
}
