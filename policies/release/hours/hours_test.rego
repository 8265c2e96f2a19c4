package release.hours_test

import data.release.hours

_asks(gate, at) := {
	"gate": gate,
	"release": {"lane": {"tenant": "fliggy", "application": "rail-tour", "environment": "production"}, "number": 1},
	"step": {"unit": "a", "from_permyriad": 100, "to_permyriad": 500},
	"at": at,
}

_office := {
	"environments": ["production"], "time_zone": "Asia/Shanghai",
	"days": ["mon", "tue", "wed", "thu"], "from": "10:00", "to": "17:00",
}

_evening := object.union(_office, {"days": ["wed"], "from": "20:00", "to": "24:00"})

_denials(asked, entries) := denials if {
	denials := hours.deny with input as asked with data.hours as entries
}

_untils(at, entries) := {denial.until | some denial in _denials(_asks("step", at), entries)}

test_without_data_it_is_always_open if {
	count(hours.deny) == 0 with input as _asks("deploy", "2026-03-08T00:00:00Z")
}

test_it_is_open_from_the_first_minute_until_before_the_last if {
	wanted := {
		"2026-03-02T01:59:59Z": {"2026-03-02T10:00:00+08:00"},
		"2026-03-02T02:00:00Z": set(),
		"2026-03-02T08:59:59Z": set(),
		"2026-03-02T09:00:00Z": {"2026-03-03T10:00:00+08:00"},
		"2026-03-05T09:00:00Z": {"2026-03-09T10:00:00+08:00"},
	}
	every at, untils in wanted {
		_untils(at, [_office]) == untils
	}
}

test_once_a_week_opens_again_in_a_week if {
	_untils("2026-03-04T16:00:00Z", [_evening]) == {"2026-03-11T20:00:00+08:00"}
	_untils("2026-03-04T15:59:59Z", [_evening]) == set()
}

test_any_entry_opens if {
	_untils("2026-03-04T12:30:00Z", [_office, _evening]) == set()
	_untils("2026-03-04T09:30:00Z", [_office, _evening]) == {"2026-03-04T20:00:00+08:00"}
}

test_two_that_open_at_once_are_one if {
	perth := object.union(_office, {"time_zone": "Australia/Perth"})
	_untils("2026-03-02T00:00:00Z", [_office, perth]) == {"2026-03-02T10:00:00+08:00"}
}

test_what_waits_is_told_until_when if {
	every gate in ["deploy", "step", "cutover"] {
		_denials(_asks(gate, "2026-03-06T12:00:00Z"), [_office]) == {{
			"code": "hours.closed",
			"msg": "production of fliggy/rail-tour is promoted in its hours only, and the next begin at 2026-03-09T10:00:00+08:00",
			"until": "2026-03-09T10:00:00+08:00",
			"hold": true,
		}}
	}
}

test_everything_else_goes_on if {
	every gate in ["admit", "build", "press", "approve", "override"] {
		_denials(_asks(gate, "2026-03-06T12:00:00Z"), [_office]) == set()
	}
	_denials(object.union(_asks("step", "2026-03-06T12:00:00Z"), {"step": {"to_permyriad": 0}}), [_office]) == set()
}

test_what_no_entry_is_for_is_open if {
	_untils("2026-03-06T12:00:00Z", [object.union(_office, {"environments": ["staging"]})]) == set()
}

test_what_is_no_hours_is_malformed if {
	count(hours.malformed) == 0
	count(hours.malformed) == 0 with data.hours as [_office, _evening]
	every entries in [
		null, {}, "always", [7], [{}], [object.remove(_office, {"time_zone"})], [object.union(_office, {"time_zone": "CST"})],
		[object.union(_office, {"days": []})], [object.union(_office, {"days": ["monday"]})], [object.union(_office, {"from": "18:00"})],
		[object.union(_office, {"to": 17})], [object.union(_office, {"tenants": "fliggy"})], [object.union(_office, {"zone": "UTC"})],
	] {
		{denial.code | some denial in hours.malformed} == {"hours.malformed"} with data.hours as entries
		_denials(_asks("step", "2026-03-06T12:00:00Z"), entries) == set()
	}
}
