# METADATA
# title: Concurrency
# description: |
#   At most data.max_ramping releases split traffic in one unit at a time, across all applications. The next one
#   waits at its first weight; one that has begun goes on. Unless it is set, there is no bound.
# scope: package
package release.concurrency

import data.release.shape

deny contains {"code": "concurrency.full", "msg": msg, "hold": true} if {
	_begins
	count(_others) >= data.max_ramping
	msg := sprintf("%d releases split traffic in unit %s, and no more than %d may at once: %s", [
		count(_others), input.step.unit, data.max_ramping,
		concat(", ", array.slice(sort(_others), 0, 5)),
	])
}

deny contains {
	"code": "concurrency.unknown",
	"msg": "data.max_ramping is set, and the question does not say which releases split traffic",
} if {
	_begins
	not _counted
}

malformed contains {
	"code": "concurrency.malformed",
	"msg": "data.max_ramping is not a whole number from 1",
} if {
	most := data.max_ramping
	not shape.whole(most, 1, 1000000)
}

_begins if {
	data.max_ramping
	input.gate == "step"
	input.step.from_permyriad == 0
	input.step.to_permyriad > 0
}

_counted if {
	is_object(input.facts)
	is_array(object.get(input.facts, "ramping", []))
}

_others contains sprintf("%s/%s/%s/%v", [lane.tenant, lane.application, lane.environment, other.release.number]) if {
	some other in input.facts.ramping
	other.release != input.release
	_in(other)
	lane := other.release.lane
}

_in(other) if input.step.unit in other.units

# A release that does not say where it is may be here.
_in(other) if count(object.get(other, "units", [])) == 0
