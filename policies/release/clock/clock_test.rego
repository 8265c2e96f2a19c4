package release.clock_test

import data.release.clock

test_the_clock_is_the_input if {
	clock.now == 1000000000 with input.at as "1970-01-01T00:00:01Z"
}

test_without_input_there_is_no_clock if {
	not clock.now with input as {}
}

test_offsets_and_fractions_count if {
	clock.moment("2026-03-02T12:00:00.5+08:00") == clock.moment("2026-03-02T04:00:00.500Z")
}

test_what_is_no_moment_is_undefined if {
	every text in [
		"", "tomorrow", "2026-03-02", "2026-03-02T12:00:00", "2026-13-02T12:00:00Z", "2026-03-32T12:00:00Z",
		"2026-03-02T24:00:00Z", "0001-01-01T00:00:00Z", "2300-01-01T00:00:00Z", 1772445600, null, {}, [],
	] {
		not clock.moment(text)
	}
}
