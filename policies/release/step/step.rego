# METADATA
# title: Step
# description: |
#   The weight rises as planned and not too fast: to the next planned weight, by no more than
#   data.max_step_permyriad (5000 unless set), and not above half before the cutover, which follows
#   the last step. Nothing rises while the evidence is against the canary. Lowering a weight is always
#   allowed. Weights are permyriad.
# scope: package
package release.step

deny contains {
	"code": "step.limit_malformed",
	"msg": "data.max_step_permyriad is not a whole number from 1 to 10000",
} if {
	not _max_step
}

deny contains {"code": "step.too_far", "msg": msg} if {
	_rises
	_to - _from > _max_step
	msg := sprintf("raising the weight from %s to %s is more than %s at once", [
		_percent(_from), _percent(_to),
		_percent(_max_step),
	])
}

deny contains {"code": "step.over_half", "msg": msg} if {
	_rises
	_to > _half
	msg := sprintf("%s is more than half of the requests, and only the cutover may send more than half", [_percent(_to)])
}

deny contains {"code": "step.unplanned", "msg": msg} if {
	input.gate == "step"
	not _to in _targets
	msg := sprintf("%s is no weight of the plan", [_percent(_to)])
}

deny contains {"code": "step.skipped", "msg": msg} if {
	_rises
	skipped := min({weight | some weight in _weights; _from < weight; weight < _to})
	msg := sprintf("the plan goes to %s before it goes to %s", [_percent(skipped), _percent(_to)])
}

deny contains {"code": "step.unit", "msg": msg} if {
	input.gate in {"step", "cutover"}
	units := input.plan.units
	is_array(units)
	count(units) > 0
	not input.step.unit in units
	msg := sprintf("unit %s is none of the plan: %s", [input.step.unit, concat(", ", units)])
}

deny contains {"code": "step.evidence", "msg": msg} if {
	_rises_or_cuts_over
	input.evidence.verdict == "fail"
	msg := sprintf("the evidence is against the canary: %s", [object.get(input.evidence, "sentence", "no more is known")])
}

deny contains {"code": "step.partial_cutover", "msg": msg} if {
	input.gate == "cutover"
	_to != 10000
	msg := sprintf("a cutover sends everybody to the candidate, not %s", [_percent(_to)])
}

deny contains {"code": "step.early_cutover", "msg": msg} if {
	input.gate == "cutover"
	last := _weights[count(_weights) - 1]
	_from != last
	msg := sprintf("the cutover follows the last step, at %s; the weight in force is %s", [_percent(last), _percent(_from)])
}

deny contains {
	"code": "step.unramped",
	"msg": "the plan has no steps, but what it changes serves already: only a first release goes straight to its cutover",
} if {
	input.gate in {"deploy", "cutover"}
	count(_weights) == 0
	_replaces
}

# What the ramp will be denied is known once it is planned; saying so here costs no request.
deny contains {"code": "step.plan", "msg": msg} if {
	input.gate == "deploy"
	some i, to in _weights
	from := array.concat([0], _weights)[i]
	to > min([from + _max_step, _half])
	msg := sprintf("step %d of the plan goes from %s to %s; it may go to %s", [
		i + 1, _percent(from), _percent(to),
		_percent(min([from + _max_step, _half])),
	])
}

deny contains {
	"code": "step.plan_malformed",
	"msg": "a step of the plan has no weight from 0% to 100%",
} if {
	count(_weights) != count(_steps)
}

_half := 5000

_max_step := 5000 if not _limited

_max_step := data.max_step_permyriad if {
	is_number(data.max_step_permyriad)
	data.max_step_permyriad == floor(data.max_step_permyriad)
	data.max_step_permyriad >= 1
	data.max_step_permyriad <= 10000
}

# An assignment, so that false and null count as set.
_limited if _ := data.max_step_permyriad

_from := input.step.from_permyriad

_to := input.step.to_permyriad

# A step to the weight in force counts, so that it is held to the evidence.
_rises if {
	input.gate == "step"
	_to >= _from
}

_rises_or_cuts_over if _rises

_rises_or_cuts_over if input.gate == "cutover"

default _steps := []

_steps := input.plan.steps if is_array(input.plan.steps)

_weights := [weight | some step in _steps; weight := _permyriad(step.weight)]

_targets := {0} | {weight | some weight in _weights}

# Plans write weights as people do: 5% or 0.25%.
_permyriad(text) := round(to_number(trim_suffix(text, "%")) * 100) if {
	is_string(text)
	regex.match(`^([0-9]{1,2}(\.[0-9]{1,2})?|100)%$`, text)
}

_percent(permyriad) := sprintf("%v%%", [permyriad / 100])

_replaces if {
	some move in input.plan.moves
	move.stable.id != move.candidate.id
}
