# METADATA
# title: Approval
# description: |
#   Whose approval counts. Who rejects is not kept from it by any of this: a no can only stop a release. data.separation keeps duties apart: who asked for the release does not approve it, who
#   wrote the change does not, and who approved before the ramp does not before the cutover. Each is off unless
#   it is true.
# scope: package
package release.approval

import data.release.people
import data.release.shape

deny contains {
	"code": "approval.unidentified",
	"msg": "nobody approves: whoever does has a name and a source",
} if {
	_separated
	not _somebody
}

deny contains {"code": "approval.requester", "msg": msg} if {
	_keeps("requester")
	people.same(input.by, input.request.requester)
	msg := sprintf("%s asked for the release and cannot approve it", [input.by.name])
}

deny contains {"code": "approval.author", "msg": msg} if {
	_keeps("authors")
	some author in input.authors
	people.same(input.by, author)
	msg := sprintf("%s wrote the change and cannot approve it", [input.by.name])
}

deny contains {
	"code": "approval.authors_unknown",
	"msg": "data.separation keeps authors from approving, and the question does not say who they are",
} if {
	_keeps("authors")
	not _authors_told
}

deny contains {"code": "approval.points", "msg": msg} if {
	_keeps("points")
	some earlier in input.approvals
	point := object.get(earlier, "point", "ramp")
	point != object.get(input, "point", "cutover")
	people.same(input.by, earlier.by)
	msg := sprintf("%s approved it before the %s; somebody else has to now", [input.by.name, point])
}

malformed contains {
	"code": "approval.malformed",
	"msg": "data.separation is not true or false for requester, authors and points",
} if {
	separation := data.separation
	not _wellformed(separation)
}

_keeps(duty) if {
	input.gate == "approve"
	not input.rejecting
	data.separation[duty] == true
}

_separated if {
	some duty in ["requester", "authors", "points"]
	_keeps(duty)
}

_somebody if {
	shape.text(input.by.name)
	shape.text(input.by.source)
}

_authors_told if {
	is_array(input.authors)
	count(input.authors) > 0
}

_wellformed(separation) if {
	shape.fields(separation, {"requester", "authors", "points"})
	every _, duty in separation {
		is_boolean(duty)
	}
}
