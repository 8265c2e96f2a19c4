package release.tier_test

import data.release.tier

_lane := {"tenant": "fliggy", "application": "rail-tour", "environment": "production"}

_tiers := {"critical": [{"tenants": ["fliggy"], "environments": ["production"]}]}

_managers := {"count": 2, "from": ["release-managers"], "before": "ramp", "within": "4h"}

_anybody := {"count": 1, "before": "cutover"}

_rules := {
	"approvals": [_managers, _anybody],
	"max_step_permyriad": 1001,
	"min_bake": "10m",
	"min_watch": "1d",
	"stages": ["test", "cases", "pressure"],
}

_by(name, groups) := {"name": name, "source": "api", "groups": groups}

_asks := {
	"gate": "step",
	"release": {"lane": _lane, "number": 1},
	"plan": {
		"steps": [{"weight": "1%", "bake": "30s", "probe": true}, {"weight": "5%", "bake": "10m"}, {"weight": "15.01%", "bake": "1h"}],
		"watch": "24h",
		"approval": {"before": "ramp", "count": 2, "from": ["release-managers"]},
		"demands": [{"before": "cutover", "count": 1}],
	},
	"step": {"unit": "a", "from_permyriad": 0, "to_permyriad": 100},
	"passed": ["test", "cases", "pressure"],
	"approvals": [
		{"by": _by("ada", ["release-managers"]), "point": "ramp"},
		{"by": _by("bob", ["release-managers"]), "point": "ramp"},
		{"by": _by("cleo", []), "point": "cutover"},
	],
}

_at(gate) := object.union(_asks, {"gate": gate})

_replace(path, value) := json.patch(_asks, [{"op": "replace", "path": path, "value": value}])

_denials(asked, rules) := denials if {
	denials := tier.deny with input as asked with data.tiers as _tiers with data.tier_rules as {"critical": rules}
}

_codes(asked, rules) := {denial.code | some denial in _denials(asked, rules)}

_messages(asked, rules) := {denial.msg | some denial in _denials(asked, rules)}

_malformed(tiers, rules) := {denial.msg | some denial in tier.malformed with data.tiers as tiers with data.tier_rules as rules}

_obliges(asked) := obligations if {
	obligations := tier.obligations with input as asked with data.tiers as _tiers with data.tier_rules as {"critical": _rules}
}

test_without_data_nothing_is_demanded if {
	count(tier.obligations) == 0 with input as _at("build")
	every gate in ["deploy", "step", "cutover"] {
		count(tier.deny) == 0 with input as {"gate": gate, "release": {"lane": _lane}, "step": {"from_permyriad": 0, "to_permyriad": 10000}}
	}
	count(tier.malformed) == 0
}

test_demands_are_obligations_at_the_build_gate if {
	_obliges(_at("build")) == {
		{
			"kind": "approvals", "count": 2, "from": ["release-managers"], "before": "ramp", "within": "4h",
			"reason": "tier critical",
		},
		{"kind": "approvals", "count": 1, "before": "cutover", "reason": "tier critical"},
		{"kind": "max_step", "weight": "10.01%", "reason": "tier critical"},
		{"kind": "min_bake", "for": "10m", "reason": "tier critical"},
		{"kind": "min_watch", "for": "1d", "reason": "tier critical"},
		{"kind": "stages", "stages": ["test", "cases", "pressure"], "reason": "tier critical"},
	}
	_obliges(_asks) == set()
	_obliges(json.patch(_at("build"), [{"op": "replace", "path": "release/lane/environment", "value": "staging"}])) == set()
}

test_a_release_that_follows_passes if {
	every gate in ["admit", "build", "deploy", "press", "approve", "step", "cutover", "override"] {
		_codes(_at(gate), _rules) == set()
	}
}

test_lowering_is_always_allowed if {
	bare := {"gate": "step", "release": {"lane": _lane}, "step": {"from_permyriad": 500, "to_permyriad": 0}}
	_codes(bare, _rules) == set()
}

test_a_step_is_no_larger_than_the_tier_allows if {
	wanted := {"step 3 of the plan goes from 5% to 15.01%, and tier critical allows 10% at once"}
	every gate in ["deploy", "step", "cutover"] {
		_messages(_at(gate), {"max_step_permyriad": 1000}) == wanted
	}
	_messages(_replace("step/from_permyriad", 1501), {"max_step_permyriad": 1000}) == set()
	_messages(_replace("plan/steps", null), {"max_step_permyriad": 1}) == set()
}

test_each_step_bakes_as_long_as_the_tier_wants if {
	every gate in ["deploy", "step", "cutover"] {
		_messages(_at(gate), {"min_bake": "10m1s"}) == {"step 2 of the plan bakes for less than the 10m1s of tier critical"}
	}
	_codes(_replace("plan/steps/1/bake", 7), _rules) == {"tier.min_bake"}
	_codes(json.patch(_asks, [{"op": "remove", "path": "plan/steps/1/bake"}]), _rules) == {"tier.min_bake"}
}

test_the_watch_lasts_as_long_as_the_tier_wants if {
	_messages(_asks, {"min_watch": "2d"}) == {"the plan watches for less than the 2d of tier critical"}
	_codes(json.patch(_asks, [{"op": "remove", "path": "plan/watch"}]), _rules) == {"tier.min_watch"}
}

test_stages_have_done_work_when_they_are_due if {
	nothing := object.remove(_asks, {"passed"})
	_messages(object.union(nothing, {"gate": "deploy"}), {"stages": ["test", "pressure"]}) == {"tier critical demands the stage test, which has done no work in this release"}
	every gate in ["step", "cutover"] {
		count(_messages(object.union(nothing, {"gate": gate}), _rules)) == 3
	}
	_codes(_replace("passed", ["test", "cases"]), _rules) == {"tier.stages"}
	_codes(object.union(nothing, {"gate": "press"}), _rules) == set()
}

test_the_plan_asks_whom_the_tier_wants if {
	asks := _at("deploy")
	_messages(json.patch(asks, [{"op": "remove", "path": "plan/approval"}]), _rules) == {"the plan does not ask for 2 approvals of release-managers before the ramp, as tier critical demands"}
	_messages(json.patch(asks, [{"op": "remove", "path": "plan/demands"}]), _rules) == {"the plan does not ask for 1 approvals before the cutover, as tier critical demands"}
	every patch in [
		{"op": "replace", "path": "plan/approval/count", "value": 1},
		{"op": "replace", "path": "plan/approval/before", "value": "cutover"},
		{"op": "replace", "path": "plan/approval/from", "value": ["developers"]},
	] {
		_codes(json.patch(asks, [patch]), _rules) == {"tier.approvals"}
	}
}

test_approvals_are_in_before_the_first_weight if {
	wanted := {"1 of 2 approvals of release-managers before the ramp, which tier critical demands"}
	every approvals in [
		array.slice(_asks.approvals, 0, 1),
		# Twice the same person, somebody else, and one who was asked something else.
		[_asks.approvals[0], object.union(_asks.approvals[0], {"by": {"name": "Ada"}})],
		[_asks.approvals[0], {"by": _by("dan", ["developers"]), "point": "ramp"}],
		[_asks.approvals[0], {"by": _by("bob", ["release-managers"]), "point": "cutover"}],
		[_asks.approvals[0], {"by": _by("bob", ["release-managers"])}],
	] {
		_messages(_replace("approvals", approvals), _rules) == wanted
	}
	_codes(object.remove(_asks, {"approvals"}), _rules) == {"tier.approvals"}
	_codes(object.union(object.remove(_asks, {"approvals"}), {"step": {"from_permyriad": 50}}), _rules) == set()
}

test_approvals_are_in_before_the_cutover if {
	asked := json.patch(_at("cutover"), [
		{"op": "replace", "path": "step", "value": {"unit": "a", "from_permyriad": 1501, "to_permyriad": 10000}},
		{"op": "replace", "path": "approvals", "value": []},
	])
	_messages(asked, _rules) == {"0 of 1 approvals before the cutover, which tier critical demands"}
	first := object.union(asked, {"step": {"from_permyriad": 0}})
	count(_messages(first, _rules)) == 2
}

test_what_is_no_tier_is_malformed if {
	_malformed(_tiers, {"critical": _rules}) == set()
	every rules in [
		null, [], {}, {"approvals": {}}, {"approvals": [{"before": "ramp"}]}, {"approvals": [{"count": 1, "before": "lunch"}]},
		{"approvals": [{"count": 0, "before": "ramp"}]}, {"approvals": [{"count": 1, "before": "ramp", "from": []}]},
		{"approvals": [{"count": 1, "before": "ramp", "within": "soon"}]}, {"approvals": [{"count": 1, "before": "ramp", "who": "a"}]},
		{"max_step_permyriad": "10%"}, {"max_step_permyriad": 0}, {"min_bake": "0s"}, {"min_bake": 10}, {"min_watch": "long"},
		{"stages": []}, {"stages": ["deploy"]}, {"stages": "test"}, {"max_step": 1},
	] {
		every message in _malformed(_tiers, {"critical": rules}) {
			startswith(message, "data.tier_rules.critical is not what a tier demands: ")
		}
		count(_malformed(_tiers, {"critical": rules})) == 1
		_codes(_asks, rules) == set()
	}
	every scopes in [null, {}, "all", [7], [{"tenant": "fliggy"}], [{"tenants": []}]] {
		_malformed({"critical": scopes}, {"critical": _rules}) == {"data.tiers.critical is not a list of what it is for, by tenants, applications and environments"}
	}
	every tiers in [null, [], "critical"] {
		_malformed(tiers, tiers) == {"data.tiers is not a map of tiers by name", "data.tier_rules is not a map of tiers by name"}
	}
}

test_tiers_and_their_rules_have_the_same_names if {
	_malformed(_tiers, {}) == {"data.tier_rules has no critical, which data.tiers has"}
	_malformed({}, {"critical": _rules}) == {"data.tiers has no critical, which data.tier_rules has"}
	count(tier.malformed) == 1 with data.tiers as _tiers
}
