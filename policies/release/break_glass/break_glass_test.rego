package release.break_glass_test

import data.release.break_glass

_data := {"groups": ["incident-commanders"], "lifts": ["freeze.open", "hours.closed"], "lasts": "4h"}

_ada := {"name": "ada", "source": "slack", "groups": ["incident-commanders"]}

_bob := {"name": "bob", "source": "api", "groups": ["developers", "incident-commanders"]}

_glass := {"by": _ada, "second": _bob, "reason": "people cannot pay", "at": "2026-03-02T10:00:00Z"}

_asks(glass) := {"gate": "override", "breaking": true, "break_glass": glass, "at": "2026-03-02T12:00:00Z"}

_with(patch) := _asks(json.patch(_glass, [patch]))

_codes(asked, value) := {denial.code | some denial in break_glass.deny with input as asked with data.break_glass as value}

_lifted(asked, value) := codes if {
	codes := break_glass.lifted with input as asked with data.break_glass as value
}

test_two_people_lift_what_is_listed if {
	_lifted(_asks(_glass), _data) == {"freeze.open", "hours.closed"}
	_codes(_asks(_glass), _data) == set()
	_lifted(object.union(_asks(_glass), {"gate": "step", "breaking": false}), _data) == {"freeze.open", "hours.closed"}
}

test_without_data_nothing_is_lifted if {
	count(break_glass.lifted) == 0 with input as _asks(_glass)
	{denial.code | some denial in break_glass.deny} == {"break_glass.off"} with input as _asks(_glass)
	count(break_glass.deny) == 0 with input as object.union(_asks(_glass), {"breaking": false})
}

test_one_person_or_no_reason_lifts_nothing if {
	every patch in [
		{"op": "remove", "path": "second"}, {"op": "remove", "path": "by"}, {"op": "remove", "path": "reason"},
		{"op": "replace", "path": "reason", "value": " "}, {"op": "replace", "path": "second", "value": object.union(_ada, {"name": "Ada", "source": "api"})},
	] {
		_lifted(_with(patch), _data) == set()
		_codes(_with(patch), _data) == {"break_glass.incomplete"}
	}
	_lifted({"gate": "step"}, _data) == set()
}

test_both_are_in_the_groups if {
	every part in ["by", "second"] {
		patch := {"op": "replace", "path": part, "value": {"name": "cleo", "source": "api", "groups": ["developers"]}}
		_lifted(_with(patch), _data) == set()
		_codes(_with(patch), _data) == {"break_glass.not_allowed"}
	}
}

test_broken_glass_lasts_so_long if {
	every at in ["2026-03-02T08:00:00Z", "2026-03-02T12:00:01Z"] {
		patch := {"op": "replace", "path": "at", "value": at}
		_lifted(_with(patch), _data) == set()
		_codes(_with(patch), _data) == {"break_glass.over"}
		count(_lifted(_with(patch), object.remove(_data, {"lasts"}))) == 2
	}
}

test_what_cannot_be_judged_is_never_lifted if {
	count(break_glass.malformed) == 0
	count(break_glass.malformed) == 0 with data.break_glass as _data
	every code in [
		"question.clock", "policy.error", "artifact.unpinned", "break_glass.off", "freeze.malformed",
		"step.limit_malformed", "freeze", "freeze.*", "*",
	] {
		value := object.union(_data, {"lifts": ["freeze.open", code]})
		{denial.code | some denial in break_glass.malformed} == {"break_glass.malformed"} with data.break_glass as value
		_lifted(_asks(_glass), value) == set()
	}
}

test_what_is_no_glass_is_malformed if {
	every value in [
		null, false, [], "anybody", {}, {"groups": ["a"]}, {"lifts": ["freeze.open"]}, object.union(_data, {"groups": []}),
		object.union(_data, {"lasts": 4}), object.union(_data, {"people": ["ada"]}), object.union(_data, {"lifts": [7]}),
	] {
		{denial.code | some denial in break_glass.malformed} == {"break_glass.malformed"} with data.break_glass as value
		_lifted(_asks(_glass), value) == set()
	}
}
