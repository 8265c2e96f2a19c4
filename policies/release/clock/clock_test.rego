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

test_days_that_are_in_no_calendar_are_undefined if {
	every text in ["2026-02-29T00:00:00Z", "2100-02-29T00:00:00Z", "2026-04-31T00:00:00Z", "2026-02-30T00:00:00Z"] {
		not clock.moment(text)
	}
	every text in ["2028-02-29T00:00:00Z", "2000-02-29T00:00:00Z", "2026-12-31T00:00:00Z", "2026-04-30T00:00:00Z"] {
		clock.moment(text)
	}
}

test_spans if {
	wanted := {
		"0s": 0, "90s": 90000000000, "1h30m": 5400000000000, "7d": 7 * clock.day, "1d12h": 1.5 * clock.day,
		"250ms": 250000000, "1.5s": 1500000000,
	}
	every text, ns in wanted {
		clock.span(text) == ns
	}
	every text in ["", "5", "5 m", "-5m", "m", "5m1h", "99999999h", "1y", 300, null] {
		not clock.span(text)
	}
}

test_clocks_on_the_wall if {
	clock.wall(clock.moment("2026-03-02T16:30:00.9Z"), "Asia/Shanghai") == clock.moment("2026-03-03T00:30:00Z")
	not clock.wall(0, "Mars/Olympus")
}

test_what_clocks_show_is_read_with_and_without_seconds if {
	clock.shown("2026-03-02T12:00") == clock.moment("2026-03-02T12:00:00Z")
	clock.shown("2026-03-02T12:00:30") == clock.moment("2026-03-02T12:00:30Z")
	every text in ["2026-03-02", "2026-03-02T12:00:00Z", "2026-03-02T25:00", "noon", 7] {
		not clock.shown(text)
	}
}

test_local_time_knows_summer if {
	wanted := {
		"2026-01-05T08:00": "2026-01-05T08:00:00+01:00",
		"2026-07-06T08:00": "2026-07-06T08:00:00+02:00",
		# The clocks go from 2 to 3 on that day: half past two is never shown.
		"2026-03-29T02:30": "2026-03-29T03:30:00+02:00",
		"2026-03-29T04:00": "2026-03-29T04:00:00+02:00",
	}
	every text, moment in wanted {
		clock.written(clock.local(clock.shown(text), "Europe/Berlin"), "Europe/Berlin") == moment
	}
}

test_days_of_the_week if {
	monday := clock.moment("2026-03-02T12:34:56Z")
	clock.midnight(monday) == clock.moment("2026-03-02T00:00:00Z")
	clock.weekdays[clock.weekday(monday)] == "mon"
	clock.weekdays[clock.weekday(monday - clock.day)] == "sun"
}

test_minutes_of_a_day if {
	clock.minutes("00:00") == 0
	clock.minutes("08:09") == 489
	clock.minutes("24:00") == 1440
	every text in ["", "8:00", "24:01", "12:60", "noon", 8, null] {
		not clock.minutes(text)
	}
}
