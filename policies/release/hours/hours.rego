# METADATA
# title: Hours
# description: |
#   Where data.hours has an entry for a lane, it is promoted in the hours of one of its entries and waits outside
#   of them. Where it has none, it is promoted at any time. An entry has a time zone, the days of the week, and
#   the times of the day from and to. Releases are still admitted, built and tested, and traffic may always be
#   taken back.
# scope: package
package release.hours

import data.release.clock
import data.release.shape
import data.release.zone

deny contains {"code": "hours.closed", "msg": msg, "until": until, "hold": true} if {
	_promotes
	count(_covering) > 0
	not _open
	clock.now
	opens := min({ns | some ns, _ in _openings})
	until := clock.written(opens, _openings[opens])
	lane := input.release.lane
	msg := sprintf("%s of %s/%s is promoted in its hours only, and the next begin at %s", [
		lane.environment, lane.tenant, lane.application,
		until,
	])
}

malformed contains {
	"code": "hours.malformed",
	"msg": "data.hours is not a list",
} if {
	hours := data.hours
	not is_array(hours)
}

malformed contains {"code": "hours.malformed", "msg": msg} if {
	is_array(data.hours)
	some i, entry in data.hours
	not _wellformed(entry)
	msg := concat(" ", [
		sprintf("data.hours[%d] is no hours:", [i]),
		"it has a time_zone such as Asia/Shanghai, days such as [mon, tue], and from and a later to, as 09:30,",
		"and may list tenants, applications and environments",
	])
}

_promotes if input.gate in {"deploy", "cutover"}

_promotes if {
	input.gate == "step"
	not _lowers
}

_lowers if input.step.to_permyriad < input.step.from_permyriad

_covering contains entry if {
	some entry in data.hours
	_wellformed(entry)
	shape.covers(entry, input.release.lane)
}

_open if {
	some entry in _covering
	now := clock.wall(clock.now, entry.time_zone)
	clock.weekdays[clock.weekday(now)] in entry.days
	minute := (now - clock.midnight(now)) / clock.minute
	clock.minutes(entry.from) <= minute
	minute < clock.minutes(entry.to)
}

# When each covering entry opens in the week to come, and in which zone. Two that open at once are one.
_openings[ns] := min(zones) if {
	some ns in {opening.at | some opening in _each}
	zones := {opening.zone | some opening in _each; opening.at == ns}
}

_each contains {"at": at, "zone": entry.time_zone} if {
	some entry in _covering
	now := clock.wall(clock.now, entry.time_zone)
	some days in numbers.range(0, 7)
	midnight := clock.midnight(now) + (days * clock.day)
	clock.weekdays[clock.weekday(midnight)] in entry.days
	opens := midnight + (clock.minutes(entry.from) * clock.minute)
	opens > now
	at := clock.local(opens, entry.time_zone)
}

_wellformed(entry) if {
	shape.fields(entry, {"time_zone", "days", "from", "to"} | shape.scope)
	entry.time_zone in zone.names
	shape.texts(entry.days)
	every name in entry.days {
		name in clock.weekdays
	}
	clock.minutes(entry.from) < clock.minutes(entry.to)
	shape.scoped(entry)
}
