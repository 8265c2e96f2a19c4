package canary

import (
	"cmp"
	"slices"
)

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

// first adds the sessions of both arms and returns how many of each were new. Where not all find room,
// those with the lowest hashes do: a hash says nothing about its arm, and whichever arm went first would
// have more than its part of what counts.
func (set sessions) first(canary, stable []uint64) (newCanary, newStable int64) {
	type bad struct {
		id  uint64
		arm Arm
	}
	units := make([]bad, 0, len(canary)+len(stable))
	for _, id := range canary {
		units = append(units, bad{id & (1<<sessionBits - 1), Canary})
	}
	for _, id := range stable {
		units = append(units, bad{id & (1<<sessionBits - 1), Stable})
	}
	if len(set)+len(units) > maxSessions {
		slices.SortStableFunc(units, func(a, b bad) int { return cmp.Compare(a.id, b.id) })
	}
	var fresh [2]int64
	for _, u := range units {
		if _, seen := set[u.id]; seen || len(set) >= maxSessions {
			continue
		}
		set[u.id] = struct{}{}
		fresh[u.arm]++
	}
	return fresh[Canary], fresh[Stable]
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
