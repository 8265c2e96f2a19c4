package release.freeze_test

import data.release.freeze

_lane := {"tenant": "fliggy", "application": "rail-tour", "environment": "production"}

_asks(gate) := {
	"gate": gate,
	"release": {"lane": _lane, "number": 1},
	"plan": {"freeze": "hold"},
	"step": {"unit": "a", "from_permyriad": 100, "to_permyriad": 500},
	"at": "2026-10-01T08:00:00Z",
}

_holidays := {"starts": "2026-10-01T00:00:00+08:00", "ends": "2026-10-08T00:00:00+08:00", "reason": "holidays"}

_denials(asked, windows) := denials if {
	denials := freeze.deny with input as asked with data.freeze_windows as windows
}

_codes(asked, windows) := {denial.code | some denial in _denials(asked, windows)}

_malformed(windows) := denials if {
	denials := freeze.malformed with data.freeze_windows as windows
}

_calendars(asked, calendars) := denials if {
	denials := freeze.deny with input as asked with data.freeze_calendars as calendars
}

_declared(asked, freezes) := denials if {
	denials := freeze.deny with input as object.union(asked, {"facts": {"freezes": freezes}})
}

_said(denials) := {denial.code | some denial in denials}

test_without_windows_nothing_is_frozen if {
	every gate in ["deploy", "step", "cutover"] {
		_codes(_asks(gate), []) == set()
		count(freeze.deny) == 0 with input as _asks(gate)
	}
}

test_an_open_window_stops_promotion_and_says_until_when if {
	every gate in ["deploy", "step", "cutover"] {
		_denials(_asks(gate), [_holidays]) == {{
			"code": "freeze.open",
			"msg": "production of fliggy/rail-tour is frozen until 2026-10-08T00:00:00+08:00: holidays",
			"until": "2026-10-08T00:00:00+08:00",
			"hold": true,
		}}
	}
}

test_everything_else_goes_on if {
	every gate in ["admit", "build", "press", "approve", "override"] {
		_codes(_asks(gate), [_holidays]) == set()
	}
}

test_traffic_may_be_taken_back if {
	asked := object.union(_asks("step"), {"step": {"to_permyriad": 0}})
	_codes(asked, [_holidays]) == set()
}

test_every_open_window_is_told if {
	longer := object.union(_holidays, {"ends": "2026-10-09T00:00:00Z", "reason": "stock-taking"})
	{denial.until | some denial in _denials(_asks("step"), [_holidays, longer])} == {
		"2026-10-08T00:00:00+08:00",
		"2026-10-09T00:00:00Z",
	}
}

test_a_window_is_open_from_its_start_until_before_its_end if {
	wanted := {
		"2026-09-30T15:59:59.999999999Z": set(),
		"2026-09-30T16:00:00Z": {"freeze.open"},
		"2026-10-07T15:59:59.999999999Z": {"freeze.open"},
		"2026-10-07T16:00:00Z": set(),
	}
	every at, codes in wanted {
		_codes(object.union(_asks("deploy"), {"at": at}), [_holidays]) == codes
	}
}

test_a_window_is_for_what_it_names if {
	every scope in [
		{"environments": ["staging", "production"]}, {"tenants": ["fliggy"]}, {"applications": ["rail-tour"]},
		{"tenants": ["fliggy"], "applications": ["rail-tour"], "environments": ["production"]},
	] {
		_codes(_asks("deploy"), [object.union(_holidays, scope)]) == {"freeze.open"}
	}
	every scope in [
		{"environments": ["staging"]}, {"tenants": ["other"]}, {"applications": ["hotels"]},
		{"tenants": ["fliggy"], "environments": ["staging"]},
	] {
		_codes(_asks("deploy"), [object.union(_holidays, scope)]) == set()
	}
}

test_finish_ends_a_ramp_that_has_begun if {
	every gate in ["step", "cutover"] {
		_codes(object.union(_asks(gate), {"plan": {"freeze": "finish"}}), [_holidays]) == set()
	}
}

test_finish_begins_none if {
	begins := {"plan": {"freeze": "finish"}, "step": {"from_permyriad": 0}}
	every gate in ["deploy", "step", "cutover"] {
		_codes(object.union(_asks(gate), begins), [_holidays]) == {"freeze.open"}
	}
}

test_hold_and_revert_are_no_exemption if {
	every action in ["hold", "revert", ""] {
		_codes(object.union(_asks("step"), {"plan": {"freeze": action}}), [_holidays]) == {"freeze.open"}
	}
}

test_no_more_than_ten_windows_are_told if {
	windows := [object.union(_holidays, {"reason": sprintf("reason %d", [i])}) | some i in numbers.range(1, 30)]
	count(_denials(_asks("step"), windows)) == 10
	longest := object.union(_holidays, {"ends": "2026-11-08T00:00:00Z"})
	some denial in _denials(_asks("step"), array.concat([longest], windows))
	denial.until == longest.ends
}

test_many_windows_are_told_as_few_are if {
	windows := [window |
		some i in numbers.range(0, 99)
		window := object.union_n([
			_holidays, {"reason": sprintf("reason %d", [i])},
			{"starts": sprintf("2026-10-0%d%s", [1 + (i % 2), "T00:00:00+08:00"])},
			[{}, {"tenants": ["fliggy", sprintf("t%d", [i])]}, {"environments": ["staging"]}][i % 3],
		])
	]
	open := [window | some window in windows; startswith(window.starts, "2026-10-01"); not window.environments]
	count(open) == 33
	every window in open {
		some denial in _denials(_asks("step"), [other | some other in windows; other.reason in {window.reason, "reason 2"}])
		endswith(denial.msg, sprintf(": %s", [window.reason]))
	}
	count(_denials(_asks("step"), windows)) == 10
}

test_of_windows_that_are_alike_those_that_are_open_are_told if {
	early := object.union(_holidays, {"ends": "2026-10-01T07:00:00Z", "reason": "early"})
	late := object.union(_holidays, {"starts": "2026-10-01T09:00:00Z", "reason": "late"})
	{denial.msg | some denial in _denials(_asks("step"), [early, _holidays, late])} == {"production of fliggy/rail-tour is frozen until 2026-10-08T00:00:00+08:00: holidays"}
}

test_windows_that_were_prepared_are_taken_as_they_are if {
	prepared := freeze.index with data.freeze_windows as [_holidays]
	denials := freeze.deny with input as _asks("step") with data.release.prepared as {"freeze": prepared}
	_said(denials) == {"freeze.open"}
}

test_a_window_has_local_times_where_it_names_a_zone if {
	window := {"starts": "2026-10-01T00:00", "ends": "2026-10-08T00:00", "time_zone": "Asia/Shanghai", "reason": "holidays"}
	wanted := {
		"2026-09-30T15:59:59Z": set(),
		"2026-09-30T16:00:00Z": {"2026-10-08T00:00:00+08:00"},
		"2026-10-07T15:59:59Z": {"2026-10-08T00:00:00+08:00"},
		"2026-10-07T16:00:00Z": set(),
	}
	every at, untils in wanted {
		{denial.until | some denial in _denials(object.union(_asks("deploy"), {"at": at}), [window])} == untils
	}
}

_weekend := {"reason": "weekend", "time_zone": "Asia/Shanghai", "weekly": {"from": "fri 16:00", "to": "mon 08:00"}}

test_a_weekly_calendar_wraps_around if {
	wanted := {
		"2026-10-02T07:59:59Z": set(),
		"2026-10-02T08:00:00Z": {"2026-10-05T08:00:00+08:00"},
		"2026-10-04T23:59:59Z": {"2026-10-05T08:00:00+08:00"},
		"2026-10-05T00:00:00Z": set(),
	}
	every at, untils in wanted {
		denials := _calendars(object.union(_asks("deploy"), {"at": at}), [_weekend])
		{denial.until | some denial in denials} == untils
	}
}

test_a_weekly_calendar_within_a_week if {
	lunch := object.union(_weekend, {"weekly": {"from": "wed 12:00", "to": "wed 13:30"}})
	wanted := {
		"2026-10-07T03:59:59Z": set(),
		"2026-10-07T04:00:00Z": {"2026-10-07T13:30:00+08:00"},
		"2026-10-07T05:30:00Z": set(),
		"2026-10-05T05:00:00Z": set(),
	}
	every at, untils in wanted {
		denials := _calendars(object.union(_asks("deploy"), {"at": at}), [lunch])
		{denial.until | some denial in denials} == untils
	}
}

test_a_calendar_says_what_it_is if {
	asked := object.union(_asks("step"), {"at": "2026-10-03T00:00:00Z"})
	_calendars(asked, [_weekend]) == {{
		"code": "freeze.calendar",
		"msg": "production of fliggy/rail-tour is frozen until 2026-10-05T08:00:00+08:00: weekend",
		"until": "2026-10-05T08:00:00+08:00",
		"hold": true,
	}}
	_calendars(asked, [object.union(_weekend, {"tenants": ["other"]})]) == set()
	_calendars(object.union(asked, {"plan": {"freeze": "finish"}}), [_weekend]) == set()
}

test_a_yearly_calendar_has_whole_days_and_wraps_around if {
	turn := {"reason": "new year", "time_zone": "Europe/Berlin", "yearly": {"from": "12-24", "to": "01-02"}}
	summer := {"reason": "summer", "time_zone": "Europe/Berlin", "yearly": {"from": "07-01", "to": "07-01"}}
	wanted := {
		"2026-12-23T22:59:59Z": set(),
		"2026-12-23T23:00:00Z": {"2027-01-03T00:00:00+01:00"},
		"2027-01-02T22:59:59Z": {"2027-01-03T00:00:00+01:00"},
		"2027-01-02T23:00:00Z": set(),
		"2026-07-01T21:00:00Z": {"2026-07-02T00:00:00+02:00"},
		"2026-07-01T22:00:00Z": set(),
	}
	every at, untils in wanted {
		denials := _calendars(object.union(_asks("deploy"), {"at": at}), [turn, summer])
		{denial.until | some denial in denials} == untils
	}
}

_incident := {
	"id": "1", "starts": "2026-10-01T07:00:00Z", "reason": "payments are down",
	"by": {"name": "ada", "source": "slack"}, "tenants": ["fliggy"],
}

test_people_freeze_until_they_lift_it if {
	_declared(_asks("step"), [_incident]) == {{
		"code": "freeze.declared",
		"msg": "production of fliggy/rail-tour is frozen until it is lifted: payments are down (by ada)",
		"hold": true,
	}}
}

test_people_freeze_for_a_while if {
	ends := object.union(_incident, {"ends": "2026-10-01T09:00:00Z"})
	{denial.until | some denial in _declared(_asks("step"), [ends])} == {"2026-10-01T09:00:00Z"}
	over := object.union(_incident, {"ends": "2026-10-01T08:00:00Z"})
	later := object.union(_incident, {"starts": "2026-10-01T08:00:01Z"})
	elsewhere := object.union(_incident, {"tenants": ["other"]})
	_declared(_asks("step"), [over, later, elsewhere, "x"]) == set()
}

test_people_let_a_ramp_finish_and_the_rest_go_on if {
	_declared(object.union(_asks("step"), {"plan": {"freeze": "finish"}}), [_incident]) == set()
	every gate in ["admit", "build", "press", "approve", "override"] {
		_declared(_asks(gate), [_incident]) == set()
	}
}

test_nothing_begins_while_the_line_is_stopped if {
	line := object.union(_incident, {"line": true, "ends": "2026-10-01T09:00:00Z"})
	every gate in ["admit", "build", "deploy", "press", "step", "cutover"] {
		asked := object.union(_asks(gate), {"plan": {"freeze": "finish"}})
		_said(_declared(asked, [line])) == {"freeze.line"}
	}
	every gate in ["approve", "override"] {
		_declared(_asks(gate), [line]) == set()
	}
	_declared(object.union(_asks("step"), {"step": {"to_permyriad": 0}}), [line]) == set()
}

test_what_is_no_list_is_malformed if {
	every list in [null, false, "always", {}, 7] {
		_said(_malformed(list)) == {"freeze.malformed"}
		_codes(_asks("deploy"), list) == set()
		_said(freeze.malformed) == {"freeze.malformed"} with data.freeze_calendars as list
		_calendars(_asks("deploy"), list) == set()
	}
	count(freeze.malformed) == 0
	_malformed([_holidays]) == set()
}

test_what_is_no_window_is_malformed if {
	every patch in [
		{"op": "remove", "path": "starts"}, {"op": "remove", "path": "ends"}, {"op": "remove", "path": "reason"},
		{"op": "replace", "path": "reason", "value": " "}, {"op": "replace", "path": "reason", "value": 1},
		{"op": "replace", "path": "starts", "value": "2026-10-01"}, {"op": "replace", "path": "ends", "value": 7},
		{"op": "replace", "path": "ends", "value": "2026-09-01T00:00:00Z"},
		{"op": "add", "path": "environment", "value": "production"},
		{"op": "add", "path": "environments", "value": "production"},
		{"op": "add", "path": "environments", "value": []},
		{"op": "add", "path": "tenants", "value": [1]},
		{"op": "add", "path": "applications", "value": null},
		{"op": "add", "path": "time_zone", "value": "Asia/Shanghai"},
		{"op": "add", "path": "time_zone", "value": false},
	] {
		_said(_malformed([json.patch(_holidays, [patch])])) == {"freeze.malformed"}
	}
	every window in [null, "always", [], 7] {
		_said(_malformed([window])) == {"freeze.malformed"}
		_codes(_asks("deploy"), [window, _holidays]) == {"freeze.open"}
	}
}

test_the_place_of_a_bad_window_is_told if {
	some denial in _malformed([_holidays, {}])
	startswith(denial.msg, "data.freeze_windows[1] is not a window: ")
}

test_what_is_no_calendar_is_malformed if {
	count(freeze.malformed) == 0 with data.freeze_calendars as [_weekend]
	yearly := {"from": "12-24", "to": "01-02"}
	every patch in [
		{"op": "remove", "path": "reason"}, {"op": "remove", "path": "time_zone"}, {"op": "remove", "path": "weekly"},
		{"op": "replace", "path": "time_zone", "value": "CST"}, {"op": "add", "path": "yearly", "value": yearly},
		{"op": "add", "path": "monthly", "value": 1}, {"op": "add", "path": "tenants", "value": []},
		{"op": "replace", "path": "weekly", "value": "fri"}, {"op": "replace", "path": "weekly/from", "value": "friday 16:00"},
		{"op": "replace", "path": "weekly/from", "value": "mon 08:00"}, {"op": "replace", "path": "weekly/to", "value": "mon 8"},
		{"op": "replace", "path": "weekly/to", "value": 8}, {"op": "add", "path": "weekly/for", "value": "1h"},
	] {
		calendars := [json.patch(_weekend, [patch])]
		_said(freeze.malformed) == {"freeze.malformed"} with data.freeze_calendars as calendars
		_calendars(_asks("deploy"), calendars) == set()
	}
	every days in [{"from": "12-24"}, {"from": "12-24", "to": "02-29"}, {"from": "13-01", "to": "01-01"}, {"from": 1, "to": "01-01"}] {
		calendars := [json.patch(_weekend, [{"op": "remove", "path": "weekly"}, {"op": "add", "path": "yearly", "value": days}])]
		_said(freeze.malformed) == {"freeze.malformed"} with data.freeze_calendars as calendars
	}
}
