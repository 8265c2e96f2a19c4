// Package runtime runs revisions as processes, several side by side: a new revision never takes the
// place of an old one, it stands next to it until the gateway has moved the traffic.
//
// The processes belong to the machine and not to this program. Each has a session of its own and
// writes its log to a file, and what is needed to find it again is on disk before anybody is told of
// it. So when this program is killed, instances go on serving, and its next start takes them back.
//
// An endpoint that was handed out never changes: an instance that crashed comes back at its port or
// not at all.
package runtime
