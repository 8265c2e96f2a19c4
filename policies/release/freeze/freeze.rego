# METADATA
# title: Freeze
# description: |
#   Nothing is promoted while a freeze is open: a window of data.freeze_windows, a calendar of
#   data.freeze_calendars that comes again, or one that people have declared, in the facts. What a freeze does
#   not name it does not limit, so one that names nothing is for everything. Releases are still admitted, built
#   and tested, and traffic may always be taken back. A plan that says "finish" ends a ramp that has begun. A
#   freeze that stops the line exempts nobody, and nothing begins.
# scope: package
package release.freeze

import data.release.clock
import data.release.shape
import data.release.zone

deny contains object.union(_denial("freeze.open", window.reason, window.ends), {"until": window.ends}) if {
	_applies
	some [_, place] in _told
	window := _index.windows[place]
}

deny contains object.union(_denial("freeze.calendar", calendar.reason, until), {"until": until}) if {
	_applies
	some calendar in _calendars
	shape.covers(calendar, input.release.lane)
	until := clock.written(clock.local(_open_until(calendar), calendar.time_zone), calendar.time_zone)
}

deny contains object.union(_denial("freeze.declared", _because(freeze), _end(freeze)), _until(freeze)) if {
	_applies
	some freeze in _declared
	not freeze.line
}

deny contains object.union(_denial("freeze.line", _because(freeze), _end(freeze)), _until(freeze)) if {
	_begins
	some freeze in _declared
	freeze.line
}

# index is what the data come to, without what is malformed. It depends on nothing else, so that the engine keeps
# it until they change. Windows are in blocks of what is alike, so that a decision looks into few of them.
index := {
	"blocks": [_block(array.slice(_windows, first, first + _size), first) |
		some first in numbers.range_step(0, count(_windows), _size)
		first < count(_windows)
	],
	"windows": _windows,
	"calendars": [calendar |
		is_array(data.freeze_calendars)
		some calendar in data.freeze_calendars
		_calendar(calendar)
	],
}

malformed contains {
	"code": "freeze.malformed",
	"msg": sprintf("data.%s is not a list", [key]),
} if {
	some key in ["freeze_windows", "freeze_calendars"]
	list := _set[key]
	not is_array(list)
}

malformed contains {"code": "freeze.malformed", "msg": msg} if {
	is_array(data.freeze_windows)
	some i, window in data.freeze_windows
	not _window(window)
	msg := concat(" ", [
		sprintf("data.freeze_windows[%d] is not a window:", [i]),
		"it has starts and a later ends, as 2026-03-02T12:00:00Z, or as 2026-03-02T12:00 with a time_zone such as",
		"Asia/Shanghai, and a reason, and may list tenants, applications and environments",
	])
}

malformed contains {"code": "freeze.malformed", "msg": msg} if {
	is_array(data.freeze_calendars)
	some i, calendar in data.freeze_calendars
	not _calendar(calendar)
	msg := concat(" ", [
		sprintf("data.freeze_calendars[%d] is no calendar:", [i]),
		"it has a reason, a time_zone such as Asia/Shanghai, and either weekly with from and to, as fri 16:00, or",
		"yearly with the first and the last day in from and to, as 12-24, and may list tenants, applications and",
		"environments",
	])
}

_size := 32

_windows := [row[5] | some row in sort([[names.tenants, names.applications, names.environments, from, i, window] |
	is_array(data.freeze_windows)
	some i, given in data.freeze_windows
	_window(given)
	names := {list: sort(object.get(given, list, [])) | some list in shape.scope}
	from := _moment(given, "starts")
	window := object.union(object.remove(given, {"starts", "time_zone"}), {
		"from": from,
		"to": _moment(given, "ends"),
		"ends": _written(given),
	})
])]

# A block is from the first start to the last end of its windows, and covers what one of them covers. Where all cover
# the same, it need not be asked of each. From full to empty all of them are open, and only the last of them to end
# count. Windows are known by their place in the list.
_block(windows, first) := object.union(_together(windows), {
	"from": min({window.from | some window in windows}),
	"full": max({window.from | some window in windows}),
	"empty": min({window.to | some window in windows}),
	"to": max({window.to | some window in windows}),
	"alike": count({object.filter(window, shape.scope) | some window in windows}) == 1,
	"rows": [[window.from, window.to, first + i] | some i, window in windows],
	"last": _last([[window.to, first + i] | some i, window in windows]),
})

_together(windows) := {list: names |
	some list in shape.scope
	every window in windows {
		window[list]
	}
	names := {name | some window in windows; some name in window[list]}
}

_set["freeze_windows"] := data.freeze_windows

_set["freeze_calendars"] := data.freeze_calendars

_denial(code, reason, end) := {
	"code": code,
	"msg": sprintf("%s of %s/%s is frozen until %s: %s", [lane.environment, lane.tenant, lane.application, end, reason]),
	"hold": true,
} if {
	lane := input.release.lane
}

# At most so many windows are told, those that end last: a thousand of them would say no more.
_most := 10

_told := _last(array.concat(array.concat(_full, _some), _mixed))

_last(rows) := array.slice(sort(rows), count(rows) - _most, count(rows))

_full := [row |
	now := clock.now
	some block in _near
	block.alike
	_within(block.full, now, block.empty)
	some row in block.last
]

_some := [[row[1], row[2]] |
	now := clock.now
	some block in _near
	block.alike
	not _within(block.full, now, block.empty)
	some row in block.rows
	row[1] > now
	row[0] <= now
]

_mixed := [[row[1], row[2]] |
	now := clock.now
	lane := input.release.lane
	some block in _near
	not block.alike
	some row in block.rows
	row[1] > now
	row[0] <= now
	shape.covers(_index.windows[row[2]], lane)
]

_within(from, now, to) if {
	from <= now
	now < to
}

_near := [block |
	now := clock.now
	lane := input.release.lane
	some block in _index.blocks
	block.from <= now
	now < block.to
	shape.covers(block, lane)
]

_calendars := _index.calendars

_index := data.release.prepared.freeze

_index := index if not data.release.prepared.freeze

_applies if {
	_promotes
	not _finishes
}

_promotes if input.gate == "deploy"

_promotes if input.gate == "cutover"

_promotes if {
	input.gate == "step"
	not _lowers
}

_begins if _promotes

_begins if input.gate in {"admit", "build", "press"}

_lowers if input.step.to_permyriad < input.step.from_permyriad

_finishes if {
	input.plan.freeze == "finish"
	input.gate in {"step", "cutover"}
	input.step.from_permyriad > 0
}

_declared contains freeze if {
	some freeze in input.facts.freezes
	is_object(freeze)
	shape.covers(freeze, input.release.lane)
	clock.moment(freeze.starts) <= clock.now
	not _over(freeze)
}

_over(freeze) if clock.moment(freeze.ends) <= clock.now

_because(freeze) := sprintf("%s (by %s)", [freeze.reason, freeze.by.name])

_end(freeze) := object.get(freeze, "ends", "it is lifted")

_until(freeze) := {"until": freeze.ends}

_until(freeze) := {} if not freeze.ends

_open_until(calendar) := end if {
	now := clock.wall(clock.now, calendar.time_zone)
	week := clock.midnight(now) - (clock.weekday(now) * clock.day)
	from := _weekly(calendar.weekly.from)
	ends := {week + _weekly(calendar.weekly.to), (week + _weekly(calendar.weekly.to)) + (7 * clock.day)}
	end := min({end | some end in ends; now < end})
	_within_week(from, _weekly(calendar.weekly.to), now - week)
}

_open_until(calendar) := end if {
	now := clock.wall(clock.now, calendar.time_zone)
	year := time.date(now)[0]
	from := _yearly(calendar.yearly.from)
	to := _yearly(calendar.yearly.to)
	some first in [year - 1, year]
	clock.shown(sprintf("%d-%sT00:00", [first, from])) <= now
	end := clock.shown(sprintf("%d-%sT00:00", [_last_year(first, from, to), to])) + clock.day
	now < end
}

_within_week(from, to, now) if {
	from < to
	from <= now
	now < to
}

_within_week(from, to, now) if {
	from > to
	_outside(from, to, now)
}

_outside(from, _, now) if from <= now

_outside(_, to, now) if now < to

_last_year(first, from, to) := first if from <= to

_last_year(first, from, to) := first + 1 if from > to

# From the beginning of the week, in nanoseconds.
_weekly(text) := (day * clock.day) + (clock.minutes(substring(text, 4, -1)) * clock.minute) if {
	is_string(text)
	some day, name in clock.weekdays
	startswith(text, sprintf("%s ", [name]))
}

# A day that every year has.
_yearly(text) := text if {
	is_string(text)
	clock.shown(sprintf("2026-%sT00:00", [text]))
}

_window(window) if {
	shape.fields(window, {"starts", "ends", "reason", "time_zone"} | shape.scope)
	shape.text(window.reason)
	_moment(window, "starts") < _moment(window, "ends")
	shape.scoped(window)
}

_moment(window, part) := clock.moment(window[part]) if not _zoned(window)

_moment(window, part) := clock.local(clock.shown(window[part]), window.time_zone) if _zoned(window)

_written(window) := window.ends if not _zoned(window)

_written(window) := clock.written(_moment(window, "ends"), window.time_zone) if _zoned(window)

_zoned(window) if "time_zone" in object.keys(window)

_calendar(calendar) if {
	shape.fields(calendar, {"reason", "time_zone", "weekly", "yearly"} | shape.scope)
	shape.text(calendar.reason)
	calendar.time_zone in zone.names
	shape.scoped(calendar)
	_comes_again(calendar)
}

_comes_again(calendar) if {
	not "yearly" in object.keys(calendar)
	shape.fields(calendar.weekly, {"from", "to"})
	_weekly(calendar.weekly.from) != _weekly(calendar.weekly.to)
}

_comes_again(calendar) if {
	not "weekly" in object.keys(calendar)
	shape.fields(calendar.yearly, {"from", "to"})
	_yearly(calendar.yearly.from)
	_yearly(calendar.yearly.to)
}
