package schedule

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func at(t *testing.T, text string) time.Time {
	t.Helper()
	out, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestNext(t *testing.T) {
	for _, tt := range []struct {
		name, cron, zone, after string
		want                    []string
	}{
		{"five fields, in the zone", "0 3 * * 1-5", "Asia/Shanghai", "2026-11-27T00:00:00Z", []string{"2026-11-29T19:00:00Z", "2026-11-30T19:00:00Z"}},
		{"without a zone it is UTC", "30 4 1 * *", "", "2026-11-28T00:00:00Z", []string{"2026-12-01T04:30:00Z", "2027-01-01T04:30:00Z"}},
		{"a word", "@daily", "UTC", "2026-11-28T00:00:00Z", []string{"2026-11-29T00:00:00Z"}},
		{"a leap day", "0 0 29 2 *", "UTC", "2026-11-28T00:00:00Z", []string{"2028-02-29T00:00:00Z"}},
		{
			"the same time of day in summer and winter", "0 9 * * *", "Europe/Berlin", "2026-10-24T00:00:00Z",
			[]string{"2026-10-24T07:00:00Z", "2026-10-25T08:00:00Z"},
		},
		{
			"a skipped hour has no due time", "30 2 * * *", "Europe/Berlin", "2026-03-28T00:00:00Z",
			[]string{"2026-03-28T01:30:00Z", "2026-03-30T00:30:00Z"},
		},
		{
			"a repeated hour has its due times twice", "30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z",
			[]string{"2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2026-10-26T01:30:00Z"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, err := Parse(tt.cron, tt.zone)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			next := at(t, tt.after)
			for range tt.want {
				next = s.Next(next)
				got = append(got, next.Format(time.RFC3339))
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("due at %v, want %v", got, tt.want)
			}
		})
	}
}

func TestLatest(t *testing.T) {
	s, err := Parse("0 */6 * * *", "")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, after, until, want string }{
		{"the last of several", "2026-11-27T00:00:00Z", "2026-11-27T23:00:00Z", "2026-11-27T18:00:00Z"},
		{"one that is due now", "2026-11-27T00:00:00Z", "2026-11-27T06:00:00Z", "2026-11-27T06:00:00Z"},
		{"one that was dealt with is not due again", "2026-11-27T06:00:00Z", "2026-11-27T11:59:59Z", "0001-01-01T00:00:00Z"},
		{"a time that lies ahead", "2026-11-29T00:00:00Z", "2026-11-27T00:00:00Z", "0001-01-01T00:00:00Z"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := s.Latest(at(t, tt.after), at(t, tt.until)).Format(time.RFC3339); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
	if got := (Schedule{}).Latest(at(t, "2026-11-27T00:00:00Z"), at(t, "2026-11-28T00:00:00Z")); !got.IsZero() {
		t.Errorf("no schedule is due at %s", got)
	}
}

func TestParseRefuses(t *testing.T) {
	for _, tt := range []struct{ name, cron, zone, want string }{
		{"nothing", "", "", "no cron expression"},
		{"four fields", "0 3 * *", "", "no cron expression"},
		{"seconds", "0 0 3 * * *", "", "no cron expression"},
		{"a minute that is none", "60 3 * * *", "", "above maximum"},
		{"no word", "@sometimes", "", "no cron expression"},
		{"one that counts from the start", "@every 1h", "", "counts from whenever a server starts"},
		{"a day that never comes", "0 0 30 2 *", "", "due at no time"},
		{"a zone in the expression", "CRON_TZ=UTC 0 3 * * *", "", "write it as zone"},
		{"half a zone", "TZ=", "", "write it as zone"},
		{"an unknown zone", "0 3 * * *", "Mars/Olympus", `zone "Mars/Olympus" is unknown`},
		{"the host's zone", "0 3 * * *", "Local", "unknown"},
		{"a huge number", "99999999999999999999 3 * * *", "", "no cron expression"},
		{"something long", strings.Repeat("1,", 200) + "1 * * * *", "", "longer than 200"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := Parse(tt.cron, tt.zone); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error = %v, want %q", err, tt.want)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range []string{"0 3 * * 1-5", "@daily", "@every 1s", "TZ=", "*/0 * * * *", "1-0 * * * *", "? ? ? ? ?", "\xff * * * *"} {
		f.Add(text, "Asia/Shanghai")
	}
	f.Fuzz(func(t *testing.T, text, zone string) {
		s, err := Parse(text, zone)
		if err != nil {
			return
		}
		now := time.Date(2026, 11, 28, 0, 0, 0, 0, time.UTC)
		if next := s.Next(now); !next.IsZero() && !next.After(now) {
			t.Errorf("%q is next due at %s, which is not after %s", text, next, now)
		}
	})
}
