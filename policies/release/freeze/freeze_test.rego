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

test_what_is_no_list_is_denied_at_every_gate if {
	every windows in [null, false, "always", {}, 7] {
		_codes(_asks("admit"), windows) == {"freeze.malformed"}
	}
}

test_what_is_no_window_is_denied_at_every_gate if {
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
	] {
		_codes(_asks("admit"), [json.patch(_holidays, [patch])]) == {"freeze.malformed"}
	}
	every window in [null, "always", [], 7] {
		_codes(_asks("admit"), [window]) == {"freeze.malformed"}
	}
}

test_the_place_of_a_bad_window_is_told if {
	some denial in _denials(_asks("admit"), [_holidays, {}])
	startswith(denial.msg, "data.freeze_windows[1] is not a window: ")
}
