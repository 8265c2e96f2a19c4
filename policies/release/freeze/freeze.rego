# METADATA
# title: Freeze
# description: |
#   Nothing is promoted while a freeze window is open. A window in data.freeze_windows has a start, an
#   end and a reason, and may name tenants, applications and environments; what it does not name it
#   does not limit, so a window that names nothing is for everything. Releases are still admitted,
#   built and tested, and traffic may always be taken back. A plan that says "finish" ends a ramp that
#   has begun.
# scope: package
package release.freeze

import data.release.clock

deny contains {"code": "freeze.open", "msg": msg, "until": window.ends} if {
	_promotes
	not _finishes
	some window in data.freeze_windows
	clock.moment(window.starts) <= clock.now
	clock.now < clock.moment(window.ends)
	lane := input.release.lane
	_covers(window, lane)
	msg := sprintf("%s of %s/%s is frozen until %s: %s", [
		lane.environment, lane.tenant, lane.application,
		window.ends, window.reason,
	])
}

deny contains {
	"code": "freeze.malformed",
	"msg": "data.freeze_windows is not a list of windows",
} if {
	windows := data.freeze_windows
	not is_array(windows)
}

deny contains {"code": "freeze.malformed", "msg": msg} if {
	is_array(data.freeze_windows)
	some i, window in data.freeze_windows
	not _wellformed(window)
	msg := concat(" ", [
		sprintf("data.freeze_windows[%d] is not a window:", [i]),
		"it has starts and a later ends, as 2026-03-02T12:00:00Z, and a reason,",
		"and may list tenants, applications and environments",
	])
}

_promotes if input.gate == "deploy"

_promotes if input.gate == "cutover"

_promotes if {
	input.gate == "step"
	not _lowers
}

_lowers if input.step.to_permyriad < input.step.from_permyriad

_finishes if {
	input.plan.freeze == "finish"
	input.gate in {"step", "cutover"}
	input.step.from_permyriad > 0
}

_scopes := {"tenants": "tenant", "applications": "application", "environments": "environment"}

_covers(window, lane) if {
	every list, part in _scopes {
		lane[part] in object.get(window, list, [lane[part]])
	}
}

_wellformed(window) if {
	is_object(window)
	object.keys(window) - ({"starts", "ends", "reason"} | object.keys(_scopes)) == set()
	is_string(window.reason)
	trim_space(window.reason) != ""
	clock.moment(window.starts) < clock.moment(window.ends)
	every list, _ in _scopes {
		_names(object.get(window, list, ["any"]))
	}
}

_names(list) if {
	is_array(list)
	count(list) > 0
	every element in list {
		is_string(element)
	}
}
