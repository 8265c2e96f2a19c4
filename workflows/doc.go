// Package workflows is the process: a lane queues the releases of one application in one
// environment, and a release takes a commit to full traffic or back.
//
// Workflow code decides and is deterministic; everything that touches the world is an activity. A
// release runs its way on a context that any reason to stop cancels, and rolls back on one that
// nothing cancels.
package workflows
