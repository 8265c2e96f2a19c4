# METADATA
# title: Error budget
# description: |
#   What has used up its error budget gets no new releases: nothing is deployed and no weight rises while less is
#   left than an entry of data.error_budget demands. Whoever measures the budget writes it there. Both numbers
#   are percentages of the whole budget, and what is left may be below zero.
# scope: package
package release.error_budget

import data.release.shape

deny contains {"code": "error_budget.spent", "msg": msg, "hold": true} if {
	_raises
	some entry in data.error_budget
	_wellformed(entry)
	shape.covers(entry, input.release.lane)
	entry.left_percent < entry.least_percent
	lane := input.release.lane
	msg := sprintf("%s of %s/%s has %v%% of its error budget left, and needs %v%% for a release", [
		lane.environment, lane.tenant, lane.application,
		entry.left_percent, entry.least_percent,
	])
}

malformed contains {
	"code": "error_budget.malformed",
	"msg": "data.error_budget is not a list",
} if {
	budgets := data.error_budget
	not is_array(budgets)
}

malformed contains {"code": "error_budget.malformed", "msg": msg} if {
	is_array(data.error_budget)
	some i, entry in data.error_budget
	not _wellformed(entry)
	msg := concat(" ", [
		sprintf("data.error_budget[%d] is not a budget:", [i]),
		"it has left_percent of at most 100 and least_percent from 0 to 100,",
		"and may list tenants, applications and environments",
	])
}

_raises if input.gate in {"deploy", "cutover"}

_raises if {
	input.gate == "step"
	not _lowers
}

_lowers if input.step.to_permyriad < input.step.from_permyriad

_wellformed(entry) if {
	shape.fields(entry, {"left_percent", "least_percent"} | shape.scope)
	is_number(entry.left_percent)
	entry.left_percent <= 100
	is_number(entry.least_percent)
	entry.least_percent >= 0
	entry.least_percent <= 100
	shape.scoped(entry)
}
