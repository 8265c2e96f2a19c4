// Package process tests the release process on a real Temporal server: lanes and releases with their
// worker and the dispatcher, in a world of activities/activitiestest. What the test environment of
// the SDK cannot show is shown here: continuing as new, cancellation that waits, heartbeats that
// outlive a worker, and that histories replay.
package process
