package store_test

import (
	"testing"
	"time"
)

func TestASchedulesDueTimesAreSeenToOnce(t *testing.T) {
	onEach(t, func(t *testing.T, open database) {
		s := open(t)
		began := time.Date(2026, 11, 28, 3, 0, 0, 0, time.UTC)
		seen := func(definition string, now, want time.Time) {
			t.Helper()
			if got, err := s.ScheduleSeen(t.Context(), "nightly", definition, now); err != nil || !got.Equal(want) {
				t.Errorf("seen to until %s, %v; want %s", got, err, want)
			}
		}
		see := func(until time.Time) {
			t.Helper()
			check(t, s.SeeSchedule(t.Context(), "nightly", until))
		}
		seen("0 3 * * *", began, began)                               // new, so nothing before was missed
		seen("0 3 * * *", began.Add(time.Hour), began)                // known
		see(began.Add(24 * time.Hour))                                //
		see(began.Add(12 * time.Hour))                                // another server is behind: it takes nothing back
		seen("0 3 * * *", began, began.Add(24*time.Hour))             //
		seen("0 9 * * *", began.Add(time.Hour), began.Add(time.Hour)) // another definition begins anew
		seen("0 9 * * *", began.Add(time.Hour*2), began.Add(time.Hour))
	})
}
