# METADATA
# title: Artifact
# description: |
#   From deployment on, what goes live is named by its content and what will happen is named by the
#   plan's hash. A tag or a plan without a name could change between the question and the deed. An installation
#   may say in data.repositories from where it is built: a lane that some entry covers is built from what its
#   entries name, and one that no entry covers from anywhere.
# scope: package
package release.artifact

import data.release.shape

deny contains {
	"code": "artifact.plan_hash",
	"msg": "the plan has no hash, so nobody could say which plan was judged",
} if {
	_built
	not _plan_named
}

deny contains {
	"code": "artifact.none",
	"msg": "the plan moves no component, so there is nothing to deploy",
} if {
	_built
	count(_moves) == 0
}

deny contains {"code": "artifact.unpinned", "msg": msg} if {
	_built
	some i, move in _moves
	not _pinned(move)
	msg := sprintf("the candidate of %s is not pinned by a sha256 digest", [_component(i, move)])
}

deny contains {
	"code": "artifact.repository",
	"msg": "it is built from a repository that data.repositories does not name for it",
} if {
	count(_covering) > 0
	not _from_there
}

malformed contains {
	"code": "artifact.malformed",
	"msg": "data.repositories is not a list",
} if {
	repositories := data.repositories
	not is_array(repositories)
}

malformed contains {"code": "artifact.malformed", "msg": msg} if {
	is_array(data.repositories)
	some i, entry in data.repositories
	not _wellformed(entry)
	msg := concat(" ", [
		sprintf("data.repositories[%d] names no repositories:", [i]),
		"it lists them in from, as https://github.com/fliggy/rail-tour.git, or all below a place as",
		"https://github.com/fliggy/*, and may list tenants, applications and environments",
	])
}

_covering contains entry if {
	some entry in data.repositories
	_wellformed(entry)
	shape.covers(entry, input.release.lane)
}

_from_there if {
	some entry in _covering
	some named in entry.from
	_named(named, input.request.repository)
	object.get(input, ["plan", "repository"], input.request.repository) == input.request.repository
}

_named(named, repository) if named == repository

_named(named, repository) if {
	endswith(named, "/*")
	startswith(repository, trim_suffix(named, "*"))
	not contains(repository, "..")
}

_wellformed(entry) if {
	shape.fields(entry, {"from"} | shape.scope)
	shape.texts(entry.from)
	every named in entry.from {
		regex.match(`^[^*]+(/\*)?$`, named)
	}
	shape.scoped(entry)
}

# A gate that is unknown or missing counts as built, so that it is held to all of this.
_built if not _unbuilt

_unbuilt if input.gate in {"admit", "build"}

_plan_named if _digits(input.plan_hash)

default _moves := []

_moves := input.plan.moves if is_array(input.plan.moves)

_pinned(move) if {
	artifact := move.candidate.artifact
	is_string(artifact)
	startswith(artifact, "sha256:")
	_digits(substring(artifact, count("sha256:"), -1))
}

_digits(text) if {
	is_string(text)
	regex.match(`^[0-9a-f]{64}$`, text)
}

# A move that does not say what it moves is named by its place; it must not escape its denial.
_component(i, move) := object.get(move, "component", sprintf("move %d", [i + 1])) if is_object(move)

_component(i, move) := sprintf("move %d", [i + 1]) if not is_object(move)
