package release.step_test

import data.release.step

_plan := {
	"units": ["a", "b"],
	"steps": [{"weight": "1%", "probe": true}, {"weight": "1%"}, {"weight": "5%"}, {"weight": "20%"}, {"weight": "50%"}],
	"moves": [{"component": "web", "stable": {"id": "web-1"}, "candidate": {"id": "web-2"}}],
}

_first := {"units": ["a"], "steps": null, "moves": [{"component": "web", "candidate": {"id": "web-1"}}]}

_asks(gate, from, to) := {
	"gate": gate,
	"plan": _plan,
	"step": {"unit": "a", "from_permyriad": from, "to_permyriad": to},
}

_deploy(weights) := {"gate": "deploy", "plan": {"steps": [{"weight": weight} | some weight in weights]}}

_codes(asked) := {denial.code | some denial in step.deny with input as asked}

_limited(asked, limit) := {denial.code |
	some denial in step.deny with input as asked with data.max_step_permyriad as limit
}

_messages(asked) := {denial.msg | some denial in step.deny with input as asked}

test_the_whole_ramp_passes if {
	every weights in [[0, 100], [100, 100], [100, 500], [500, 2000], [2000, 5000]] {
		_codes(_asks("step", weights[0], weights[1])) == set()
	}
	_codes(_asks("cutover", 5000, 10000)) == set()
}

test_lowering_is_always_allowed if {
	every to in [0, 100, 500, 2000] {
		asked := object.union(_asks("step", 5000, to), {"evidence": {"verdict": "fail", "sentence": "worse"}})
		_limited(asked, 1) == set()
	}
}

test_a_step_rises_by_no_more_than_the_limit if {
	asked := _asks("step", 500, 2000)
	_limited(asked, 1500) == set()
	denials := step.deny with input as asked with data.max_step_permyriad as 1499
	denials == {{"code": "step.too_far", "msg": "raising the weight from 5% to 20% is more than 14.99% at once"}}
}

test_a_limit_that_is_none_denies_at_every_gate if {
	every limit in [0, -1, 10001, 0.5, "5000", null, false, []] {
		_limited({"gate": "admit"}, limit) == {"step.limit_malformed"}
		_limited(_asks("step", 0, 100), limit) == {"step.limit_malformed"}
	}
}

test_only_the_cutover_sends_more_than_half if {
	plan := {"steps": [{"weight": "50%"}, {"weight": "50.01%"}]}
	asked := object.union(_asks("step", 5000, 5001), {"plan": plan})
	_messages(asked) == {"50.01% is more than half of the requests, and only the cutover may send more than half"}
}

test_a_step_goes_to_a_planned_weight if {
	_messages(_asks("step", 100, 300)) == {"3% is no weight of the plan"}
	_codes(_asks("step", 5000, 10000)) == {"step.unplanned", "step.over_half"}
}

test_a_step_skips_none if {
	_messages(_asks("step", 100, 2000)) == {"the plan goes to 5% before it goes to 20%"}
}

test_a_step_is_in_a_unit_of_the_plan if {
	asked := object.union(_asks("step", 0, 100), {"step": {"unit": "c"}})
	_messages(asked) == {"unit c is none of the plan: a, b"}
}

test_a_plan_without_units_has_all if {
	every units in [[], null] {
		_codes(object.union(_asks("step", 0, 100), {"plan": {"units": units}})) == set()
	}
}

test_nothing_rises_against_the_evidence if {
	evidence := {"evidence": {"verdict": "fail", "sentence": "errors rose to 4%"}}
	every asked in [_asks("step", 100, 500), _asks("step", 500, 500), _asks("cutover", 5000, 10000)] {
		_messages(object.union(asked, evidence)) == {"the evidence is against the canary: errors rose to 4%"}
	}
	_codes(object.union(_asks("step", 100, 500), {"evidence": {"verdict": "fail"}})) == {"step.evidence"}
}

test_an_open_verdict_is_for_the_release_to_weigh if {
	every verdict in ["pass", "inconclusive", "blind"] {
		_codes(object.union(_asks("step", 100, 500), {"evidence": {"verdict": verdict}})) == set()
	}
}

test_a_cutover_is_whole if {
	_messages(_asks("cutover", 5000, 9000)) == {"a cutover sends everybody to the candidate, not 90%"}
}

test_a_cutover_follows_the_last_step if {
	_messages(_asks("cutover", 2000, 10000)) == {"the cutover follows the last step, at 50%; the weight in force is 20%"}
}

test_a_first_release_cuts_over_at_once if {
	asked := json.patch(_asks("cutover", 0, 10000), [{"op": "replace", "path": "plan", "value": _first}])
	_codes(asked) == set()
}

test_what_replaces_something_has_steps if {
	every steps in [[], null] {
		plan := json.patch(_plan, [{"op": "replace", "path": "steps", "value": steps}])
		cutover := json.patch(_asks("cutover", 0, 10000), [{"op": "replace", "path": "plan", "value": plan}])
		_codes(cutover) == {"step.unramped"}
		_codes({"gate": "deploy", "plan": plan}) == {"step.unramped"}
	}
}

test_a_plan_that_will_be_denied_is_denied_before_it_is_deployed if {
	_codes({"gate": "deploy", "plan": _plan}) == set()
	_messages(_deploy(["1%", "60%"])) == {"step 2 of the plan goes from 1% to 60%; it may go to 50%"}
	_limited(_deploy(["1%", "5%", "20%"]), 1000) == {"step.plan"}
	_limited(_deploy(["20%"]), 1000) == {"step.plan"}
}

# A limit that was lowered meanwhile is for the steps that are left.
test_steps_behind_are_not_judged_again if {
	_limited(_asks("step", 100, 500), 400) == set()
}

test_hundredths_of_a_percent_are_exact if {
	asked := object.union(_asks("step", 0, 29), {"plan": {"steps": [{"weight": "0.29%"}]}})
	_codes(asked) == set()
}

test_a_weight_that_is_none_is_denied if {
	every weight in ["", "5", "five%", "101%", "-1%", "0.001%", 500, null] {
		_codes(_deploy(["1%", weight])) == {"step.plan_malformed"}
	}
	_codes({"gate": "deploy", "plan": {"steps": [{}]}}) == {"step.plan_malformed"}
}
