// Package process tests the release process on a real Temporal server: lanes and releases with their
// worker and the dispatcher, in a world of activities/activitiestest. What the test environment of
// the SDK cannot show is shown here: continuing as new, cancellation that waits, heartbeats that
// outlive a worker, and that histories replay.
//
// Its histories are the fixtures of the replay test in package workflows:
//
//	go test ./test/process -args -record
//
// writes them to workflows/testdata/histories. They are recorded from released code, never from
// changes that are to be tested against them.
package process
