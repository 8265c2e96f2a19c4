package worker

import "testing"

func TestWatchersLeaveRoomForRollbacks(t *testing.T) {
	// Releases in their watch, each of which holds an activity for as long as it lasts.
	const watched = 1000
	if limit := settings(Options{}).MaxConcurrentActivityExecutionSize; limit < 2*watched {
		t.Errorf("%d activities at once: %d watchers leave too few for rolling all of them back", limit, watched)
	}
	if limit := settings(Options{MaxActivities: 7}).MaxConcurrentActivityExecutionSize; limit != 7 {
		t.Errorf("%d activities at once, want the 7 that were asked for", limit)
	}
}
