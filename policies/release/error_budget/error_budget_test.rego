package release.error_budget_test

import data.release.error_budget

_asks(gate) := {
	"gate": gate,
	"release": {"lane": {"tenant": "fliggy", "application": "rail-tour", "environment": "production"}, "number": 1},
	"step": {"unit": "a", "from_permyriad": 100, "to_permyriad": 500},
}

_spent := {"tenants": ["fliggy"], "left_percent": 4.5, "least_percent": 10}

_denials(asked, budgets) := denials if {
	denials := error_budget.deny with input as asked with data.error_budget as budgets
}

test_without_data_nobody_counts if {
	count(error_budget.deny) == 0 with input as _asks("deploy")
}

test_a_spent_budget_holds_what_raises_a_weight if {
	every gate in ["deploy", "step", "cutover"] {
		_denials(_asks(gate), [_spent]) == {{
			"code": "error_budget.spent",
			"msg": "production of fliggy/rail-tour has 4.5% of its error budget left, and needs 10% for a release",
			"hold": true,
		}}
	}
}

test_everything_else_goes_on if {
	every gate in ["admit", "build", "press", "approve", "override"] {
		_denials(_asks(gate), [_spent]) == set()
	}
	_denials(object.union(_asks("step"), {"step": {"to_permyriad": 0}}), [_spent]) == set()
}

test_enough_is_enough if {
	_denials(_asks("deploy"), [object.union(_spent, {"left_percent": 10})]) == set()
	_denials(_asks("deploy"), [object.union(_spent, {"tenants": ["other"]})]) == set()
}

test_a_budget_may_be_overdrawn if {
	count(_denials(_asks("deploy"), [object.union(_spent, {"left_percent": -20})])) == 1
}

test_what_is_no_budget_is_malformed if {
	count(error_budget.malformed) == 0
	count(error_budget.malformed) == 0 with data.error_budget as [_spent]
	every budgets in [
		null, {}, "10%", [null], [{}], [{"left_percent": 4}], [object.union(_spent, {"left_percent": "4"})],
		[object.union(_spent, {"left_percent": 101})], [object.union(_spent, {"least_percent": -1})],
		[object.union(_spent, {"least_percent": 101})], [object.union(_spent, {"least_percent": null})],
		[object.union(_spent, {"tenants": []})], [object.union(_spent, {"application": "rail-tour"})],
	] {
		{denial.code | some denial in error_budget.malformed} == {"error_budget.malformed"} with data.error_budget as budgets
		_denials(_asks("deploy"), budgets) == set()
	}
}
