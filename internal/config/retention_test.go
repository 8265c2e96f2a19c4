package config

import (
	"strings"
	"testing"
	"time"
)

func TestRetention(t *testing.T) {
	for _, test := range []struct {
		name, text     string
		events, bodies time.Duration
		fault          string
	}{
		{"nothing is said", "", 90 * day, 30 * day, ""},
		{"both are said", "retention: {events: 365d, bodies: 7d}", 365 * day, 7 * day, ""},
		{"events go sooner than bodies usually do", "retention: {events: 10d}", 10 * day, 10 * day, ""},
		{"the least", "retention: {events: 7d, bodies: 24h}", 7 * day, day, ""},
		{"a source could deliver again what is forgotten", "retention: {events: 6d}", 0, 0, "retention.events: 144h is less than 7d"},
		{"bodies outlive their events", "retention: {events: 10d, bodies: 11d}", 0, 0, "retention.bodies: 264h is longer than events are kept, 240h"},
		{"bodies go at once", "retention: {bodies: 1h}", 0, 0, "retention.bodies: 1h is less than 1d"},
		{"a number without a unit", "retention: {events: 90}", 0, 0, "is not a duration"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, err := Read(write(t, good+test.text+"\n"))
			if test.fault != "" {
				if err == nil || !strings.Contains(err.Error(), test.fault) {
					t.Errorf("error %v, want %q", err, test.fault)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if events, bodies := c.Retention.Kept(); events != test.events || bodies != test.bodies {
				t.Errorf("kept for %s and %s, want %s and %s", events, bodies, test.events, test.bodies)
			}
			local, err := ReadLocal(write(t, test.text+"\n"))
			if err != nil || local.Retention != c.Retention {
				t.Errorf("locally %+v, %v, want %+v", local.Retention, err, c.Retention)
			}
		})
	}
}
