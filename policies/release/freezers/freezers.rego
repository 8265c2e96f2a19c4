# METADATA
# title: Freezers
# description: |
#   Who may declare a freeze, and who may lift one: the gates freeze and lift, which are about no release. A freeze that
#   some entry of data.freezers touches is for those whom an entry lets in that covers all of it, and for nobody else;
#   one that no entry touches is for everybody. Whoever declared a freeze may lift it.
# scope: package
package release.freezers

import data.release.clock
import data.release.people
import data.release.shape

# asked says whether the question is about a freeze.
asked if input.gate in {"freeze", "lift"}

deny contains {
	"code": "freezers.question",
	"msg": "the question is none about a freeze: it needs version 1, a moment in at, somebody in by, and a freeze with a reason",
} if {
	asked
	not _whole
}

deny contains {"code": "freezers.not_allowed", "msg": msg} if {
	asked
	some entry in data.freezers
	_wellformed(entry)
	_touches(entry, input.freeze)
	not _let_in
	not _own
	msg := sprintf("%s may not %s a freeze of %s: data.freezers says who may", [
		object.get(input, ["by", "name"], "nobody"),
		{"freeze": "declare", "lift": "lift"}[input.gate],
		_about,
	])
}

malformed contains {
	"code": "freezers.malformed",
	"msg": "data.freezers is not a list",
} if {
	freezers := data.freezers
	not is_array(freezers)
}

malformed contains {"code": "freezers.malformed", "msg": msg} if {
	is_array(data.freezers)
	some i, entry in data.freezers
	not _wellformed(entry)
	msg := concat(" ", [
		sprintf("data.freezers[%d] lets nobody in:", [i]),
		"it lists people or groups in from, and may list tenants, applications and environments",
	])
}

_whole if {
	input.version == 1
	clock.now
	shape.text(input.by.name)
	shape.text(input.by.source)
	shape.text(input.freeze.reason)
	shape.scoped(input.freeze)
}

_let_in if {
	some entry in data.freezers
	_wellformed(entry)
	_covers(entry, input.freeze)
	people.among(input.by, entry.from)
}

# Two accounts that may be one person's are one where that costs a right, and are two here, where it would give one.
_own if {
	input.gate == "lift"
	shape.text(input.by.person)
	input.by.person == input.freeze.by.person
}

_own if {
	input.gate == "lift"
	shape.text(input.by.name)
	input.by.name == input.freeze.by.name
	input.by.source == input.freeze.by.source
}

# What a freeze or an entry does not list it does not limit.
_touches(entry, freeze) if {
	every list in shape.scope {
		_meet(entry, freeze, list)
	}
}

_meet(entry, _, list) if not entry[list]

_meet(_, freeze, list) if not freeze[list]

_meet(entry, freeze, list) if {
	some name in freeze[list]
	name in entry[list]
}

_covers(entry, freeze) if {
	every list in shape.scope {
		_holds(entry, freeze, list)
	}
}

_holds(entry, _, list) if not entry[list]

_holds(entry, freeze, list) if {
	freeze[list]
	every name in freeze[list] {
		name in entry[list]
	}
}

_about := concat("/", [name |
	some list in ["tenants", "applications", "environments"]
	some name in input.freeze[list]
]) if {
	_limited
}

_about := "everything" if not _limited

_limited if {
	some list in shape.scope
	input.freeze[list]
}

_wellformed(entry) if {
	shape.fields(entry, {"from"} | shape.scope)
	shape.texts(entry.from)
	shape.scoped(entry)
}
