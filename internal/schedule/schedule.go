// Package schedule says when something is due: a cron expression in a time zone.
package schedule

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// limit bounds an expression, in bytes.
const limit = 200

// Schedule is a cron expression in a time zone. The zero value is none; make one by [Parse].
type Schedule struct {
	spec *cron.SpecSchedule
	zone *time.Location
}

// Parse reads five fields (minute, hour, day of the month, month, day of the week) or one of @yearly, @monthly, @weekly,
// @daily and @hourly, in a zone by its name in the IANA database; an empty zone is UTC. Expressions that are due at no
// time, or that count from whenever they are read, such as @every, are errors.
func Parse(expression, zone string) (Schedule, error) {
	// The host's own zone is not the installation's: two servers may differ.
	if zone == "" {
		zone = "UTC"
	}
	where, err := time.LoadLocation(zone)
	if err != nil || zone == "Local" {
		return Schedule{}, fmt.Errorf("zone %.80q is unknown: want a name of the machine's zone database, such as Asia/Shanghai, or UTC", zone)
	}
	if len(expression) > limit {
		return Schedule{}, fmt.Errorf("the expression is longer than %d bytes", limit)
	}
	if strings.Contains(expression, "TZ=") {
		return Schedule{}, fmt.Errorf("%.80q names a zone: write it as zone", expression)
	}
	parsed, err := parse(expression)
	if err != nil {
		return Schedule{}, fmt.Errorf("%.80q is no cron expression: %w; want five fields, as in \"0 3 * * 1-5\", or @daily", expression, err)
	}
	spec, ok := parsed.(*cron.SpecSchedule)
	if !ok {
		return Schedule{}, fmt.Errorf("%.80q counts from whenever a server starts: want five fields, as in \"0 3 * * 1-5\", or @daily", expression)
	}
	spec.Location = where
	s := Schedule{spec: spec, zone: where}
	if s.Next(time.Date(2026, 1, 1, 0, 0, 0, 0, where)).IsZero() {
		return Schedule{}, fmt.Errorf("%.80q is due at no time", expression)
	}
	return s, nil
}

// parse is the library's, whose parser panics for a few malformed expressions.
func parse(expression string) (parsed cron.Schedule, err error) {
	defer func() {
		if recover() != nil {
			parsed, err = nil, errors.New("it cannot be read")
		}
	}()
	return cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Descriptor).Parse(expression)
}

// Next is the first due time after a time, in UTC; the zero time when there is none within five years. An hour that the
// clocks of the zone skip has no due time, and one that they repeat has each of its due times twice.
func (s Schedule) Next(after time.Time) time.Time {
	if s.spec == nil {
		return time.Time{}
	}
	next := s.spec.Next(after.In(s.zone))
	if next.IsZero() {
		return time.Time{}
	}
	return next.UTC()
}

// Latest is the last due time that is after one time and not after another; the zero time when there is none.
func (s Schedule) Latest(after, until time.Time) time.Time {
	var latest time.Time
	for next := s.Next(after); !next.IsZero() && !next.After(until); next = s.Next(next) {
		latest = next
	}
	return latest
}
