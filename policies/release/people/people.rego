# METADATA
# title: People
# description: |
#   Who is who. Two actors are one person by the directory where it knows both, and else when any of their names
#   agree: in doubt they are one, since that costs an approval, and the other error a rule.
# scope: package
package release.people

same(a, b) if {
	_person(a)
	_person(b)
	lower(a.person) == lower(b.person)
}

same(a, b) if {
	not _both(a, b)
	count(_names(a) & _names(b)) > 0
}

# key is the one name to count a person by.
key(actor) := lower(actor.person) if _person(actor)

key(actor) := lower(actor.name) if not _person(actor)

# among says whether an actor is one of these people, or in one of these groups.
among(actor, list) if object.get(actor, "person", actor.name) in list

among(actor, list) if grouped(actor, list)

grouped(actor, groups) if {
	some group in actor.groups
	group in groups
}

_both(a, b) if {
	_person(a)
	_person(b)
}

_person(actor) if {
	is_string(actor.person)
	actor.person != ""
}

_names(actor) := {lower(actor[part]) |
	some part in ["name", "person"]
	is_string(actor[part])
	actor[part] != ""
}
