# METADATA
# title: Override
# description: |
#   Who may promote before the evidence is in. A lane that some entry of data.overriders covers is open to those
#   its entries let in, and to nobody else; one that no entry covers is open to everybody who may ask for releases.
#   Breaking the glass is an override too, with rules of its own.
# scope: package
package release.override

import data.release.people
import data.release.shape

deny contains {"code": "override.not_allowed", "msg": msg} if {
	input.gate == "override"
	not input.breaking
	count(_covering) > 0
	not _let_in
	lane := input.release.lane
	msg := sprintf("%s may not promote %s of %s/%s before the evidence is in", [
		object.get(input, ["by", "name"], "nobody"),
		lane.environment, lane.tenant, lane.application,
	])
}

malformed contains {
	"code": "override.malformed",
	"msg": "data.overriders is not a list",
} if {
	overriders := data.overriders
	not is_array(overriders)
}

malformed contains {"code": "override.malformed", "msg": msg} if {
	is_array(data.overriders)
	some i, entry in data.overriders
	not _wellformed(entry)
	msg := concat(" ", [
		sprintf("data.overriders[%d] lets nobody in:", [i]),
		"it lists people or groups in from, and may list tenants, applications and environments",
	])
}

_covering contains entry if {
	some entry in data.overriders
	_wellformed(entry)
	shape.covers(entry, input.release.lane)
}

_let_in if {
	some entry in _covering
	people.among(input.by, entry.from)
}

_wellformed(entry) if {
	shape.fields(entry, {"from"} | shape.scope)
	shape.texts(entry.from)
	shape.scoped(entry)
}
