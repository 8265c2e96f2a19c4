# METADATA
# title: Provenance
# description: |
#   Where data.provenance has an entry for a lane, nothing is deployed there unless it is proven where it comes from:
#   a statement about exactly this artifact, signed by a key that the installation trusts, from the repository of the
#   plan and by a builder that every such entry names. Whether a statement holds was found out when the question was
#   put, and is in its facts. Without data.provenance nothing is demanded.
# scope: package
package release.provenance

import data.release.shape

deny contains {
	"code": "provenance.unknown",
	"msg": "data.provenance demands a statement of where it comes from, and the question does not say what is stated",
} if {
	_demanded
	not _told
}

deny contains {"code": "provenance.missing", "msg": msg} if {
	_demanded
	_told
	some i, move in _moves
	count(_proofs(move)) == 0
	msg := sprintf("it is not proven where the candidate of %s comes from: %s", [_component(i, move), _problem(move)])
}

deny contains {"code": "provenance.repository", "msg": msg} if {
	_demanded
	some i, move in _moves
	some proof in _proofs(move)
	not _planned(proof)
	msg := sprintf("the candidate of %s was built from %s, which is not the repository of the plan", [
		_component(i, move),
		object.get(proof, "repository", "nowhere"),
	])
}

deny contains {"code": "provenance.builder", "msg": msg} if {
	_demanded
	some i, move in _moves
	some proof in _proofs(move)
	some entry in _covering
	some "builders", builders in entry
	not object.get(proof, "builder", "") in builders
	msg := sprintf("the candidate of %s was built by %s, and data.provenance wants %s", [
		_component(i, move),
		object.get(proof, "builder", "nobody"),
		concat(" or ", builders),
	])
}

malformed contains {
	"code": "provenance.malformed",
	"msg": "data.provenance is not a list",
} if {
	demands := data.provenance
	not is_array(demands)
}

malformed contains {"code": "provenance.malformed", "msg": msg} if {
	is_array(data.provenance)
	some i, entry in data.provenance
	not _wellformed(entry)
	msg := concat(" ", [
		sprintf("data.provenance[%d] is not a demand:", [i]),
		"it may list builders, as https://sky.example/builder, and tenants, applications and environments",
	])
}

# Nobody can prove where something comes from that is not built yet.
_demanded if {
	input.gate == "deploy"
	not input.facts.foreseen == true
	count(_covering) > 0
}

_covering contains entry if {
	some entry in data.provenance
	_wellformed(entry)
	shape.covers(entry, input.release.lane)
}

_wellformed(entry) if {
	shape.fields(entry, {"builders"} | shape.scope)
	shape.texts(object.get(entry, "builders", ["any"]))
	shape.scoped(entry)
}

_told if is_array(input.facts.provenance)

default _moves := []

_moves := input.plan.moves if is_array(input.plan.moves)

# _proofs are the facts about a move's own candidate that hold.
_proofs(move) := {proof |
	some proof in input.facts.provenance
	proof.verified == true
	proof.component == move.component
	proof.artifact == move.candidate.artifact
}

_planned(proof) if proof.repository == _bare(input.plan.repository)

# A statement has an address without what lets somebody in; a plan's may have it.
_bare(repository) := regex.replace(
	regex.replace(repository, `^(https?://)[^/?#]*@`, "$1"),
	`^(ssh://[^/?#@:]*):[^/?#]*@`, "$1@",
)

_problem(move) := concat("; ", sort(problems)) if {
	problems := {fact.problem |
		some fact in input.facts.provenance
		fact.component == move.component
		shape.text(fact.problem)
	}
	count(problems) > 0
} else := "nothing is stated about it"

# A move that does not say what it moves is named by its place; it must not escape its denial.
_component(i, move) := object.get(move, "component", sprintf("move %d", [i + 1])) if is_object(move)

_component(i, move) := sprintf("move %d", [i + 1]) if not is_object(move)
