# METADATA
# title: Clock
# description: |
#   The only clock there is: the moment in the input. Moments are nanoseconds since 1970. Text that is
#   no moment is undefined rather than an error, so that a topic can deny it in its own words. What clocks on the
#   wall show is told in nanoseconds too, as if they showed it in UTC.
# scope: package
package release.clock

import data.release.zone

now := moment(input.at)

moment(text) := time.parse_rfc3339_ns(text) if {
	is_string(text)
	regex.match(_rfc3339, text)
	_dated(text)
}

# span is the nanoseconds of a duration such as 90s, 1h30m or 7d.
span(text) := _days(text) + _rest(text) if {
	is_string(text)
	text != ""
	regex.match(_span, text)
}

# wall is what the clocks of a zone show at a moment, to the second.
wall(ns, name) := time.parse_rfc3339_ns(time.format([ns, name, "2006-01-02T15:04:05Z"])) if name in zone.names

# shown reads what the clocks of a zone show, as 2026-03-02T12:00 or with seconds.
shown(text) := moment(sprintf("%s%sZ", [text, _seconds(text)])) if is_string(text)

# local is the moment at which the clocks of a zone show something: one of the two if they show it twice, and
# one near it if they never do.
local(naive, name) := naive - (wall(guess, name) - guess) if guess := naive - (wall(naive, name) - naive)

# written is a moment as text, with the offset of a zone.
written(ns, name) := time.format([ns, name, "2006-01-02T15:04:05Z07:00"])

# midnight and weekday are those of what clocks show; Monday is 0.
midnight(naive) := naive - (naive % day)

weekday(naive) := ((midnight(naive) / day) + 3) % 7

# minutes reads 16:00, and 24:00 for the end of a day.
minutes(text) := (to_number(substring(text, 0, 2)) * 60) + to_number(substring(text, 3, 2)) if {
	is_string(text)
	regex.match(`^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$`, text)
}

minute := 60000000000

day := 86400000000000

# The week begins on Monday.
weekdays := ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]

# Narrower than RFC 3339: years outside these overflow the nanoseconds.
_rfc3339 := concat("", [
	`^(19[789]|20[0-9]|21[0-9])[0-9]-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])`,
	`T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?`,
	`(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$`,
])

# A day from the 29th on is not in every month.
_dated(text) if to_number(substring(text, 8, 2)) <= 28

_dated(text) if to_number(substring(text, 8, 2)) <= _lengths[substring(text, 5, 2)]

_dated(text) if {
	substring(text, 5, 5) == "02-29"
	_leaps(to_number(substring(text, 0, 4)))
}

_lengths := {
	"01": 31, "02": 28, "03": 31, "04": 30, "05": 31, "06": 30,
	"07": 31, "08": 31, "09": 30, "10": 31, "11": 30, "12": 31,
}

_leaps(year) if {
	year % 4 == 0
	year % 100 != 0
}

_leaps(year) if year % 400 == 0

_seconds(text) := "" if count(text) != count("2026-03-02T12:00")

_seconds(text) := ":00" if count(text) == count("2026-03-02T12:00")

# Few enough digits that no sum overflows.
_span := concat("", [
	`^([0-9]{1,4}d)?([0-9]{1,5}h)?([0-9]{1,6}m)?([0-9]{1,7}(\.[0-9]{1,9})?s)?`,
	`([0-9]{1,7}(\.[0-9]{1,9})?(ms|us|µs|ns))?$`,
])

_days(text) := to_number(split(text, "d")[0]) * day if contains(text, "d")

_days(text) := 0 if not contains(text, "d")

_rest(text) := 0 if endswith(text, "d")

_rest(text) := time.parse_duration_ns(regex.replace(text, "^[0-9]+d", "")) if not endswith(text, "d")
