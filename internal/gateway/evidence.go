package gateway

import (
	"context"
	"time"

	"github.com/skyisland/skyisland/internal/canary"
	"github.com/skyisland/skyisland/internal/release"
)

// MaxEvidenceWait is the longest a reader may wait for evidence.
const MaxEvidenceWait = 30 * time.Second

// Evidence is what a gateway has to say about one release.
type Evidence struct {
	Gateway string `json:"gateway"`
	// Routes are those of the release, by key. None means that the gateway serves no route of it.
	Routes []RouteEvidence `json:"routes"`
}

// RouteEvidence is the evidence of one route since a reader's cursor.
type RouteEvidence struct {
	Key string `json:"key"`
	// Sender is the gateway's name in the batches of this route.
	Sender string `json:"sender"`
	// Version is the route's version in force, Weight the canary's part right now. Lapsed says that
	// the lease ran out and the weight is 0 for that reason.
	Version int64          `json:"version"`
	Weight  release.Weight `json:"weight"`
	Lapsed  bool           `json:"lapsed,omitempty"`
	// Tripped is what the route's own guard has found against the canary, which has no weight here any more.
	Tripped *release.Evidence `json:"tripped,omitempty"`
	Batches []canary.Batch    `json:"batches,omitempty"`
	// Next is the cursor to ask with next time.
	Next Cursor `json:"next"`
	// Lost is set when batches after the reader's cursor are no longer kept.
	Lost *Lost `json:"lost,omitempty"`
}

// Evidence returns what happened on the routes of a release after the cursors, by route key; a missing
// one is the beginning. A cursor also acknowledges what it has passed: the last 1,000 acknowledged
// batches and 10,000 others are kept.
//
// It answers as soon as there is something: at once after a bad canary verdict or a lapse, within
// 100 ms of any other, after a second for a sign of life, and after wait (at most [MaxEvidenceWait])
// or at the end of ctx in any case.
func (g *Gateway) Evidence(ctx context.Context, release string, after map[string]Cursor, wait time.Duration) Evidence {
	deadline := time.NewTimer(min(max(wait, 0), MaxEvidenceWait))
	defer deadline.Stop()
	flush := time.NewTicker(flushEvery)
	defer flush.Stop()
	for {
		var rings <-chan struct{}
		if b := g.table.Load().bells[release]; b != nil {
			rings = b.listen()
		}
		e, news := g.readEvidence(release, after)
		if news || wait <= 0 {
			return e
		}
		select {
		case <-rings:
		case <-flush.C:
		case <-deadline.C:
			e, _ = g.readEvidence(release, after)
			return e
		case <-ctx.Done():
			return e
		}
	}
}

func (g *Gateway) readEvidence(release string, after map[string]Cursor) (e Evidence, news bool) {
	e.Gateway = g.opts.Name
	now, uptime := g.opts.Now(), g.uptime()
	for _, r := range g.sorted() {
		if r.doc.Release != release || r.evidence == nil {
			continue
		}
		w, expired := r.weight(uptime)
		if expired {
			g.lapse(r, uptime)
		}
		batches, next, lost := r.evidence.read(after[r.doc.Key], now)
		news = news || len(batches) > 0 || lost != nil
		e.Routes = append(e.Routes, RouteEvidence{
			Key: r.doc.Key, Sender: r.evidence.gateway, Version: r.doc.Version, Weight: w, Lapsed: expired,
			Tripped: r.tripped(), Batches: batches, Next: next, Lost: lost,
		})
	}
	return e, news
}
