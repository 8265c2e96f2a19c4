package store_test

import (
	"fmt"
	"testing"

	"github.com/skyisland/skyisland/internal/release"
)

func TestFollowersReadWhatHappenedByTheirOwnCursors(t *testing.T) {
	onEach(t, func(t *testing.T, open database) {
		s := open(t)
		if seq, moved, err := s.Cursor(t.Context(), "page"); err != nil || moved || seq != 0 {
			t.Errorf("a cursor that never moved is %d, %t, %v", seq, moved, err)
		}
		for i := range 5 {
			check(t, s.AddOutbox(t.Context(), fmt.Sprintf("alarm-%d", i), told, release.Entry{At: at(i), Kind: release.EntryAlarm, Message: nasty}))
		}
		routeAll(t, s) // whoever tells people has been here
		last, err := s.LastHappened(t.Context())
		check(t, err)
		var read []string
		for after := int64(0); ; {
			entries, err := s.Happened(t.Context(), after, 2)
			check(t, err)
			if len(entries) == 0 {
				break
			}
			for _, entry := range entries {
				read, after = append(read, entry.ID), entry.Seq
			}
			check(t, s.MoveCursor(t.Context(), "page", after))
		}
		if got := fmt.Sprint(read); got != "[alarm-0 alarm-1 alarm-2 alarm-3 alarm-4]" {
			t.Errorf("read %s", got)
		}
		check(t, s.MoveCursor(t.Context(), "page", last-1)) // a slower twin does not take it back
		if seq, moved, err := s.Cursor(t.Context(), "page"); err != nil || !moved || seq != last {
			t.Errorf("the cursor is %d, %t, %v; want %d", seq, moved, err, last)
		}
		if _, moved, _ := s.Cursor(t.Context(), "other"); moved {
			t.Error("another follower's cursor has moved")
		}
	})
}
