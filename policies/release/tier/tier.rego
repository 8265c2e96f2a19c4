# METADATA
# title: Tier
# description: |
#   What an application has to go through depends on what hangs on it. data.tiers says which lanes a tier is for,
#   and data.tier_rules what it demands: approvals, a largest step, a least bake and watch, and stages that do
#   work. What is demanded is an obligation at the build gate, where the plan can still follow it; from the
#   deployment on, a plan or a release that does not is denied. All tiers of a lane count.
# scope: package
package release.tier

import data.release.clock
import data.release.people
import data.release.shape

obligations contains obligation if {
	input.gate == "build"
	some name, rules in _rules
	some demand in _demands(rules)
	obligation := object.union(demand, {"reason": sprintf("tier %s", [name])})
}

deny contains {"code": "tier.max_step", "msg": msg} if {
	_planned
	some name, rules in _rules
	most := rules.max_step_permyriad
	some i, to in _weights
	from := array.concat([0], _weights)[i]
	to - from > most
	to > _reached
	msg := sprintf("step %d of the plan goes from %s to %s, and tier %s allows %s at once", [
		i + 1, _percent(from),
		_percent(to), name, _percent(most),
	])
}

deny contains {"code": "tier.min_bake", "msg": msg} if {
	_planned
	some name, rules in _rules
	least := clock.span(rules.min_bake)
	some i, step in input.plan.steps
	not _probe(step)
	not _lasts(object.get(step, "bake", ""), least)
	msg := sprintf("step %d of the plan bakes for less than the %s of tier %s", [i + 1, rules.min_bake, name])
}

deny contains {"code": "tier.min_watch", "msg": msg} if {
	_planned
	some name, rules in _rules
	least := clock.span(rules.min_watch)
	not _lasts(object.get(input, ["plan", "watch"], ""), least)
	msg := sprintf("the plan watches for less than the %s of tier %s", [rules.min_watch, name])
}

deny contains {"code": "tier.stages", "msg": msg} if {
	_planned
	some name, rules in _rules
	some stage in rules.stages
	stage in _due
	not stage in object.get(input, "passed", [])
	msg := sprintf("tier %s demands the stage %s, which has done no work in this release", [name, stage])
}

deny contains {"code": "tier.approvals", "msg": msg} if {
	input.gate == "deploy"
	some name, rules in _rules
	some want in rules.approvals
	not _asked(want)
	msg := sprintf("the plan does not ask for %s before the %s, as tier %s demands", [_wanted(want), want.before, name])
}

deny contains {"code": "tier.approvals", "msg": msg} if {
	some name, rules in _rules
	some want in rules.approvals
	want.before in _points
	given := {people.key(answer.by) |
		some answer in input.approvals
		answer.point == want.before
		_from(want, answer.by)
	}
	count(given) < want.count
	msg := sprintf("%d of %s before the %s, which tier %s demands", [count(given), _wanted(want), want.before, name])
}

malformed contains {"code": "tier.malformed", "msg": sprintf("data.%s is not a map of tiers by name", [key])} if {
	some key in ["tiers", "tier_rules"]
	tiers := _set[key]
	not is_object(tiers)
}

malformed contains {"code": "tier.malformed", "msg": msg} if {
	is_object(_set.tiers)
	some name, scopes in _set.tiers
	not _scopes(scopes)
	msg := sprintf("data.tiers.%s is not a list of what it is for, by tenants, applications and environments", [name])
}

malformed contains {"code": "tier.malformed", "msg": msg} if {
	is_object(_set.tier_rules)
	some name, rules in _set.tier_rules
	not _wellformed(rules)
	msg := concat(" ", [
		sprintf("data.tier_rules.%s is not what a tier demands:", [name]),
		"approvals, each with a count from 1 and before: ramp or cutover, and perhaps from and within;",
		"max_step_permyriad from 1 to 10000; min_bake and min_watch such as 10m;",
		"stages of build, test, cases and pressure",
	])
}

malformed contains {"code": "tier.malformed", "msg": msg} if {
	some name in (_names("tiers") - _names("tier_rules"))
	msg := sprintf("data.tier_rules has no %s, which data.tiers has", [name])
}

malformed contains {"code": "tier.malformed", "msg": msg} if {
	some name in (_names("tier_rules") - _names("tiers"))
	msg := sprintf("data.tiers has no %s, which data.tier_rules has", [name])
}

_set["tiers"] := data.tiers

_set["tier_rules"] := data.tier_rules

_names(key) := object.keys(object.get(_set, key, {})) if is_object(object.get(_set, key, {}))

# The rules of the tiers of this lane.
_rules[name] := rules if {
	some name, scopes in data.tiers
	_scopes(scopes)
	some scope in scopes
	shape.covers(scope, input.release.lane)
	rules := data.tier_rules[name]
	_wellformed(rules)
}

_demands(rules) := union({
	{object.union(want, {"kind": "approvals"}) | some want in rules.approvals},
	{{"kind": "stages", "stages": rules.stages} | rules.stages},
	{{"kind": "max_step", "weight": _text(rules.max_step_permyriad)} | rules.max_step_permyriad},
	{{"kind": "min_bake", "for": rules.min_bake} | rules.min_bake},
	{{"kind": "min_watch", "for": rules.min_watch} | rules.min_watch},
})

_planned if input.gate == "deploy"

_planned if _raises

_raises if input.gate == "cutover"

_raises if {
	input.gate == "step"
	input.step.to_permyriad >= input.step.from_permyriad
}

# What lies behind is not judged again: rules may have changed meanwhile.
_reached := object.get(input, ["step", "from_permyriad"], 0)

_weights := [round(to_number(trim_suffix(step.weight, "%")) * 100) |
	is_array(input.plan.steps)
	some step in input.plan.steps
	is_string(step.weight)
	regex.match(`^[0-9]{1,3}(\.[0-9]{1,2})?%$`, step.weight)
]

_probe(step) if step.probe == true

_lasts(text, least) if clock.span(text) >= least

# Candidates are proved and pressed once they run.
_due := {"build", "test"} if input.gate == "deploy"

_due := {"build", "test", "cases", "pressure"} if _raises

# At the first weight of a unit people have answered before the ramp, and at the cutover before both.
_points contains "ramp" if {
	_raises
	input.step.from_permyriad == 0
}

_points contains "cutover" if input.gate == "cutover"

_asked(want) if {
	some asked in array.concat([object.get(input.plan, "approval", {})], object.get(input.plan, "demands", []))
	asked.before == want.before
	asked.count >= want.count
	{who | some who in asked.from} == {who | some who in want.from}
}

_from(want, _) if not want.from

_from(want, actor) if people.among(actor, want.from)

_wanted(want) := sprintf("%d approvals", [want.count]) if not want.from

_wanted(want) := sprintf("%d approvals of %s", [want.count, concat(", ", want.from)]) if want.from

_scopes(scopes) if {
	is_array(scopes)
	every scope in scopes {
		shape.fields(scope, shape.scope)
		shape.scoped(scope)
	}
}

_wellformed(rules) if {
	shape.fields(rules, {"approvals", "stages", "max_step_permyriad", "min_bake", "min_watch"})
	count(rules) > 0
	is_array(object.get(rules, "approvals", []))
	every want in object.get(rules, "approvals", []) {
		_approvals(want)
	}
	shape.texts(object.get(rules, "stages", ["test"]))
	every stage in object.get(rules, "stages", []) {
		stage in {"build", "test", "cases", "pressure"}
	}
	shape.whole(object.get(rules, "max_step_permyriad", 1), 1, 10000)
	every part in ["min_bake", "min_watch"] {
		clock.span(object.get(rules, part, "1s")) > 0
	}
}

_approvals(want) if {
	shape.fields(want, {"count", "from", "before", "within"})
	shape.whole(want.count, 1, 100)
	want.before in {"ramp", "cutover"}
	shape.texts(object.get(want, "from", ["anybody"]))
	clock.span(object.get(want, "within", "1s")) > 0
}

_percent(permyriad) := sprintf("%v%%", [permyriad / 100])

# As release.Weight reads it.
_text(permyriad) := sprintf("%d.%02d%%", [floor(permyriad / 100), permyriad % 100])
