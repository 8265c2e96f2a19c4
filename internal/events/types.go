package events

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/skyisland/skyisland/internal/release"
)

// The types of what is about no release.
const (
	// TypeAlarm is an alarm that begins or is over, TypeFreeze a freeze that somebody declares or lifts.
	TypeAlarm  = "dev.skyisland.alarm" + version
	TypeFreeze = "dev.skyisland.freeze" + version
	// TypeUnreadable is an entry that this program cannot read; its message says why.
	TypeUnreadable = "dev.skyisland.unreadable" + version
)

// The type of what is about a release is its kind between these.
const (
	releaseType = "dev.skyisland.release."
	version     = ".v1"
)

// TypeOf is the type of an event about a release, or a lane, or nothing in particular.
func TypeOf(about release.ID, kind release.EntryKind) string {
	switch {
	case kind == release.EntryAlarm:
		return TypeAlarm
	case kind == release.EntryFreeze:
		return TypeFreeze
	case about.Number == 0:
		return TypeUnreadable
	default:
		return releaseType + string(kind) + version
	}
}

// Types are all types, in the order people learn them.
func Types() []string {
	var out []string
	for _, kind := range release.EntryKinds() {
		out = append(out, releaseType+string(kind)+version)
	}
	return append(out, TypeAlarm, TypeFreeze, TypeUnreadable)
}

// Filter says which events somebody hears of. What it leaves out it does not limit.
type Filter struct {
	// Types are globs as [path.Match] reads them; * stands for any text, also with full stops.
	Types []string
	// Tenants, Applications and Environments are names. What an event leaves open is about all of them.
	Tenants      []string
	Applications []string
	Environments []string
	// Own leaves out what is about no tenant, but for freezes, which hold everybody.
	Own bool
	// Release is one release; what is about its lane and no release is not about it.
	Release release.ID
}

// Check says what is wrong with a filter. A glob that no type there is can match is a mistake in writing.
func (f Filter) Check() error {
	for _, glob := range f.Types {
		if _, err := path.Match(glob, ""); err != nil {
			return fmt.Errorf("types: %q is no pattern: write a type, or part of one with *", glob)
		}
		if !slices.ContainsFunc(Types(), func(kind string) bool { return matches(glob, kind) }) {
			return fmt.Errorf("types: no event is a %q: there are %s", glob, strings.Join(Types(), ", "))
		}
	}
	for _, names := range []struct {
		path string
		all  []string
	}{{"tenants", f.Tenants}, {"applications", f.Applications}, {"environments", f.Environments}} {
		for _, name := range names.all {
			if err := release.CheckName(name); err != nil {
				return fmt.Errorf("%s: %w", names.path, err)
			}
		}
	}
	return nil
}

// Matches says whether somebody hears of an event.
func (f Filter) Matches(e Event) bool {
	within := func(all []string, one string) bool { return len(all) == 0 || one == "" || slices.Contains(all, one) }
	lane := e.About.Lane
	if f.Own && lane.Tenant == "" && e.Type != TypeFreeze {
		return false
	}
	return within(f.Tenants, lane.Tenant) && within(f.Applications, lane.Application) && within(f.Environments, lane.Environment) &&
		(f.Release.Number == 0 || f.Release == e.About) &&
		(len(f.Types) == 0 || slices.ContainsFunc(f.Types, func(glob string) bool { return matches(glob, e.Type) }))
}

func matches(glob, kind string) bool {
	ok, err := path.Match(glob, kind)
	return err == nil && ok
}
