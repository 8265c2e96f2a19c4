# METADATA
# title: Artifact
# description: |
#   From deployment on, what goes live is named by its content and what will happen is named by the
#   plan's hash. A tag or a plan without a name could change between the question and the deed.
# scope: package
package release.artifact

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
