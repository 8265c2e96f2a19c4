// Package embedded is a Temporal server and its web UI inside the process, with all state in one
// SQLite file: what the standalone program needs so that there is nothing else to install.
//
// # What it promises
//
// A workflow survives the death of the process at any point and goes on when a server starts on the
// same file. SQLite runs with a write-ahead log and synchronous=normal: a committed transaction
// survives kill -9, and a power cut may lose the last of them but corrupts nothing. One process at a
// time can have the file, which SQLite's exclusive locking sees to; the lock goes with the process.
//
// Nothing is asked of the network but loopback: no gossip (the four services know each other's
// addresses from the start), no check for new versions, no metrics or profiling port. The gossip
// being gone, a start after a kill waits for nobody: there is no record of a dead member to outlive.
//
// # What it is built around
//
//   - Temporal opens its listeners itself and ends the process when a port is taken. So ports are
//     found free first, and the fatal message is caught: it blows a fuse, and the start is tried
//     again with other ports ([Server.Failed] tells of a fatal message in a running server).
//   - Every Temporal service caches namespaces for itself for some seconds. So the namespace and its
//     search attributes are written to the file before the services start, not through the API.
//   - Temporal's SQLite plugin keeps one connection a file for the life of the process, also after
//     the server stopped. So [Server.Stop] releases the lock on it, and a file must not be deleted
//     and made anew under the same name in one process.
//
// # How fast it is
//
// Measured on two busy cores with BenchmarkBareActivities, twenty activities one after the other,
// medians, one thing changed at a time:
//
//	as it is                                                 5 to 7 ms an activity
//	transfer queue polled 20 times a second (the default)    52 ms
//	the same without eager activities                        102 ms
//	without eager activities                                 10 ms
//	synchronous=full                                         13 ms
//	synchronous=off, locking_mode=normal, four task queue
//	partitions, more shard concurrency                       no difference beyond noise
//
// An activity is eager when the worker that runs the workflow also takes its activity task queue
// and has room: the task then travels in the answer to the workflow task. That is so by default with
// one worker for both.
//
// Two more defaults cost a second each and are changed: a timer shorter than a second took a second
// (history.timerProcessorMaxTimeShift), and a client waiting for a workflow to end could miss the
// end and learn of it only after 20 seconds (history.longPollExpirationInterval; it is one second
// here). An update's caller and a parent of a child workflow are not concerned by the latter.
package embedded
