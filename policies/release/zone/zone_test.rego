package release.zone_test

import data.release.zone

test_zones_are_known_by_their_names if {
	every name in ["UTC", "Asia/Shanghai", "Europe/Berlin", "America/New_York"] {
		name in zone.names
	}
}

test_what_is_no_zone_is_not if {
	every name in ["", "Local", "Mars/Olympus", "CST", "asia/shanghai"] {
		not name in zone.names
	}
}
