package release.concurrency_test

import data.release.concurrency

_release(application) := {"lane": {"tenant": "demo", "application": application, "environment": "production"}, "number": 3}

_ramps(application, units) := {"release": _release(application), "units": units}

_asks(ramping) := {
	"gate": "step",
	"release": _release("hello"),
	"step": {"unit": "a", "from_permyriad": 0, "to_permyriad": 100},
	"facts": {"ramping": ramping},
}

_codes(asked, most) := {denial.code | some denial in concurrency.deny with input as asked with data.max_ramping as most}

_full := [_ramps("one", ["a", "b"]), _ramps("two", ["a"])]

test_without_data_there_is_no_bound if {
	count(concurrency.deny) == 0 with input as _asks(_full)
}

test_the_next_one_waits if {
	denials := concurrency.deny with input as _asks(_full) with data.max_ramping as 2
	denials == {{
		"code": "concurrency.full",
		"msg": "2 releases split traffic in unit a, and no more than 2 may at once: demo/one/production/3, demo/two/production/3",
		"hold": true,
	}}
}

test_there_is_room if {
	_codes(_asks(_full), 3) == set()
	_codes(_asks([]), 1) == set()
	_codes(json.patch(_asks([]), [{"op": "replace", "path": "facts", "value": {}}]), 1) == set()
}

test_other_units_and_the_release_itself_do_not_count if {
	_codes(_asks([_ramps("one", ["b"]), _ramps("hello", ["a"])]), 1) == set()
}

test_one_that_does_not_say_where_it_is_may_be_here if {
	_codes(_asks([_ramps("one", [])]), 1) == {"concurrency.full"}
	_codes(_asks([{"release": _release("one")}]), 1) == {"concurrency.full"}
}

test_what_has_begun_goes_on if {
	every step in [{"from_permyriad": 100, "to_permyriad": 500}, {"to_permyriad": 0}] {
		_codes(object.union(_asks(_full), {"step": step}), 1) == set()
	}
	every gate in ["admit", "deploy", "cutover"] {
		_codes(object.union(_asks(_full), {"gate": gate}), 1) == set()
	}
}

test_without_facts_nobody_may if {
	_codes(object.remove(_asks([]), {"facts"}), 1) == {"concurrency.unknown"}
	_codes(json.patch(_asks([]), [{"op": "replace", "path": "facts", "value": null}]), 1) == {"concurrency.unknown"}
	_codes(_asks("none"), 1) == {"concurrency.unknown"}
}

test_what_is_no_bound_is_malformed if {
	count(concurrency.malformed) == 0
	count(concurrency.malformed) == 0 with data.max_ramping as 1
	every most in [0, -1, 1.5, "3", null, false, [1]] {
		{denial.code | some denial in concurrency.malformed} == {"concurrency.malformed"} with data.max_ramping as most
	}
}
