# METADATA
# title: Break glass
# description: |
#   Two people can lift a rule, with a reason. data.break_glass says from which groups both are, and the codes that
#   they lift; what was lifted is told with the decision. What cannot be judged is never lifted: a question, an
#   answer, an artifact or data that are not what they should be.
# scope: package
package release.break_glass

import data.release.clock
import data.release.people
import data.release.shape

deny contains {
	"code": "break_glass.off",
	"msg": "no rule may be broken here: data.break_glass is not set",
} if {
	_breaking
	not data.break_glass
}

deny contains {
	"code": "break_glass.incomplete",
	"msg": "a rule is broken by two different people, with a reason",
} if {
	_breaking
	not _complete
}

deny contains {"code": "break_glass.not_allowed", "msg": msg} if {
	_breaking
	some part in ["by", "second"]
	actor := input.break_glass[part]
	data.break_glass
	not _allowed(actor)
	msg := sprintf("%s is in none of the groups that may break a rule", [object.get(actor, "name", "nobody")])
}

deny contains {
	"code": "break_glass.over",
	"msg": "it was too long ago that the first person wanted a rule broken",
} if {
	_breaking
	_limited
	not _recent
}

# lifted are the codes that are lifted now.
lifted contains code if {
	_complete
	_allowed(input.break_glass.by)
	_allowed(input.break_glass.second)
	_in_time
	some code in data.break_glass.lifts
}

malformed contains {"code": "break_glass.malformed", "msg": msg} if {
	glass := data.break_glass
	not _wellformed(glass)
	msg := concat(" ", [
		"data.break_glass is not who may break which rule: it lists groups, and the codes they may lift in lifts,",
		"which are none of question, policy, artifact, break_glass, nor of something malformed;",
		"and it may say for how long, such as 4h, in lasts",
	])
}

_breaking if {
	input.gate == "override"
	input.breaking
}

_complete if {
	shape.text(input.break_glass.reason)
	shape.text(input.break_glass.by.name)
	shape.text(input.break_glass.second.name)
	not people.same(input.break_glass.by, input.break_glass.second)
}

_allowed(actor) if {
	_wellformed(data.break_glass)
	people.grouped(actor, data.break_glass.groups)
}

_limited if data.break_glass.lasts

_in_time if not _limited

_in_time if _recent

_recent if {
	begun := clock.moment(input.break_glass.at)
	begun <= clock.now
	clock.now < begun + clock.span(data.break_glass.lasts)
}

_wellformed(glass) if {
	shape.fields(glass, {"groups", "lifts", "lasts"})
	shape.texts(glass.groups)
	shape.texts(glass.lifts)
	every code in glass.lifts {
		_liftable(code)
	}
	clock.span(object.get(glass, "lasts", "1s")) > 0
}

_liftable(code) if {
	regex.match(`^[a-z0-9_]+\.[a-z0-9_]+$`, code)
	not startswith(code, "question.")
	not startswith(code, "policy.")
	not startswith(code, "artifact.")
	not startswith(code, "break_glass.")
	not endswith(code, "malformed")
}
