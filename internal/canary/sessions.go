package canary

import "slices"

const (
	// maxSessions bounds one stream's set of bad sessions. Ignoring further bad units, on both arms
	// alike, is always allowed, and the state must fit into a heartbeat.
	maxSessions = 2048
	// sessionBits of a session's hash are kept. Two sessions in a full set share them once in some
	// hundred million releases, and then one bad unit is ignored.
	sessionBits = 48
)

// sessions is the set of sessions that had a bad unit on one stream. One unlucky session pinned to the
// canary would look like a regression if each of its requests counted.
type sessions map[uint64]struct{}

// first adds the sessions and returns how many were new.
func (set sessions) first(ids []uint64) int64 {
	fresh := int64(0)
	for _, id := range ids {
		id &= 1<<sessionBits - 1
		if _, seen := set[id]; seen || len(set) >= maxSessions {
			continue
		}
		set[id] = struct{}{}
		fresh++
	}
	return fresh
}

// sorted returns the sessions in a fixed order.
func (set sessions) sorted() []uint64 {
	ids := make([]uint64, 0, len(set))
	for id := range set {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}
