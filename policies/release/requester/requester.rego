# METADATA
# title: Requester
# description: |
#   Whoever asks for a release, or for an override of one, is known by name and by the system that
#   vouches for the name. An installation may say in data.requesters who may ask for what: an
#   application that some entry covers is open to those its entries let in, and to nobody else. One
#   that no entry covers is open to all. Who may break the glass is for the topic of that name.
# scope: package
package release.requester

deny contains {
	"code": "requester.unidentified",
	"msg": "the release was asked for by nobody: a requester has a name and a source",
} if {
	not _requester_identified
}

deny contains {
	"code": "requester.unidentified",
	"msg": "the override was asked for by nobody: whoever asks has a name and a source",
} if {
	input.gate == "override"
	not _overrider_identified
}

deny contains {"code": "requester.unknown_source", "msg": msg} if {
	some actor in _asking
	_identified(actor)
	not actor.source in _sources
	msg := sprintf("%s comes from %s, which is none of %s", [
		actor.name, actor.source,
		concat(", ", sort(_sources)),
	])
}

deny contains {"code": "requester.not_allowed", "msg": msg} if {
	input.gate in {"admit", "override"}
	not input.breaking
	some actor in _asking
	_identified(actor)
	count(_covering) > 0
	not _let_in(actor)
	lane := input.release.lane
	msg := sprintf("%s (%s) may not ask for releases of %s/%s", [actor.name, actor.source, lane.tenant, lane.application])
}

malformed contains {
	"code": "requester.malformed",
	"msg": "data.requesters is not a list of who may ask for releases",
} if {
	requesters := data.requesters
	not is_array(requesters)
}

malformed contains {"code": "requester.malformed", "msg": msg} if {
	is_array(data.requesters)
	some i, entry in data.requesters
	not _wellformed(entry)
	msg := concat(" ", [
		sprintf("data.requesters[%d] is not a rule:", [i]),
		"it has a tenant, may have an application, and lists names, groups or sources, at least one of them",
	])
}

# As in release.Actor: what the intake, the API and the chats write there after they checked who it was.
# cron is a schedule, and git the author of a commit that no event told of.
_sources := {
	"alarm", "api", "cron", "dingtalk", "feishu", "git", "gitea", "github", "gitlab",
	"page", "slack", "standard", "system",
}

_asking contains input.request.requester

_asking contains input.by if input.gate == "override"

_requester_identified if _identified(input.request.requester)

_overrider_identified if _identified(input.by)

_identified(actor) if {
	every part in [actor.name, actor.source] {
		_text(part)
	}
}

_covering contains entry if {
	some entry in data.requesters
	_wellformed(entry)
	entry.tenant == input.release.lane.tenant
	object.get(entry, "application", input.release.lane.application) == input.release.lane.application
}

_let_in(actor) if {
	some entry in _covering
	_from(entry, actor)
	_meant(entry, actor)
}

_from(entry, _) if not _names_any(entry, "sources")

_from(entry, actor) if actor.source in entry.sources

# Without names and groups an entry means everybody from its sources.
_meant(entry, _) if {
	not _names_any(entry, "names")
	not _names_any(entry, "groups")
}

_meant(entry, actor) if actor.name in entry.names

_meant(entry, actor) if {
	some group in actor.groups
	group in entry.groups
}

_names_any(entry, list) if entry[list]

_wellformed(entry) if {
	is_object(entry)
	object.keys(entry) - {"tenant", "application", "names", "groups", "sources"} == set()
	_text(entry.tenant)
	_text(object.get(entry, "application", "any"))
	lists := [list | some list in ["names", "groups", "sources"]; _ = entry[list]]
	count(lists) > 0
	every list in lists {
		_texts(entry[list])
	}
}

_texts(list) if {
	is_array(list)
	count(list) > 0
	every element in list {
		_text(element)
	}
}

_text(value) if {
	is_string(value)
	trim_space(value) != ""
}
