package gateway

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"
)

// save writes what is in force with the given documents on top, and waits at most saveWait.
func (g *Gateway) save(ahead []*document) error {
	if g.disk == nil {
		return nil
	}
	done := make(chan error, 1)
	go func() { done <- g.saveNow(ahead) }()
	timer := time.NewTimer(saveWait)
	defer timer.Stop()
	select {
	case err := <-done:
		if err != nil {
			return fmt.Errorf("%w: %w", ErrNotSaved, err)
		}
		return nil
	case <-timer.C:
		g.markUnsaved()
		return fmt.Errorf("%w: the disk did not answer for %s", ErrNotSaved, saveWait)
	}
}

func (g *Gateway) saveNow(ahead []*document) error {
	g.disk.mu.Lock()
	defer g.disk.mu.Unlock()
	if len(ahead) == 0 {
		// Before looking at what is in force: a change from here on is unsaved again.
		g.disk.unsaved.Store(false)
	}
	routes := maps.Clone(g.table.Load().routes)
	for _, d := range ahead {
		if old := routes[d.Key]; old == nil || old.doc.digest != d.digest {
			routes[d.Key] = &route{doc: d, lease: g.newLease(d)}
		}
	}
	untils := make(map[*lease]time.Time, len(routes))
	out := bytes.NewBufferString(`{"format":` + strconv.Quote(stateFormat) + `,"routes":[`)
	for i, r := range slices.SortedFunc(maps.Values(routes), byKey) {
		if i > 0 {
			out.WriteByte(',')
		}
		until, err := appendRecord(out, r)
		if err != nil {
			return err
		}
		untils[r.lease] = until
	}
	out.WriteString("]}\n")
	if err := g.disk.write(out.Bytes()); err != nil {
		g.markUnsaved()
		return err
	}
	delete(untils, nil)
	for l, until := range untils {
		l.wrote(until)
	}
	return nil
}

// appendRecord writes a [record], without encoding the route anew.
func appendRecord(out *bytes.Buffer, r *route) (until time.Time, err error) {
	rest := grantRecord{}
	if r.lease != nil {
		rest.Granted, rest.Until, rest.Lapsed = r.lease.record()
	}
	if r.evidence != nil {
		rest.ErrorAge = r.evidence.errorAge
		if guard := r.evidence.guard; guard != nil {
			rest.GuardRuns, rest.Tripped = guard.runs, guard.trip.Load()
		}
	}
	encoded, err := json.Marshal(rest)
	if err != nil {
		return time.Time{}, fmt.Errorf("encode the lease of route %s: %w", r.doc.Key, err)
	}
	out.WriteString(`{"route":`)
	out.Write(r.doc.encoded)
	if len(encoded) > len(`{}`) {
		out.WriteByte(',')
		out.Write(encoded[1:])
	} else {
		out.WriteByte('}')
	}
	return rest.Until, nil
}

func (g *Gateway) markUnsaved() {
	if g.disk != nil {
		g.disk.unsaved.Store(true)
	}
}

// saveOrLater writes what is in force; what the disk does not take now is tried again by [Gateway.Run].
func (g *Gateway) saveOrLater() {
	if err := g.save(nil); err != nil {
		g.opts.Log.Error("gateway state not written, trying again", "error", err)
	}
}

func (g *Gateway) saveUnsaved() {
	if g.disk != nil && g.disk.unsaved.Load() {
		g.saveOrLater()
	}
}

// restore puts the routes of a state file in force: all of them, or none and an error. A lease goes on
// where it was. It has lapsed when its time has passed, and also when the clock stands before its
// grant, because then nobody knows how much time has passed.
func (g *Gateway) restore(content []byte) error {
	if content == nil {
		return nil
	}
	records, err := decodeState(content)
	if err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	docs := make([]*document, len(records))
	for i, rec := range records {
		if docs[i], err = newDocument(rec.Route); err != nil {
			return err
		}
	}
	empty := g.table.Load()
	changed, err := empty.plan(docs, 0)
	if err != nil {
		return err
	}
	now := g.opts.Now()
	routes, bells := make(map[string]*route, len(changed)), map[string]*bell{}
	for i, d := range changed {
		rec := records[i]
		l := g.newLease(d)
		if l != nil {
			left := rec.Until.Sub(now)
			l = newLease(now, 0, max(0, left))
			if left <= 0 || rec.Lapsed || now.Before(rec.Granted) {
				l.lapsed.Store(true)
				g.opts.Log.Warn("lease ran out while the gateway was down, traffic is back on stable",
					"route", d.Key, "release", d.Release, "version", d.Version, "weight", d.Weight.String())
			}
			l.granted, l.until, l.saved = rec.Granted, rec.Until, rec.Until
		}
		if routes[d.Key] != nil {
			return fmt.Errorf("route %s is there twice", d.Key)
		}
		r := g.build(d, nil, l, bells)
		if r.evidence != nil && rec.ErrorAge > 0 {
			// Chosen once per release; the latencies it was chosen from are gone.
			r.evidence.errorAge = rec.ErrorAge
			r.evidence.limits.Store(r.live.latency.thresholds(r.evidence.latency, rec.ErrorAge, now))
		}
		if r.evidence != nil && r.evidence.guard != nil {
			// That evidence was lost is written down before anything is served: more may be lost.
			r.evidence.guard.resume(rec.GuardRuns+1, rec.Tripped, now)
			g.markUnsaved()
		}
		routes[d.Key] = r
	}
	g.swap(newTable(routes, empty))
	return nil
}
