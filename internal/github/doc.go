// Package github tells GitHub what becomes of releases: commit statuses, a check run, a deployment and, when a release was
// rolled back, a comment with the evidence.
//
// Its one idea is that it is level-triggered. Something happened to a release, so GitHub is owed that release as it is now;
// what is there already is known by its hash, and only what differs is sent. So states may be skipped, attempts may be
// repeated, and an outage or a used-up rate limit only delays what is seen. No release waits for any of it.
//
// A POST whose answer was lost may have taken effect. That one is to be sent is stored first, under a claim that nobody
// else holds, and before it is sent again GitHub is asked for what carries the release's name.
package github
